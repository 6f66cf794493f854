import hashlib
from datetime import timedelta

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone


def take_over_old_tokens(apps, schema_editor):
    """Tokens of REST framework stood in the clear and for ever: each goes on for 90 days, hashed, and its clear text ends.

    Its table is kept, empty, so that the way back finds it.
    """
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('authtoken_token') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return
        cursor.execute("SELECT key, user_id FROM authtoken_token")
        rows = cursor.fetchall()
        token = apps.get_model("labeling", "PersonalToken")
        for key, user_id in rows:
            token.objects.create(
                user_id=user_id,
                name="from before tokens expired",
                scope="manage",
                secret_sha256=hashlib.sha256(key.encode()).hexdigest(),
                expires_at=timezone.now() + timedelta(days=90),
            )
        cursor.execute("DELETE FROM authtoken_token")


class Migration(migrations.Migration):
    dependencies = [("labeling", "0026_proposals")]

    operations = [
        migrations.CreateModel(
            name="PersonalToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="what it is for, in the words of its person", max_length=100)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("read", "read: see and download, change nothing"),
                            ("annotate", "annotate: also draw, decide, comment, export"),
                            ("manage", "manage: everything that you may do in your projects"),
                        ],
                        max_length=20,
                    ),
                ),
                ("secret_sha256", models.CharField(max_length=64, unique=True)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(help_text="to ten minutes", null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="personal_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("scope__in", ["read", "annotate", "manage"])),
                        name="personal_token_scope_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("made_at"))),
                        name="personal_token_expires_later",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AnsweredRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=200)),
                ("path", models.TextField()),
                ("sent_sha256", models.CharField(max_length=64)),
                ("at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("status", models.PositiveSmallIntegerField(default=0)),
                ("answer", models.TextField(default="")),
                ("headers", models.JSONField(default=dict)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "key"), name="request_answered_once")],
            },
        ),
        migrations.RunPython(take_over_old_tokens, migrations.RunPython.noop),
    ]
