from datetime import date

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def keep_what_ran(apps, schema_editor):
    """Studies that run or ran go on as they were frozen, and readers see a title that names no arm.

    Nobody logged who looked at results by arm, so that stays unknown for them; their arms keep the key that accepts all
    proposals in view. Whoever has consented has consented to the retention date of that day.
    """
    studies = apps.get_model("labeling", "Study").objects.all()
    arms = apps.get_model("labeling", "Arm").objects
    projects = apps.get_model("labeling", "Project").objects
    for study in studies:
        study.public_title = f"Annotation study {study.pk}"
        study.logs_looks = study.state == "draft"
        study.save(update_fields=["public_title", "logs_looks"])
        if study.state != "draft":
            arms.filter(study=study).update(accepts_many=True)
        for sheet in projects.filter(study_item__participant__study=study).select_related("study_item"):
            sheet.name = f"{study.public_title}: field {sheet.study_item.position}"
            sheet.save(update_fields=["name"])
        for participant in study.participants.filter(consented_at__isnull=False):
            participant.retention_agreed = retention_on(study, participant.consented_at)
            participant.save(update_fields=["retention_agreed"])


def retention_on(study, moment):
    """The day until which the raw data may be kept, as it was declared at that moment."""
    found = study.retention_until
    for amendment in study.amendments.filter(at__lte=moment).order_by("at"):
        change = amendment.change if isinstance(amendment.change, dict) else {}
        try:
            found = date.fromisoformat(change["retention_until"])
        except (KeyError, TypeError, ValueError):
            continue
    return found


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0017_safety"),
    ]

    operations = [
        migrations.AddField(
            model_name="amendment",
            name="before",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="amendment",
            name="results_seen",
            field=models.BooleanField(null=True),
        ),
        migrations.AddField(
            model_name="arm",
            name="accepts_many",
            field=models.BooleanField(
                default=False,
                help_text="one key accepts all proposals in view; otherwise each proposal is decided on its own",
                verbose_name="accept many proposals at once",
            ),
        ),
        migrations.AddField(
            model_name="participant",
            name="retention_agreed",
            field=models.DateField(help_text="the last day this reader agreed to; no later one counts", null=True),
        ),
        migrations.AddField(
            model_name="study",
            name="logs_looks",
            field=models.BooleanField(
                default=True, help_text="results by arm are hidden until the lock, and every look before it is logged"
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="measured",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="how many are drawn; empty: as many as can be shared",
                null=True,
                verbose_name="measured fields",
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="public_title",
            field=models.CharField(
                default="",
                help_text="readers are blinded to the arms, so the title names none of them",
                max_length=200,
                verbose_name="title that readers see",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="study",
            name="strata",
            field=models.CharField(
                choices=[
                    ("density", "density: cells of the reference in a field's area"),
                    ("size", "size: the median area of its reference cells"),
                    ("ambiguity", "ambiguity: how doubtful its newest proposals are"),
                ],
                default="density",
                max_length=20,
                verbose_name="alike sets by",
            ),
        ),
        migrations.CreateModel(
            name="Look",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "until",
                    models.DateTimeField(
                        help_text="until then the report, the PDF and the bundle are open to this person"
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="looks", to="labeling.study"
                    ),
                ),
            ],
            options={
                "ordering": ["at"],
            },
        ),
        migrations.CreateModel(
            name="Removal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "cause",
                    models.CharField(
                        choices=[("withdrawal", "the reader withdrew"), ("retention", "the retention date has passed")],
                        max_length=20,
                    ),
                ),
                ("counts", models.JSONField(help_text="kind of row -> how many were deleted")),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="removals", to="labeling.participant"
                    ),
                ),
            ],
            options={
                "ordering": ["at"],
            },
        ),
        migrations.RunPython(keep_what_ran, migrations.RunPython.noop),
    ]
