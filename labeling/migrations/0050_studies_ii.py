from django.db import migrations, models

from labeling.migrations._way_back import apps_of_one_state


def nothing(apps, schema_editor):
    """Studies of before have no time boxes and no strata by class."""


def delete_time_boxes(apps, schema_editor):
    """Going back: in the version before nothing ends a field of a time box, and its cells would be counted as missed.
    Such studies go with their readers and items. Sets that were alike by class stay as they were drawn."""
    old = apps_of_one_state(apps)
    studies = old.get_model("labeling", "Study").objects
    for study in studies.filter(unit="time"):
        study.participants.all().delete()
        study.fields.all().delete()
        study.delete()
    studies.filter(strata="class").update(strata="density")
    # The tables are changed next, which PostgreSQL refuses while checks of the deleted rows wait for the commit.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0049_hospital"),
    ]

    operations = [
        migrations.AddField(
            model_name="sitting",
            name="closes_at",
            field=models.DateTimeField(help_text="when the clock ends the field; null: it does not", null=True),
        ),
        migrations.AddField(
            model_name="study",
            name="stamp_token",
            field=models.BinaryField(help_text="RFC 3161 token of the protocol's SHA-256, DER", null=True),
        ),
        migrations.AddField(
            model_name="study",
            name="stamped_at",
            field=models.DateTimeField(help_text="when, as the token says", null=True),
        ),
        migrations.AddField(
            model_name="study",
            name="stamped_by",
            field=models.CharField(blank=True, help_text="address of the time-stamping authority", max_length=200),
        ),
        migrations.AddField(
            model_name="study",
            name="time_box_minutes",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="after which the clock ends a field; of time boxes only",
                null=True,
                verbose_name="time box, min",
            ),
        ),
        migrations.AlterField(
            model_name="study",
            name="strata",
            field=models.CharField(
                choices=[
                    ("density", "density: cells of the reference in a field's area"),
                    ("size", "size: the median area of its reference cells"),
                    ("ambiguity", "ambiguity: how doubtful its newest proposals are"),
                    ("class", "class: of the cell, or of most cells of the field"),
                ],
                default="density",
                max_length=20,
                verbose_name="alike sets by",
            ),
        ),
        migrations.AlterField(
            model_name="study",
            name="unit",
            field=models.CharField(
                choices=[
                    ("fields", "fields: throughput with search and missed cells"),
                    ("cells", "sampled single cells: handling, place given"),
                    ("time", "time boxes: how far in a fixed time"),
                ],
                default="fields",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="arm",
            name="assistance",
            field=models.CharField(
                choices=[
                    ("none", "nothing is proposed"),
                    ("proposals", "proposals are shown, to be accepted, rejected or edited"),
                    ("own_boxes", "two sittings: own boxes or points, then the masks made from them are verified"),
                ],
                default="none",
                max_length=20,
            ),
        ),
        migrations.RunPython(nothing, delete_time_boxes),
    ]
