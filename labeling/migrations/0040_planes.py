from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0039_view_and_registration"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="model_channels",
            field=models.JSONField(
                default=list,
                help_text="of slides with several channels: names of those that models see; []: all that are shown",
            ),
        ),
        migrations.AddField(
            model_name="slidefield",
            name="channels",
            field=models.JSONField(default=list),
        ),
    ]
