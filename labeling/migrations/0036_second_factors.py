"""Who must have a second factor, attempts with factors, and accounts whose person is no longer named."""

from django.db import migrations, models

DOORS = [
    ("page", "sign-in page"),
    ("invitation", "invitation link"),
    ("token", "API token"),
    ("factor", "second factor"),
    ("passkey", "passkey"),
    ("provider", "identity provider"),
]
REQUIRED = [
    ("nobody", "nobody must, everybody may"),
    ("administrators", "administrators"),
    ("everybody", "everybody"),
]


class Migration(migrations.Migration):
    dependencies = [("labeling", "0035_team")]

    operations = [
        migrations.AddField(
            model_name="sitepolicy",
            name="second_factor",
            field=models.CharField(choices=REQUIRED, default="nobody", max_length=20),
        ),
        migrations.AddField(
            model_name="user",
            name="anonymised_at",
            field=models.DateTimeField(
                blank=True, help_text="when names, address and ways in were removed (accounts/leaving.py)", null=True
            ),
        ),
        migrations.AlterField(
            model_name="signinattempt",
            name="door",
            field=models.CharField(choices=DOORS, max_length=20),
        ),
    ]
