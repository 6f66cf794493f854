from django.db import migrations, models

from labeling.migrations._way_back import apps_of_one_state


def remove_imports(apps, schema_editor):
    """On the way back: a kind that nothing knows is not kept."""
    apps = apps_of_one_state(apps)
    apps.get_model("labeling", "Job").objects.filter(kind="import").delete()


class Migration(migrations.Migration):
    dependencies = [("labeling", "0023_slides")]

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
                ],
                max_length=20,
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, remove_imports),
    ]
