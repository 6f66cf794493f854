import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from labeling.migrations._way_back import apps_of_one_state

FORWARD = """
INSERT INTO labeling_centre (project_id, name)
SELECT DISTINCT project_id, site FROM labeling_image WHERE site <> '';
UPDATE labeling_image SET centre_id = centre.id FROM labeling_centre AS centre
WHERE centre.project_id = labeling_image.project_id AND centre.name = labeling_image.site;
INSERT INTO labeling_patient (project_id, centre_id, known_by, name, split)
SELECT project_id, CASE WHEN count(DISTINCT centre_id) = 1 THEN min(centre_id) END, 'patient', "group",
       CASE WHEN count(DISTINCT split) = 1 THEN min(split) END
FROM labeling_image WHERE "group" <> '' GROUP BY project_id, "group";
UPDATE labeling_image SET patient_id = patient.id, centre_id = COALESCE(patient.centre_id, labeling_image.centre_id)
FROM labeling_patient AS patient
WHERE patient.project_id = labeling_image.project_id AND patient.name = labeling_image."group";
UPDATE labeling_project SET test_sealed_at = (
    SELECT min(created_at) FROM labeling_round WHERE labeling_round.project_id = labeling_project.id);
UPDATE labeling_referenceset SET images = (
    SELECT COALESCE(jsonb_agg((entry - 'group') || jsonb_build_object('patient', COALESCE(entry -> 'group', '""'))
                              ORDER BY place), '[]')
    FROM jsonb_array_elements(images) WITH ORDINALITY AS entries(entry, place));
SET CONSTRAINTS ALL IMMEDIATE;
"""

BACKWARD = """
UPDATE labeling_image SET site = centre.name FROM labeling_centre AS centre WHERE centre.id = centre_id;
UPDATE labeling_image SET "group" = patient.name FROM labeling_patient AS patient WHERE patient.id = patient_id;
UPDATE labeling_referenceset SET images = (
    SELECT COALESCE(jsonb_agg((entry - 'patient') || jsonb_build_object('group', COALESCE(entry -> 'patient', '""'))
                              ORDER BY place), '[]')
    FROM jsonb_array_elements(images) WITH ORDINALITY AS entries(entry, place));
SET CONSTRAINTS ALL IMMEDIATE;
"""

# The rules that one row of Django's cannot say: images of a patient have the patient's split, and what is written about
# a change of splits is not changed. They raise check_violation, which Django knows as IntegrityError.
RULES = """
CREATE FUNCTION labeling_image_has_split_of_patient() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_patient text;
BEGIN
    IF NEW.patient_id IS NOT NULL THEN
        SELECT split INTO of_patient FROM labeling_patient WHERE id = NEW.patient_id FOR SHARE;
        IF of_patient IS NOT NULL AND of_patient <> NEW.split THEN
            RAISE EXCEPTION 'image_has_split_of_patient: image % is %, its patient %', NEW.id, NEW.split, of_patient
                USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER image_has_split_of_patient BEFORE INSERT OR UPDATE OF patient_id, split ON labeling_image
FOR EACH ROW EXECUTE FUNCTION labeling_image_has_split_of_patient();

CREATE FUNCTION labeling_patient_moves_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE labeling_image SET split = NEW.split WHERE patient_id = NEW.id AND split <> NEW.split;
    RETURN NULL;
END $$;
CREATE TRIGGER patient_moves_images AFTER UPDATE OF split ON labeling_patient
FOR EACH ROW WHEN (NEW.split IS NOT NULL) EXECUTE FUNCTION labeling_patient_moves_images();

CREATE FUNCTION labeling_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append_only: rows of % are not changed', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER split_change_append_only BEFORE UPDATE ON labeling_splitchange
FOR EACH ROW EXECUTE FUNCTION labeling_append_only();
"""

NO_RULES = """
DROP TRIGGER split_change_append_only ON labeling_splitchange;
DROP FUNCTION labeling_append_only();
DROP TRIGGER patient_moves_images ON labeling_patient;
DROP FUNCTION labeling_patient_moves_images();
DROP TRIGGER image_has_split_of_patient ON labeling_image;
DROP FUNCTION labeling_image_has_split_of_patient();
"""


def remove_purged(apps, schema_editor):
    """On the way back: an image without files cannot be shown. One that is deleted and has its files is there again."""
    apps = apps_of_one_state(apps)
    apps.get_model("labeling", "Image").objects.filter(purged_at__isnull=False).delete()


class Migration(migrations.Migration):
    """Centres and patients become rows: the values of `site` become centres, those of `group` ("Slide or patient")
    become patients. A group whose images stand in several splits becomes a divided patient, with a split for each image
    as before."""

    dependencies = [
        ("labeling", "0024_import_jobs"),
    ]

    operations = [
        migrations.CreateModel(
            name="Centre",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Patient",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "known_by",
                    models.CharField(
                        choices=[("patient", "patient"), ("block", "block"), ("slide", "slide")],
                        default="patient",
                        max_length=10,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "split",
                    models.CharField(
                        choices=[("train", "train"), ("val", "validation"), ("test", "test")],
                        default="train",
                        max_length=10,
                        null=True,
                    ),
                ),
            ],
            options={
                "ordering": ["name", "pk"],
            },
        ),
        migrations.CreateModel(
            name="SplitChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("unit", models.CharField(max_length=500)),
                ("before", models.CharField(blank=True, max_length=10)),
                ("after", models.CharField(blank=True, max_length=10)),
                (
                    "how",
                    models.CharField(
                        choices=[
                            ("hand", "by hand"),
                            ("automatic", "assigned automatically"),
                            ("joined", "joined a patient"),
                        ],
                        max_length=10,
                    ),
                ),
                ("images", models.PositiveIntegerField(default=1, help_text="how many images have moved")),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "after_seal",
                    models.BooleanField(default=False, help_text="whether the test patients were sealed already"),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="image",
            name="image_once_per_project",
        ),
        migrations.RemoveConstraint(
            model_name="image",
            name="image_picture_has_pixels",
        ),
        migrations.AddField(
            model_name="image",
            name="block",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="image",
            name="deleted_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="image",
            name="deleted_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="image",
            name="original_bytes",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="image",
            name="pixel_bytes",
            field=models.BigIntegerField(help_text="of its pixels, thumbnail and reference masks", null=True),
        ),
        migrations.AddField(
            model_name="image",
            name="purged_at",
            field=models.DateTimeField(help_text="since when its files are gone", null=True),
        ),
        migrations.AddField(
            model_name="image",
            name="slide",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="image",
            name="slide_bytes",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="image",
            name="tags",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=60), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="image",
            name="tile_bytes",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="project",
            name="quota_bytes",
            field=models.BigIntegerField(help_text="of its files; null: the server's (STORAGE_QUOTA)", null=True),
        ),
        migrations.AddField(
            model_name="project",
            name="test_sealed_at",
            field=models.DateTimeField(
                help_text="since the first round: from then on who moves into or out of test is asked for a reason",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="centre",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="centres", to="labeling.project"
            ),
        ),
        migrations.AddField(
            model_name="image",
            name="centre",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.RESTRICT, related_name="images", to="labeling.centre"
            ),
        ),
        migrations.AddField(
            model_name="patient",
            name="centre",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.RESTRICT, related_name="patients", to="labeling.centre"
            ),
        ),
        migrations.AddField(
            model_name="patient",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="patients", to="labeling.project"
            ),
        ),
        migrations.AddField(
            model_name="image",
            name="patient",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.RESTRICT, related_name="images", to="labeling.patient"
            ),
        ),
        migrations.AddIndex(
            model_name="image",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)), fields=["deleted_at"], name="image_deleted"
            ),
        ),
        migrations.AddConstraint(
            model_name="image",
            constraint=models.UniqueConstraint(
                condition=models.Q(("purged_at__isnull", True)),
                fields=("project", "sha256"),
                name="image_once_per_project",
            ),
        ),
        migrations.AddConstraint(
            model_name="image",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "slide"),
                    models.Q(("pixels", ""), _negated=True),
                    ("purged_at__isnull", False),
                    _connector="OR",
                ),
                name="image_picture_has_pixels",
            ),
        ),
        migrations.AddConstraint(
            model_name="image",
            constraint=models.CheckConstraint(
                condition=models.Q(("purged_at__isnull", True), ("deleted_at__isnull", False), _connector="OR"),
                name="image_purged_after_deletion",
            ),
        ),
        migrations.AddField(
            model_name="splitchange",
            name="by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="splitchange",
            name="image",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="split_changes",
                to="labeling.image",
            ),
        ),
        migrations.AddField(
            model_name="splitchange",
            name="patient",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="split_changes",
                to="labeling.patient",
            ),
        ),
        migrations.AddField(
            model_name="splitchange",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="split_changes", to="labeling.project"
            ),
        ),
        migrations.AddConstraint(
            model_name="centre",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="centre_named_once"),
        ),
        migrations.AddConstraint(
            model_name="centre",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="centre_has_a_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="patient",
            constraint=models.UniqueConstraint(
                fields=("project", "centre", "known_by", "name"), name="patient_named_once", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="patient",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="patient_has_a_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="patient",
            constraint=models.CheckConstraint(
                condition=models.Q(("split__isnull", True), ("split__in", ["train", "val", "test"]), _connector="OR"),
                name="patient_split_known",
            ),
        ),
        migrations.AddIndex(
            model_name="splitchange",
            index=models.Index(fields=["project", "at"], name="split_changes_by_time"),
        ),
        migrations.RunPython(migrations.RunPython.noop, remove_purged),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RemoveField(model_name="image", name="group"),
        migrations.RemoveField(model_name="image", name="site"),
        migrations.RunSQL(RULES, NO_RULES),
    ]
