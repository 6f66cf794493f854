import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import labeling.jobs.models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0033_cells"),
    ]

    operations = [
        # Off for the projects that are there: they keep what they were promised. On for new ones.
        migrations.AddField(
            model_name="project",
            name="deidentifies",
            field=models.BooleanField(
                default=False,
                help_text="Keep of each file the pixels and what shows them, and no file as it came.",
                verbose_name="de-identify files",
            ),
        ),
        migrations.AlterField(
            model_name="project",
            name="deidentifies",
            field=models.BooleanField(
                default=True,
                help_text="Keep of each file the pixels and what shows them, and no file as it came.",
                verbose_name="de-identify files",
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="name_pattern",
            field=models.CharField(
                blank=True,
                help_text="of file names: what its {patient} takes is replaced by a pseudonym",
                max_length=300,
            ),
        ),
        migrations.CreateModel(
            name="ResumableUpload",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=255)),
                ("size", models.BigIntegerField(help_text="bytes")),
                ("offset", models.BigIntegerField(default=0, help_text="bytes that have arrived")),
                ("file", models.FileField(blank=True, storage=labeling.jobs.models.uploads_storage, upload_to="")),
                ("facts", models.JSONField(default=dict)),
                ("modified", models.CharField(blank=True, max_length=40)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "touched_at",
                    models.DateTimeField(default=django.utils.timezone.now, help_text="when its last part arrived"),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="resumable_uploads",
                        to="labeling.job",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resumable_uploads",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="resumable_uploads",
                        to="labeling.project",
                    ),
                ),
            ],
            options={
                "ordering": ["created_at"],
                "indexes": [models.Index(fields=["touched_at"], name="resumable_upload_age")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("offset__gte", 0), ("offset__lte", models.F("size"))),
                        name="resumable_upload_offset_in_file",
                    )
                ],
            },
        ),
    ]
