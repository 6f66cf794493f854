from django.db import migrations, models

import labeling.audit.models

# Rows are added and not changed. After LEAST_DAYS they may be removed: personal data are not kept for ever.
APPEND_ONLY = """
CREATE FUNCTION labeling_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '365 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'append_only: rows of the audit log are neither changed nor removed'
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON labeling_securityevent
FOR EACH ROW EXECUTE FUNCTION labeling_audit_append_only();
CREATE FUNCTION labeling_audit_not_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append_only: the audit log is not emptied' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON labeling_securityevent
FOR EACH STATEMENT EXECUTE FUNCTION labeling_audit_not_emptied();
"""
NOT_APPEND_ONLY = """
DROP TRIGGER audit_not_emptied ON labeling_securityevent;
DROP FUNCTION labeling_audit_not_emptied();
DROP TRIGGER audit_append_only ON labeling_securityevent;
DROP FUNCTION labeling_audit_append_only();
"""


class Migration(migrations.Migration):
    """The audit log. The way back removes it."""

    dependencies = [("labeling", "0031_team")]

    operations = [
        migrations.CreateModel(
            name="SecurityEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("act", models.CharField(choices=labeling.audit.models.Act.choices, max_length=30)),
                ("person", models.BigIntegerField(null=True)),
                ("person_name", models.CharField(blank=True, max_length=150)),
                ("address", models.CharField(blank=True, max_length=45)),
                (
                    "token",
                    models.BigIntegerField(help_text="the personal token that the request came with", null=True),
                ),
                ("project", models.BigIntegerField(null=True)),
                ("project_name", models.CharField(blank=True, max_length=200)),
                ("subject", models.CharField(blank=True, max_length=400)),
                ("details", models.JSONField(default=dict)),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["act", "-id"], name="security_events_of_an_act"),
                    models.Index(fields=["person", "-id"], name="security_events_of_a_person"),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, NOT_APPEND_ONLY),
    ]
