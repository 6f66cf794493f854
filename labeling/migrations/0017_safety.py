from django.db import migrations, models

from labeling.accounts.names import lookalike_key


def fill(apps, schema_editor):
    """Keys of the names that are there; owners keep the right to create projects; who never came stays invited."""
    users = apps.get_model("labeling", "User").objects.all()
    memberships = apps.get_model("labeling", "Membership").objects
    for user in users:
        user.name_key = lookalike_key(user.username)
        user.creates_projects = memberships.filter(user=user, role="owner").exists()
        user.save(update_fields=["name_key", "creates_projects"])
    absent = memberships.filter(user__last_login=None, user__is_staff=False).select_related("user")
    for membership in absent:
        membership.invited_as = membership.user.username
        membership.save(update_fields=["invited_as"])


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0016_reading"),
    ]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="invited_as",
            field=models.CharField(
                blank=True,
                default="",
                help_text="the name that was typed, until this person signs in the next time; then empty",
                max_length=150,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="creates_projects",
            field=models.BooleanField(
                default=False, help_text="whether they may create projects where that is a right (SitePolicy.projects)"
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="name_key",
            field=models.CharField(
                db_index=True,
                default="",
                editable=False,
                help_text="equal for user names that look alike",
                max_length=400,
            ),
        ),
        migrations.CreateModel(
            name="SignInAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "door",
                    models.CharField(
                        choices=[("page", "sign-in page"), ("invitation", "invitation link"), ("token", "API token")],
                        max_length=20,
                    ),
                ),
                (
                    "name",
                    models.CharField(blank=True, help_text="as typed, cut, without control characters", max_length=150),
                ),
                (
                    "name_key",
                    models.CharField(blank=True, help_text="hash of the name that the limit counts", max_length=64),
                ),
                (
                    "address",
                    models.CharField(blank=True, help_text="of the network that the limit counts", max_length=45),
                ),
                ("succeeded", models.BooleanField(default=False)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["name_key", "at"], name="attempts_of_a_name"),
                    models.Index(fields=["address", "at"], name="attempts_of_an_address"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SitePolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "projects",
                    models.CharField(
                        choices=[
                            ("administrators", "administrators only"),
                            ("granted", "administrators and people who were given the right"),
                            ("everybody", "everybody who can sign in"),
                        ],
                        default="granted",
                        max_length=20,
                    ),
                ),
                (
                    "people",
                    models.CharField(
                        choices=[
                            ("administrators", "administrators only"),
                            ("managers", "administrators, and owners and managers of a project by invitation"),
                        ],
                        default="managers",
                        max_length=20,
                    ),
                ),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_site_policy")],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
