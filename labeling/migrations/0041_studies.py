from django.db import migrations, models

from labeling.migrations._way_back import apps_of_one_state


def nothing(apps, schema_editor):
    """Studies of whole fields in one sitting are what they were."""


def delete_what_the_version_before_cannot_keep(apps, schema_editor):
    """Going back: studies of single cells have many fields of one image, which the version before refuses; in those of
    two sittings nothing would tell which of two items of a field came first. Both go, with their readers and items; the
    sheets that were read stay as projects without members. Skipped practice is planned again."""
    old = apps_of_one_state(apps)
    arms = old.get_model("labeling", "Arm").objects
    of_two_sittings = arms.filter(assistance="own_boxes").values("study")
    is_newer = models.Q(unit="cells") | models.Q(pk__in=of_two_sittings)
    for study in old.get_model("labeling", "Study").objects.filter(is_newer):
        study.participants.all().delete()
        study.fields.all().delete()
        study.delete()
    old.get_model("labeling", "Item").objects.filter(state="skipped").update(state="planned")
    # The tables are changed next, which PostgreSQL refuses while checks of the deleted rows wait for the commit.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0040_planes"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="item",
            name="item_has_sheet_once_opened",
        ),
        migrations.RemoveConstraint(
            model_name="studyfield",
            name="study_field_once",
        ),
        migrations.AddField(
            model_name="arm",
            name="instructions",
            field=models.TextField(blank=True, help_text="shown to readers before the arm's first field"),
        ),
        migrations.AddField(
            model_name="arm",
            name="second_tools",
            field=models.JSONField(default=list, help_text="of Arm.TOOLS, at hand in the second sitting of own boxes"),
        ),
        migrations.AddField(
            model_name="item",
            name="machine_s",
            field=models.FloatField(help_text="that the machine took for the masks of these boxes", null=True),
        ),
        migrations.AddField(
            model_name="item",
            name="part",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "the whole of it"),
                    ("boxes", "first sitting: own boxes"),
                    ("verify", "second sitting: the masks made from them"),
                ],
                default="",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="participant",
            name="device",
            field=models.JSONField(
                help_text="input latency and frame time, as the calibration page measured them", null=True
            ),
        ),
        migrations.AddField(
            model_name="participant",
            name="experience_years",
            field=models.PositiveSmallIntegerField(help_text="in pathology, if the reader said so", null=True),
        ),
        migrations.AddField(
            model_name="participant",
            name="profession",
            field=models.CharField(
                blank=True,
                choices=[
                    ("pathologist", "pathologist"),
                    ("resident", "resident in pathology"),
                    ("scientist", "scientist"),
                    ("technician", "technician"),
                    ("student", "student"),
                    ("other", "other"),
                ],
                help_text="if the reader said so",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="participant",
            name="shares_times",
            field=models.BooleanField(
                default=False, help_text="agrees that clock times and reasons about this reader stand in the bundle"
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="break_minutes",
            field=models.PositiveIntegerField(default=10, verbose_name="break, min"),
        ),
        migrations.AddField(
            model_name="study",
            name="contact",
            field=models.CharField(blank=True, max_length=200, verbose_name="contact of readers"),
        ),
        migrations.AddField(
            model_name="study",
            name="controller",
            field=models.CharField(blank=True, max_length=200, verbose_name="who is responsible for the data"),
        ),
        migrations.AddField(
            model_name="study",
            name="gap_days",
            field=models.PositiveIntegerField(
                default=0,
                help_text="from the own boxes to the verification of their masks",
                verbose_name="days between two sittings",
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="practice_quality",
            field=models.FloatField(
                blank=True,
                help_text="Dice to be reached in practice; empty: no criterion",
                null=True,
                verbose_name="quality of practice",
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="sitting_minutes",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="of work at a stretch; then a break; empty: no rule",
                null=True,
                verbose_name="longest sitting, min",
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="size_justification",
            field=models.TextField(blank=True, verbose_name="justification of the size"),
        ),
        migrations.AddField(
            model_name="study",
            name="unit",
            field=models.CharField(
                choices=[
                    ("fields", "fields: throughput with search and missed cells"),
                    ("cells", "sampled single cells: handling, place given"),
                ],
                default="fields",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="studyfield",
            name="cell",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="studyfield",
            name="frame",
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name="arm",
            name="assistance",
            field=models.CharField(
                choices=[
                    ("none", "nothing is proposed"),
                    ("proposals", "proposals are shown, to be accepted, rejected or edited"),
                    ("own_boxes", "two sittings: own boxes, then the masks made from them are verified"),
                ],
                default="none",
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="item",
            name="state",
            field=models.CharField(
                choices=[
                    ("planned", "planned"),
                    ("open", "open"),
                    ("done", "done"),
                    ("skipped", "skipped: practice was good enough"),
                ],
                default="planned",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sheet__isnull", True), ("state__in", ["planned", "skipped"])),
                    models.Q(models.Q(("state__in", ["planned", "skipped"]), _negated=True), ("sheet__isnull", False)),
                    _connector="OR",
                ),
                name="item_has_sheet_once_opened",
            ),
        ),
        migrations.AddConstraint(
            model_name="studyfield",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cell__isnull", True)), fields=("study", "image"), name="study_field_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="studyfield",
            constraint=models.UniqueConstraint(fields=("study", "image", "cell"), name="study_cell_once"),
        ),
        migrations.AddConstraint(
            model_name="studyfield",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cell__isnull", True), ("frame__isnull", True)),
                    models.Q(("cell__isnull", False), ("frame__isnull", False)),
                    _connector="OR",
                ),
                name="study_cell_has_frame",
            ),
        ),
        migrations.RunPython(nothing, delete_what_the_version_before_cannot_keep),
    ]
