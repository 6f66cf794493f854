"""What is said of a cell besides its class, and the cell that it lies in."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0003_studies")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="attributes",
            field=models.JSONField(
                default=list,
                help_text="what is said of a cell besides its class, in order: [[name, [value, ...]], ...]",
            ),
        ),
        migrations.AddField(
            model_name="annotation",
            name="attributes",
            field=models.JSONField(
                null=True, help_text="what else is said of the cell, name -> value; null for nothing"
            ),
        ),
        migrations.AddField(
            model_name="annotation",
            name="parent",
            field=models.UUIDField(null=True, help_text="uid of the cell that this one lies in: of a nucleus its cell"),
        ),
    ]
