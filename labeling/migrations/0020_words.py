"""One word, one sense (docs/glossary.md): columns and tables get the names that the code has for them."""

import django.db.models.deletion
from django.db import migrations, models

PRIORITIES = """
    UPDATE labeling_publication SET facts = (facts - 'queue') || jsonb_build_object('priorities', facts -> 'queue')
    WHERE facts ? 'queue'
"""
QUEUE = """
    UPDATE labeling_publication SET facts = (facts - 'priorities') || jsonb_build_object('queue', facts -> 'priorities')
    WHERE facts ? 'priorities'
"""
DECLINED = "UPDATE labeling_weightsimport SET state = 'declined' WHERE state = 'refused'"
REFUSED = "UPDATE labeling_weightsimport SET state = 'refused' WHERE state = 'declined'"


class Migration(migrations.Migration):
    dependencies = [("labeling", "0019_opinions")]

    operations = [
        migrations.RenameField("stage", "lacks", "missing_resource"),
        migrations.RenameField("stage", "refusals", "times_declined"),
        migrations.RenameField("stage", "refused_by", "declined_by"),
        migrations.RenameField("study", "logs_looks", "logs_interim_looks"),
        migrations.RenameModel("Sweep", "Tuning"),
        migrations.RenameModel("Look", "InterimLook"),
        migrations.AlterField(
            "stage",
            "missing_resource",
            models.JSONField(default=dict, help_text="what is missing for it to go on (execution/backoff.py)"),
        ),
        migrations.AlterField(
            "stage",
            "again_at",
            models.DateTimeField(help_text="when the workers of `declined_by` may try it again", null=True),
        ),
        migrations.AlterField(
            "tuning",
            "round",
            models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="tuning", to="labeling.round"
            ),
        ),
        migrations.AlterField(
            "interimlook",
            "study",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="interim_looks", to="labeling.study"
            ),
        ),
        migrations.RemoveConstraint("delivery", name="told_once"),
        migrations.AddConstraint(
            "delivery",
            models.UniqueConstraint(fields=("round", "ended_at", "channel", "to"), name="delivery_once"),
        ),
        migrations.AlterField(
            "weightsimport",
            "state",
            models.CharField(
                choices=[("checking", "being checked"), ("ready", "ready"), ("declined", "declined")],
                default="checking",
                max_length=20,
            ),
        ),
        migrations.RunSQL(PRIORITIES, QUEUE),
        migrations.RunSQL(DECLINED, REFUSED),
    ]
