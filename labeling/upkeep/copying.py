"""Copying a project: into a new one, which belongs to whoever copies it.

Settings, terms, classes, the guidelines that hold and the workflow come along at once, in one transaction. Images, and
cells of the shared working layers, come along when asked for, by a job of the new project (upkeep/copying_images.py).
People, rounds, models, studies, tests, comments and readings do not.
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.accounts.services import may_create_projects
from labeling.assignments.declaring import WORKFLOW_FIELDS, declare_workflow
from labeling.assignments.models import Workflow
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid
from labeling.guidelines.models import Guideline, GuidelinePicture
from labeling.guidelines.services import current_guideline
from labeling.images.quota import decline_over_quota, image_bytes
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.models import MAY, LabelClass, Membership, Project, Role
from labeling.projects.services import NotAllowed, project_name

SETTINGS = (
    "description", "layering", "records_activity", "keeps_originals", "deidentifies", "name_pattern", "attributes",
    "model_channels", "approval", "data_use", "retention_until", "permitted_centres",
)  # fmt: skip


@dataclass(frozen=True)
class Copy:
    """job: that brings the images along; None where they were not asked for."""

    project: Project
    job: Job | None


@transaction.atomic
def copy_project(*, source: Project, name: str, by: User, images: bool = False, annotations: bool = False) -> Copy:
    """A new project like `source`, of which `by` is the only member. An archived project can be copied too.

    images       whether its images come along, with what is stated of them
    annotations  whether the cells and regions of their shared working layers do

    Raises Invalid for a name, or annotations without images, NotAllowed, also for a manager who asks for images: who
    copies owns the copy, and could change under which terms it holds tissue. Raises OverQuota.
    """
    if not may_create_projects(by):
        raise NotAllowed(_("you may not create projects here; ask an administrator for the right"))
    if annotations and not images:
        raise Invalid(_("cells lie on images; copy these too"), field="annotations")
    if images and source.role_of(by) not in MAY["copy_images"]:
        raise NotAllowed(_("only an owner copies the images too; copy the settings alone, or ask an owner"))
    values = {column: getattr(source, column) for column in SETTINGS}
    made = Project(name=project_name(name), **values)
    if images:
        made.test_sealed_at = source.test_sealed_at  # the same patients are the test part
    made.save()
    Membership.objects.create(project=made, user=by, role=Role.OWNER)
    record(Act.PROJECT_COPIED, project=source, by=by, subject=made.name, copy=made.pk, images=images)
    record(Act.PROJECT_CREATED, project=made, by=by, subject=made.name)
    classes = _copy_classes(source, made)
    _copy_guidelines(source, made, by)
    workflow = Workflow.objects.filter(project=source).first()
    if workflow is not None:
        chosen = {field: getattr(workflow, field) for field in WORKFLOW_FIELDS}
        declare_workflow(project=made, by=by, **chosen)
    if not images:
        return Copy(made, None)
    stored = image_bytes(source)
    decline_over_quota(made, stored["pixels"] + stored["originals"] + stored["slides"])
    request = {"source": source.pk, "annotations": annotations, "classes": classes}
    return Copy(made, create_job(kind=Job.Kind.COPY, project=made, owner=by, request=request))


def _copy_classes(source: Project, made: Project) -> dict[str, int]:
    """-> key of a class of the source, as text -> of the same class here."""
    keys: dict[str, int] = {}
    classes = list(source.classes.current())
    for one in classes:
        copied = LabelClass.objects.create(
            project=made, name=one.name, color=one.color, position=one.position, retired_at=one.retired_at
        )
        keys[str(one.pk)] = copied.pk
    for one in classes:
        if one.parent_id is not None:
            LabelClass.objects.filter(pk=keys[str(one.pk)]).update(parent=keys[str(one.parent_id)])
    return keys


def _copy_guidelines(source: Project, made: Project, by: User) -> None:
    """The version that holds, as the first one, and all pictures: the text names them."""
    guideline = current_guideline(source)
    if guideline is None:
        return
    Guideline.objects.create(
        project=made, version=1, text=guideline.text, must_acknowledge=guideline.must_acknowledge, written_by=by
    )
    pictures = GuidelinePicture.objects.filter(project=source)
    for one in pictures:
        GuidelinePicture.objects.create(
            project=made, name=one.name, content_type=one.content_type, content=one.content, added_by=by
        )
