"""Archiving a project: it stays as it is, to be read and exported, until somebody restores it. Its rounds stop.

Deleting it archives it too, and closes it to everybody but its owners, who can restore it for as long as a deleted
image can be (IMAGE_GRACE_DAYS). What follows after that is in upkeep/removing.py. The sheets of a project, copies of
its fields for one person, go with it.
"""

import logging
from contextlib import suppress

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid, WrongState
from labeling.projects.models import Project
from labeling.recovery import isolated
from labeling.rounds.execution.services import cancel_round
from labeling.rounds.models import Round, Stage, StageLine

logger = logging.getLogger(__name__)
STATE = ("archived_at", "archived_by", "deleted_at", "deleted_by")
STOPPED = "asked to stop: the project was archived"


def archive_project(*, project: Project, by: User) -> Project:
    """From here on nothing in the project is changed. A round at work is asked to stop, and those in line with it; what
    is finished is kept, and Retry goes on once the project is restored. Doing it twice changes nothing.

    Raises WrongState while a study of the project runs: its readers may sit at a field, or wait for the next one.
    """
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=project.pk)
        _decline_running_study(project)
        if project.archived_at is None:
            project.archived_at, project.archived_by = timezone.now(), by
            _save_state(project)
            logger.info("project %s is archived by %s", project.pk, by)
            record(Act.PROJECT_ARCHIVED, project=project, by=by)
    # With the project's row free again: who ends a stage holds its round's row and then takes the project's. Nothing
    # can be started meanwhile, and what a process that dies here leaves at work recovery asks to stop.
    stop_rounds(project)
    return project


def delete_project(*, project: Project, typed: str, by: User) -> Project:
    """Close the project to everybody but its owners; it is removed for good when its grace period is over. Rounds stop
    as for an archived one. Deleting twice changes nothing.

    typed  the name of the project, typed to confirm

    Raises Invalid for another name, WrongState while a study of the project runs.
    """
    if typed.strip() != project.name:
        raise Invalid(_("type the name of the project as shown: {name}").format(name=project.name), field="typed")
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=project.pk)
        _decline_running_study(project)
        if project.deleted_at is None:
            now = timezone.now()
            project.deleted_at, project.deleted_by = now, by
            if project.archived_at is None:
                project.archived_at, project.archived_by = now, by
            _save_state(project)
            logger.info("project %s is deleted by %s", project.pk, by)
            record(Act.PROJECT_DELETED, project=project, by=by, subject=project.name)
    stop_rounds(project)
    return project


@transaction.atomic
def restore_project(*, project: Project, by: User) -> Project:
    """The project as it was before it was archived, or deleted: one that was archived before its deletion is archived
    again. Rounds that were stopped wait for Retry.

    Raises WrongState for a deleted project whose grace period is over.
    """
    project = Project.objects.select_for_update().get(pk=project.pk)
    if project.archived_at is None:
        return project
    if project.removed_at is not None and project.removed_at <= timezone.now():
        raise WrongState(_("the grace period of this project is over, and what it held is being removed"))
    if project.deleted_at is None or project.was_in_use:
        project.archived_at = project.archived_by = None
    project.deleted_at = project.deleted_by = None
    _save_state(project)
    logger.info("project %s is restored by %s", project.pk, by)
    record(Act.PROJECT_RESTORED, project=project, by=by)
    return project


def _decline_running_study(project: Project) -> None:
    running = project.studies.filter(state="running").first()
    if running is not None:
        words = _("the study “{name}” is running; lock it first, then archive or delete the project")
        raise WrongState(words.format(name=running.name))


def _save_state(project: Project) -> None:
    """Saves, with the sheets of the project: they are readable or closed as it is."""
    project.save(update_fields=STATE)
    Project.objects.filter(sheet_of=project).update(**{name: getattr(project, name) for name in STATE})


def stop_rounds(project: Project) -> None:
    """Ask every round of an archived project to stop that nobody has asked yet; their logs say why."""
    # The last in line comes first, so that none begins because the one before it has ended.
    for round_ in _under_way().filter(project=project).order_by("-number"):
        with suppress(WrongState):  # it has ended in this moment
            cancel_round(round_=round_)
            last = round_.stages.filter(state__in=[Stage.State.RUNNING, Stage.State.CANCELLED]).first()
            if last is not None:
                StageLine.objects.create(stage=last, text=STOPPED)


def recover() -> list[str]:
    """Stop what is still at work in an archived project, because whoever archived it died in between, and archive the
    sheet that somebody was given in that moment."""
    sentences = []
    for sheet in Project.objects.filter(archived_at__isnull=True, sheet_of__archived_at__isnull=False):
        with isolated(f"project {sheet.pk}"), transaction.atomic():
            _save_state(Project.objects.select_for_update().get(sheets=sheet))
            sentences.append(f"project {sheet.sheet_of_id} is archived: so is a sheet of it")
    for project in Project.objects.filter(rounds__in=_under_way()).distinct():
        with isolated(f"project {project.pk}"):
            stop_rounds(project)
            sentences.append(f"project {project.pk} is archived: its rounds were asked to stop")
    return sentences


def _under_way() -> QuerySet[Round]:
    states = [*Round.ACTIVE, Round.State.PLANNED]
    return Round.objects.filter(project__archived_at__isnull=False, state__in=states, cancel_requested=False)
