import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def name_the_models(apps, schema_editor):
    """Until now every version was made by a round, whose configuration names its architecture."""
    for version in apps.get_model("labeling", "ModelVersion").objects.select_related("round"):
        version.model = version.round.configuration.get(version.kind, {}).get("name", "")
        version.save(update_fields=["model"])


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0011_lacking"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="class_names",
            field=models.JSONField(default=list, help_text="of a detector that knows several, in its own order"),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="model",
            field=models.CharField(
                default="", help_text="the name of its architecture in configurations", max_length=40
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="modelversion",
            name="origin",
            field=models.CharField(
                choices=[("trained", "trained here"), ("imported", "imported"), ("shipped", "came with Boxwise")],
                default="trained",
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="architecture",
            field=models.CharField(help_text="with its version, and what its training began from", max_length=100),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="round",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="model_versions",
                to="labeling.round",
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="snapshot",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="model_versions",
                to="labeling.snapshot",
            ),
        ),
        migrations.CreateModel(
            name="WeightsImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="of the file, as it came", max_length=255)),
                ("file", models.FileField(blank=True, upload_to="imports/")),
                ("size", models.PositiveBigIntegerField()),
                (
                    "data_licence",
                    models.CharField(help_text="of the data that the weights have learned from", max_length=200),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                ("card", models.TextField(blank=True, help_text="the README.md that came with it")),
                (
                    "state",
                    models.CharField(
                        choices=[("checking", "being checked"), ("ready", "ready"), ("refused", "refused")],
                        default="checking",
                        max_length=20,
                    ),
                ),
                ("error", models.TextField(blank=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("imported_at", models.DateTimeField(auto_now_add=True)),
                ("queued_at", models.DateTimeField()),
                ("checked_at", models.DateTimeField(null=True)),
                (
                    "imported_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="weights_imports",
                        to="labeling.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.AddField(
            model_name="modelversion",
            name="source",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="versions",
                to="labeling.weightsimport",
            ),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("origin", "imported"),
                        ("round__isnull", True),
                        ("snapshot__isnull", True),
                        ("source__isnull", False),
                    ),
                    models.Q(
                        ("origin", "shipped"),
                        ("round__isnull", False),
                        ("snapshot__isnull", True),
                        ("source__isnull", True),
                    ),
                    models.Q(
                        ("origin", "trained"),
                        ("round__isnull", False),
                        ("snapshot__isnull", False),
                        ("source__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="model_version_comes_from_somewhere",
            ),
        ),
        migrations.RunPython(name_the_models, migrations.RunPython.noop),
    ]
