from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0042_many"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="sees_first_steps",
            field=models.BooleanField(
                default=True,
                help_text="whether the demo project shows its first steps; closed once, they stay closed",
            ),
        ),
    ]
