from itertools import groupby

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from labeling.annotations.active_time import Batch, Rules, summary_of, unpacked

RULES = Rules(idle_after_s=30.0)


def summarise_what_is_recorded(apps, schema_editor):
    """Sheets of studies are left out: studies compute from the events."""
    batches = apps.get_model("labeling", "ActivityBatch").objects
    summaries = apps.get_model("labeling", "ActivitySummary").objects
    recorded = batches.filter(image__project__study_item__isnull=True).order_by("session", "image", "first")
    for (session, image), found in groupby(recorded.iterator(), key=lambda b: (b.session, b.image_id)):
        own = list(found)
        made = summary_of(
            Batch(b.first, unpacked(b.events), b.mono_ms, b.wall_ms, b.received_at.timestamp() * 1000) for b in own
        )
        columns = made.columns(RULES)
        summaries.create(session=session, image_id=image, user_id=own[0].user_id, **columns)


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0012_ownweights"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="activitybatch",
            index=models.Index(fields=["image", "session"], name="activity_by_image_session"),
        ),
        migrations.CreateModel(
            name="ActivitySummary",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("session", models.UUIDField()),
                (
                    "version",
                    models.PositiveSmallIntegerField(
                        help_text="active_time.VERSION of the code that computed this row"
                    ),
                ),
                ("idle_after_s", models.FloatField(help_text="the idle cut-off of `spans`, seconds")),
                ("begin_ms", models.FloatField()),
                ("last_ms", models.FloatField()),
                ("next", models.PositiveIntegerField(help_text="the number that the next event should have")),
                (
                    "marks",
                    models.JSONField(help_text="the events that decide about active time: [[t_ms, kind, since], ...]"),
                ),
                ("spans", models.JSONField(help_text="when the person worked: [[begin_ms, end_ms], ...]")),
                (
                    "anchors",
                    models.JSONField(
                        help_text="where the clock lies on the calendar: [[begin_ms, wall_ms, server_ms], ...]"
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="activity_summaries",
                        to="labeling.image",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["image", "user"], name="activity_summary_by_image")],
                "constraints": [
                    models.UniqueConstraint(fields=("session", "image"), name="activity_summary_once"),
                ],
            },
        ),
        migrations.RunPython(summarise_what_is_recorded, migrations.RunPython.noop),
    ]
