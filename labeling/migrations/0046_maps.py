from django.db import migrations, models

from labeling.migrations._way_back import apps_of_one_state


def remove_jobs_of_maps(apps, schema_editor):
    """On the way back: jobs of a kind that nothing knows are not kept."""
    apps = apps_of_one_state(apps)
    apps.get_model("labeling", "Job").objects.filter(kind="cell_map").delete()
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the tables could not be dropped after this


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0045_methods"),
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
                    ("cell_map", "map of cells"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="theme",
            field=models.CharField(
                blank=True,
                choices=[("system", "as the system"), ("light", "light"), ("dark", "dark")],
                help_text="of pages and workspace; empty: as each browser keeps it",
                max_length=10,
                default="",
            ),
            preserve_default=False,
        ),
        migrations.RunPython(migrations.RunPython.noop, remove_jobs_of_maps),
    ]
