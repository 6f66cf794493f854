import django.db.models.deletion
from django.db import migrations, models

from labeling.migrations._way_back import apps_of_one_state


def remove_slides(apps, schema_editor):
    """On the way back: an image without pixels of its own cannot be shown, and nothing does the jobs of fields."""
    apps = apps_of_one_state(apps)
    apps.get_model("labeling", "Image").objects.filter(kind="slide").delete()
    apps.get_model("labeling", "Job").objects.filter(kind="fields").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0022_team"),
    ]

    operations = [
        migrations.CreateModel(
            name="SlideField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("x", models.PositiveIntegerField()),
                ("y", models.PositiveIntegerField()),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                (
                    "method",
                    models.CharField(
                        choices=[("drawn", "drawn"), ("grid", "grid"), ("random", "random")], max_length=10
                    ),
                ),
                ("probability", models.FloatField(blank=True, null=True)),
                ("seed", models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="SlideFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("root", models.CharField(blank=True, max_length=100)),
                ("path", models.CharField(max_length=1000)),
                ("entry", models.CharField(blank=True, max_length=1000)),
                ("size", models.BigIntegerField()),
                ("mtime", models.BigIntegerField(help_text="of the last change, in nanoseconds")),
                ("reader", models.CharField(max_length=20)),
                ("page", models.PositiveIntegerField(default=1)),
                ("channel", models.PositiveIntegerField(default=1)),
                ("info", models.JSONField(default=dict)),
                ("removed", models.JSONField(default=list)),
                ("tissue", models.JSONField(default=dict)),
            ],
        ),
        migrations.AddField(
            model_name="image",
            name="kind",
            field=models.CharField(
                choices=[("picture", "picture"), ("slide", "whole slide")], default="picture", max_length=10
            ),
        ),
        migrations.AlterField(
            model_name="image",
            name="pixels",
            field=models.FileField(blank=True, upload_to="images/"),
        ),
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[("export", "export"), ("read", "reading of files"), ("fields", "cutting of fields")],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="image",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind", "slide"), models.Q(("pixels", ""), _negated=True), _connector="OR"),
                name="image_picture_has_pixels",
            ),
        ),
        migrations.AddField(
            model_name="slidefield",
            name="image",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="slide_field", to="labeling.image"
            ),
        ),
        migrations.AddField(
            model_name="slidefield",
            name="slide",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="fields", to="labeling.image"
            ),
        ),
        migrations.AddField(
            model_name="slidefile",
            name="image",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="slide_file", to="labeling.image"
            ),
        ),
        migrations.AddConstraint(
            model_name="slidefield",
            constraint=models.CheckConstraint(
                condition=models.Q(("height__gt", 0), ("width__gt", 0)), name="slide_field_has_area"
            ),
        ),
        migrations.AddConstraint(
            model_name="slidefield",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("probability__isnull", True),
                    models.Q(("probability__gt", 0), ("probability__lte", 1)),
                    _connector="OR",
                ),
                name="slide_field_probability",
            ),
        ),
        migrations.AddConstraint(
            model_name="slidefield",
            constraint=models.UniqueConstraint(fields=("slide", "x", "y", "width", "height"), name="slide_field_once"),
        ),
        migrations.RunPython(migrations.RunPython.noop, remove_slides),
    ]
