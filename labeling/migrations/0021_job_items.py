import django.db.models.deletion
from django.db import migrations, models

import labeling.jobs.models


def remove_reading_jobs(apps, schema_editor):
    """On the way back: without their files there is nothing left of them."""
    apps.get_model("labeling", "Job").objects.filter(kind="read").delete()


class Migration(migrations.Migration):
    dependencies = [("labeling", "0020_words")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(choices=[("export", "export"), ("read", "reading of files")], max_length=20),
        ),
        migrations.RunPython(migrations.RunPython.noop, remove_reading_jobs),
        migrations.CreateModel(
            name="JobItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField(help_text="order in the job, from 1")),
                ("name", models.CharField(max_length=255)),
                ("size", models.BigIntegerField(help_text="bytes")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("running", "reading"),
                            ("done", "done"),
                            ("choice", "needs a choice"),
                            ("declined", "declined"),
                            ("cancelled", "cancelled"),
                        ],
                        default="waiting",
                        max_length=20,
                    ),
                ),
                (
                    "file",
                    models.FileField(blank=True, storage=labeling.jobs.models.uploads_storage, upload_to="uploads/"),
                ),
                ("choice", models.JSONField(default=dict)),
                ("facts", models.JSONField(default=dict)),
                ("error", models.TextField(blank=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="labeling.job"
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [models.UniqueConstraint(fields=("job", "position"), name="job_item_position_once")],
            },
        ),
    ]
