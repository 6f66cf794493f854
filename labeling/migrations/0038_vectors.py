import django.db.models.deletion
from django.db import migrations, models

from labeling.migrations._way_back import apps_of_one_state


def remove_jobs_of_vectors(apps, schema_editor):
    """On the way back: jobs of a kind that nothing knows are not kept."""
    apps = apps_of_one_state(apps)
    apps.get_model("labeling", "Job").objects.filter(kind="vectors").delete()
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the tables could not be dropped after this


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0037_points"),
    ]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("export", "export"),
                    ("read", "reading of files"),
                    ("import", "import of annotations"),
                    ("fields", "cutting of fields"),
                    ("propose", "proposing of cells"),
                    ("agreement", "agreement of readers"),
                    ("consensus", "consensus of readings"),
                    ("certificate", "acceptance on a certificate"),
                    ("class_merge", "merge of classes"),
                    ("vectors", "comparing of cells"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="CellVectorFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("encoder", models.CharField(max_length=40)),
                ("file", models.FileField(upload_to="vectors/")),
                ("cells", models.PositiveIntegerField()),
                ("size", models.PositiveBigIntegerField(help_text="bytes")),
                ("state", models.CharField(blank=True, max_length=64)),
                ("made_at", models.DateTimeField(auto_now=True)),
                (
                    "layer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="vector_files", to="labeling.layer"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("layer", "encoder"), name="vectors_of_layer_once")],
            },
        ),
        migrations.RunPython(migrations.RunPython.noop, remove_jobs_of_vectors),
    ]
