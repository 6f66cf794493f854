import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery

from labeling.migrations._way_back import apps_of_one_state


def name_projects(apps, schema_editor):
    """Sheets that are there already learn which project they were copied from, and are archived with it."""
    project = apps.get_model("labeling", "Project")
    sources = [
        ("Item", "participant__study__project"),
        ("AttemptField", "attempt__curriculum__project"),
        ("CheckField", "plan__project"),
    ]
    for model, path in sources:
        rows = apps.get_model("labeling", model).objects.filter(sheet__isnull=False)
        source = rows.filter(sheet=OuterRef("pk")).values(path)[:1]
        project.objects.filter(pk__in=rows.values("sheet")).update(sheet_of=Subquery(source))
    source = project.objects.filter(pk=OuterRef("sheet_of"))
    for name in ("archived_at", "archived_by"):
        archived = project.objects.filter(is_sheet=True, sheet_of__archived_at__isnull=False)
        archived.update(**{name: Subquery(source.values(name)[:1])})


def bring_back(apps, schema_editor):
    """The version before knows no deleted project: it stays archived. Its sheets were in use whatever its state."""
    project = apps.get_model("labeling", "Project")
    project.objects.filter(sheet_of__isnull=False).update(archived_by=None, deleted_by=None)
    project.objects.filter(sheet_of__isnull=False).update(archived_at=None, deleted_at=None)


def remove_jobs_of_copies(apps, schema_editor):
    """The version before knows no such jobs; what they have copied stays."""
    apps_of_one_state(apps).get_model("labeling", "Job").objects.filter(kind="copy").delete()
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the tables could not be changed after this


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0047_controls"),
    ]

    operations = [
        migrations.AddField(
            model_name="checkfield",
            name="quarter_turns",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="by how many quarters the copy is turned after that, counterclockwise"
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="deleted_at",
            field=models.DateTimeField(
                help_text="since when owners alone see it and can restore it; after the grace period it is removed",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="deleted_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="sheet_of",
            field=models.ForeignKey(
                help_text="of a sheet: the project of the field. It is archived and deleted with that",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="sheets",
                to="labeling.project",
            ),
        ),
        migrations.AlterField(
            model_name="checkfield",
            name="is_mirrored",
            field=models.BooleanField(default=False, help_text="whether left and right are exchanged"),
        ),
        migrations.AlterField(
            model_name="controlplan",
            name="repeat_percent",
            field=models.PositiveSmallIntegerField(
                default=5, help_text="so many are turned or mirrored copies of images that they have read before"
            ),
        ),
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
                    ("copy", "copy of images"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(("deleted_at__isnull", True), ("archived_at__isnull", False), _connector="OR"),
                name="project_deleted_is_archived",
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(("deleted_at__isnull", False), ("deleted_by__isnull", True), _connector="OR"),
                name="project_deleted_by_whom",
            ),
        ),
        migrations.RunPython(name_projects, bring_back),
        migrations.RunPython(migrations.RunPython.noop, remove_jobs_of_copies),
    ]
