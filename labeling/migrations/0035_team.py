import uuid

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from labeling.migrations._way_back import apps_of_one_state


def mark_sheets(apps, schema_editor):
    """The fields of studies are sheets."""
    apps.get_model("labeling", "Project").objects.filter(study_item__isnull=False).update(is_sheet=True)


def remove_merge_jobs(apps, schema_editor):
    """The version before knows no jobs of this kind, and no approval."""
    apps.get_model("labeling", "Job").objects.filter(kind="class_merge").delete()
    apps.get_model("labeling", "ItemEvent").objects.filter(act="approve").update(act="accept")


def remove_sheets_of_attempts(apps, schema_editor):
    """They would be projects with a page of their own in the version before."""
    apps = apps_of_one_state(apps)
    fields = apps.get_model("labeling", "AttemptField").objects.filter(sheet__isnull=False)
    sheets = list(fields.values_list("sheet", flat=True))
    fields.update(sheet=None)
    apps.get_model("labeling", "Layer").objects.filter(image__project__in=sheets).delete()
    apps.get_model("labeling", "Membership").objects.filter(project__in=sheets).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0034_slides"),
    ]

    operations = [
        migrations.CreateModel(
            name="Admission",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("admitted_at", models.DateTimeField(auto_now_add=True)),
                ("withdrawn_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("training", "training"), ("test", "test")], max_length=10)),
                ("number", models.PositiveIntegerField(help_text="of this person's attempts of this kind, from 1")),
                (
                    "guideline",
                    models.PositiveIntegerField(help_text="the version of the guidelines that held", null=True),
                ),
                ("seed", models.BigIntegerField(help_text="by which the fields were drawn")),
                ("begun_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("results", models.JSONField(default=list)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="AttemptField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                (
                    "classes",
                    models.JSONField(default=dict, help_text="key of a class on the sheet -> of the project's class"),
                ),
                ("done_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="ClassMerge",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("merged_at", models.DateTimeField(auto_now_add=True)),
                ("undone_at", models.DateTimeField(null=True)),
                (
                    "children",
                    models.JSONField(default=list, help_text="keys of the classes that stood below the source"),
                ),
                ("was_retired", models.BooleanField(default=False, help_text="whether the source was retired before")),
            ],
            options={
                "ordering": ["-merged_at"],
            },
        ),
        migrations.CreateModel(
            name="Curriculum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                ("training", models.JSONField(default=list)),
                (
                    "least_cells",
                    models.PositiveIntegerField(default=200, validators=[django.core.validators.MinValueValidator(1)]),
                ),
                (
                    "least_patients",
                    models.PositiveIntegerField(default=5, validators=[django.core.validators.MinValueValidator(1)]),
                ),
                (
                    "least_share",
                    models.FloatField(
                        default=0.7,
                        validators=[
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                ("declared_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["-version"],
            },
        ),
        migrations.CreateModel(
            name="MergedLayer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cells", models.BinaryField()),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddField(
            model_name="labelclass",
            name="merged_into",
            field=models.ForeignKey(
                help_text="the class that its cells have now",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="merged",
                to="labeling.labelclass",
            ),
        ),
        migrations.AddField(
            model_name="labelclass",
            name="parent",
            field=models.ForeignKey(
                help_text="the wider class it belongs to",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="children",
                to="labeling.labelclass",
            ),
        ),
        migrations.AddField(
            model_name="labelclass",
            name="retired_at",
            field=models.DateTimeField(help_text="since when nobody is offered it; null: it is in use", null=True),
        ),
        migrations.AddField(
            model_name="membership",
            name="centre",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="labeling.centre"
            ),
        ),
        migrations.AddField(
            model_name="membership",
            name="seniority",
            field=models.CharField(
                blank=True,
                choices=[("student", "student"), ("resident", "resident"), ("pathologist", "pathologist")],
                default="",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="is_sheet",
            field=models.BooleanField(
                default=False,
                help_text="a copy of one field for one person: it has no page of its own, and no list names it",
            ),
        ),
        migrations.AddField(
            model_name="workflow",
            name="excludes_own_centre",
            field=models.BooleanField(
                default=False, help_text="whether nobody reads images of the centre that they work at"
            ),
        ),
        migrations.AddField(
            model_name="workflow",
            name="needs_admission",
            field=models.BooleanField(
                default=False,
                help_text="whether nobody reads an image before they are admitted for a class at its centre",
            ),
        ),
        migrations.AddField(
            model_name="workflow",
            name="needs_approval",
            field=models.BooleanField(
                default=False,
                help_text="whether each image is approved by a pathologist; then nobody else ends its review",
            ),
        ),
        migrations.AddField(
            model_name="workitem",
            name="approved_by",
            field=models.ForeignKey(
                help_text="the pathologist who approved it as it is",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="itemevent",
            name="act",
            field=models.CharField(
                choices=[
                    ("assign", "assigned"),
                    ("begin", "begun"),
                    ("skip", "skipped"),
                    ("release", "handed back"),
                    ("expire", "lease expired"),
                    ("remove", "reader removed"),
                    ("finish", "reading finished"),
                    ("submit", "handed to review"),
                    ("complete", "done without review"),
                    ("accept", "accepted"),
                    ("approve", "approved"),
                    ("send_back", "sent back"),
                    ("reopen", "reopened"),
                    ("return", "back to the queue"),
                    ("unblind", "unblinded"),
                ],
                max_length=20,
            ),
        ),
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
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="labelclass",
            name="position",
            field=models.PositiveSmallIntegerField(
                help_text="1 is the first; the first nine have the keys 1-9; retired classes stand last"
            ),
        ),
        migrations.AddConstraint(
            model_name="labelclass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("parent__isnull", True), models.Q(("parent", models.F("id")), _negated=True), _connector="OR"
                ),
                name="class_is_not_its_own_parent",
            ),
        ),
        migrations.AddConstraint(
            model_name="labelclass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("merged_into__isnull", True),
                    models.Q(("retired_at__isnull", False), models.Q(("merged_into", models.F("id")), _negated=True)),
                    _connector="OR",
                ),
                name="class_merged_is_retired",
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("seniority__in", ["", "student", "resident", "pathologist"])),
                name="membership_seniority_known",
            ),
        ),
        migrations.AddField(
            model_name="admission",
            name="admitted_by",
            field=models.ForeignKey(
                help_text="null: by a test",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="admission",
            name="centre",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="labeling.centre"
            ),
        ),
        migrations.AddField(
            model_name="admission",
            name="label_class",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="admissions", to="labeling.labelclass"
            ),
        ),
        migrations.AddField(
            model_name="admission",
            name="person",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="admissions", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="admission",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="admissions", to="labeling.project"
            ),
        ),
        migrations.AddField(
            model_name="attempt",
            name="person",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="attempts", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="attemptfield",
            name="attempt",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="fields", to="labeling.attempt"
            ),
        ),
        migrations.AddField(
            model_name="attemptfield",
            name="image",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="labeling.image"),
        ),
        migrations.AddField(
            model_name="attemptfield",
            name="sheet",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attempt_field",
                to="labeling.project",
            ),
        ),
        migrations.AddField(
            model_name="classmerge",
            name="merged_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="classmerge",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="class_merges", to="labeling.project"
            ),
        ),
        migrations.AddField(
            model_name="classmerge",
            name="source",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="merges", to="labeling.labelclass"
            ),
        ),
        migrations.AddField(
            model_name="classmerge",
            name="undone_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="classmerge",
            name="target",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="labeling.labelclass"
            ),
        ),
        migrations.AddField(
            model_name="curriculum",
            name="declared_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="curriculum",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="curricula", to="labeling.project"
            ),
        ),
        migrations.AddField(
            model_name="curriculum",
            name="reference_set",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="labeling.referenceset"
            ),
        ),
        migrations.AddField(
            model_name="attempt",
            name="curriculum",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="labeling.curriculum"
            ),
        ),
        migrations.AddField(
            model_name="mergedlayer",
            name="layer",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="labeling.layer"),
        ),
        migrations.AddField(
            model_name="mergedlayer",
            name="merge",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="layers", to="labeling.classmerge"
            ),
        ),
        migrations.AddConstraint(
            model_name="admission",
            constraint=models.UniqueConstraint(
                condition=models.Q(("withdrawn_at__isnull", True)),
                fields=("project", "person", "label_class", "centre"),
                name="admitted_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="attemptfield",
            constraint=models.UniqueConstraint(fields=("attempt", "position"), name="attempt_field_once"),
        ),
        migrations.AddConstraint(
            model_name="curriculum",
            constraint=models.UniqueConstraint(fields=("project", "version"), name="curriculum_version_once"),
        ),
        migrations.AddConstraint(
            model_name="curriculum",
            constraint=models.CheckConstraint(
                condition=models.Q(("least_share__gt", 0), ("least_share__lt", 1)), name="curriculum_share"
            ),
        ),
        migrations.AddConstraint(
            model_name="curriculum",
            constraint=models.CheckConstraint(
                condition=models.Q(("least_cells__gte", 1), ("least_patients__gte", 1)), name="curriculum_counts"
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("finished_at__isnull", True)),
                fields=("curriculum", "person", "kind"),
                name="one_open_attempt",
            ),
        ),
        migrations.CreateModel(
            name="QueueStart",
            fields=[
                (
                    "member",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="queue_start",
                        serialize=False,
                        to="labeling.membership",
                    ),
                ),
                ("version", models.PositiveBigIntegerField()),
                ("priority", models.FloatField()),
                ("item", models.PositiveBigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="QueueVersion",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="queue_version",
                        serialize=False,
                        to="labeling.project",
                    ),
                ),
                ("number", models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.RunPython(mark_sheets, remove_sheets_of_attempts),
        migrations.RunPython(migrations.RunPython.noop, remove_merge_jobs),
    ]
