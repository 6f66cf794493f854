"""Removing a deleted project for good, when its grace period is over. What remains of it is the audit log.

It is done in steps, each of which may be repeated: recovery looks every few seconds, and a process that dies is
followed by the next look. First nobody is a member any more, so that nobody restores what is half there. Then the
images go with their files, some at each look, and last the project itself.

Not removed: backups, what somebody has downloaded, copies of the project, and results of rounds that another project
has as well.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.files import FieldFile

from labeling.annotations.models import Layer
from labeling.assignments.models import WorkItem
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.images.models import Centre, Image, Patient
from labeling.images.resumable_uploads import ResumableUpload
from labeling.jobs.models import Job
from labeling.jobs.services import expire
from labeling.projects.models import LabelClass, Membership, Project
from labeling.qualification.models import AttemptField, Curriculum
from labeling.quality_control.models import CheckField
from labeling.recovery import isolated
from labeling.rounds.models import Artifact, ModelVersion, Portion, Round, Snapshot, WeightsImport
from labeling.studies.models import Item, Study, StudyField
from labeling.upkeep.purging import AT_ONCE, at_work, remove_files


def due(now: datetime) -> QuerySet[Project]:
    """Deleted projects whose grace period is over, and those of which a removal that died has left something."""
    has_members = Exists(Membership.objects.filter(project=OuterRef("pk")))
    is_over = Q(deleted_at__lt=now - timedelta(days=settings.IMAGE_GRACE_DAYS)) | ~has_members
    deleted = Project.objects.filter(is_over, deleted_at__isnull=False, is_sheet=False)
    return deleted.exclude(pk__in=at_work()).order_by("pk")


def recover(now: datetime) -> list[str]:
    """Remove what is over, in projects without a round or a job at work. -> sentences."""
    sentences = []
    for project in due(now):
        with isolated(f"project {project.pk}"):
            if remove_project(project):
                sentences.append(f"project {project.pk} is deleted and its time is over: it is removed for good")
    return sentences


def remove_project(project: Project, at_once: int = AT_ONCE) -> bool:
    """Remove everything of a deleted project. -> whether it is done; False while images are left for the next look.

    at_once  images that are removed in one call
    """
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        if locked.deleted_at is None:  # an owner was faster
            return False
        WorkItem.objects.filter(project=locked).delete()
        Membership.objects.filter(project=locked).delete()
        _remove_studies(locked)
        _remove_attempts_and_checks(locked)
    everything = Q(project=project) | Q(project__sheet_of=project)
    for image in Image.everything.filter(everything).order_by("pk")[:at_once]:
        _remove_image(image)
    if Image.everything.filter(everything).exists():
        return False
    for sheet in Project.objects.filter(sheet_of=project):
        _remove_rest(sheet)
    _remove_rest(project)
    return True


def _remove_studies(project: Project) -> None:
    Item.objects.filter(participant__study__project=project).delete()
    StudyField.objects.filter(study__project=project).delete()
    Study.objects.filter(project=project).delete()


def _remove_attempts_and_checks(project: Project) -> None:
    CheckField.objects.filter(plan__project=project).delete()
    AttemptField.objects.filter(attempt__curriculum__project=project).delete()
    Curriculum.objects.filter(project=project).delete()


def _remove_image(image: Image) -> None:
    """Its files first: who dies in between finds the row, and looks for what is gone already."""
    remove_files(image)
    with transaction.atomic():
        Layer.objects.filter(image=image.pk).delete()
        Image.everything.filter(pk=image.pk).delete()


def _remove_rest(project: Project) -> None:
    """A project without images, with the files of its jobs and rounds."""
    for upload in ResumableUpload.objects.filter(project=project).exclude(file=""):
        upload.file.delete(save=False)
    for job in Job.objects.filter(project=project):
        with transaction.atomic():
            expire(Job.objects.select_for_update().get(pk=job.pk))
    artifacts = _artifacts_of(project)
    with transaction.atomic():
        files = _remove_rounds(project)
        files += _remove_unused(artifacts)
        LabelClass.objects.filter(project=project).update(parent=None, merged_into=None)
        LabelClass.objects.filter(project=project).delete()
        Patient.objects.filter(project=project).delete()
        Centre.objects.filter(project=project).delete()
        Project.objects.filter(pk=project.pk).delete()
        if not project.is_sheet:
            record(Act.PROJECT_REMOVED, project=project, subject=project.name)
    for file in files:
        file.storage.delete(str(file.name))


def _artifacts_of(project: Project) -> list[str]:
    used = Q(stages__round__project=project) | Q(model_versions__project=project)
    return list(Artifact.objects.filter(used).distinct().values_list("pk", flat=True))


def _remove_rounds(project: Project) -> list[FieldFile]:
    """-> files that belonged to the rows, and to no other project."""
    portions = Portion.objects.filter(stage__round__project=project)
    imports = WeightsImport.objects.filter(project=project)
    snapshots = Snapshot.objects.filter(project=project)
    files = [portion.file for portion in portions if portion.file]
    files += [one.file for one in imports if one.file]
    files += [snapshot.content for snapshot in snapshots]
    ModelVersion.objects.filter(project=project).update(parent=None)
    ModelVersion.objects.filter(project=project).delete()
    Round.objects.filter(project=project).delete()
    imports.delete()
    snapshots.delete()
    return files


def _remove_unused(artifacts: list[str]) -> list[FieldFile]:
    """Results of rounds are known by their inputs: another project may have the same. -> files that nobody has now.

    Each row is locked before anybody looks who has it: a round of another project that begins to use it has said so
    by then, or finds it gone. Its file goes after the row.
    """
    files = []
    for artifact in Artifact.objects.select_for_update().filter(pk__in=artifacts).order_by("pk"):
        if artifact.stages.exists() or artifact.model_versions.exists():
            continue
        files.append(artifact.file)
        artifact.delete()
    return files
