import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

from labeling.migrations._way_back import apps_of_one_state


def remove_proposals(apps, schema_editor):
    """On the way back: what was proposed without a round has no place in the tables of before."""
    apps = apps_of_one_state(apps)
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the tables could not be altered after this
    published = apps.get_model("labeling", "Publication").objects.filter(round__isnull=True)
    apps.get_model("labeling", "Layer").objects.filter(publication__in=published).delete()
    apps.get_model("labeling", "Job").objects.filter(kind="propose").delete()


class Migration(migrations.Migration):
    dependencies = [("labeling", "0025_patients")]

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
                ],
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="queue",
            field=models.CharField(default="files", help_text="whose workers do it", max_length=20),
        ),
        migrations.AddField(
            model_name="job",
            name="missing_resource",
            field=models.JSONField(default=dict, help_text="what is missing for it to go on (execution/backoff.py)"),
        ),
        migrations.AddField(
            model_name="job",
            name="again_at",
            field=models.DateTimeField(help_text="when the workers of `declined_by` may try it again", null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="times_declined",
            field=models.PositiveSmallIntegerField(default=0, help_text="times in a row that it was held back"),
        ),
        migrations.AddField(
            model_name="job",
            name="declined_by",
            field=models.JSONField(default=list, help_text="ids of the workers that lack it"),
        ),
        migrations.AddField(
            model_name="publication",
            name="job",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="publications",
                to="labeling.job",
            ),
        ),
        migrations.AddField(
            model_name="publication",
            name="withdrawn_at",
            field=models.DateTimeField(help_text="since when nobody sees what this job proposed", null=True),
        ),
        migrations.AlterField(
            model_name="publication",
            name="round",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="publications",
                to="labeling.round",
            ),
        ),
        migrations.AddConstraint(
            model_name="publication",
            constraint=models.UniqueConstraint(fields=("job", "image"), name="published_once_by_job"),
        ),
        migrations.AddConstraint(
            model_name="publication",
            constraint=models.CheckConstraint(
                condition=Q(round__isnull=False, job__isnull=True) | Q(round__isnull=True, job__isnull=False),
                name="publication_comes_from_one",
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, remove_proposals),
    ]
