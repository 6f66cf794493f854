"""Archiving a project: it stays as it is, to be read and exported, until somebody restores it. Its rounds stop."""

import logging
from contextlib import suppress

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import WrongState
from labeling.projects.models import Project
from labeling.recovery import isolated
from labeling.rounds.execution.services import cancel_round
from labeling.rounds.models import Round, Stage, StageLine

logger = logging.getLogger(__name__)
STOPPED = "asked to stop: the project was archived"


def archive_project(*, project: Project, by: User) -> Project:
    """From here on nothing in the project is changed. A round at work is asked to stop, and those in line with it; what
    is finished is kept, and Retry goes on once the project is restored. Doing it twice changes nothing.

    Raises WrongState while a study of the project runs: its readers may sit at a field, or wait for the next one.
    """
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=project.pk)
        running = project.studies.filter(state="running").first()
        if running is not None:
            raise WrongState(
                _("the study “{name}” is running; lock it first, then archive the project").format(name=running.name)
            )
        if project.archived_at is None:
            project.archived_at, project.archived_by = timezone.now(), by
            project.save(update_fields=["archived_at", "archived_by"])
            logger.info("project %s is archived by %s", project.pk, by)
            record(Act.PROJECT_ARCHIVED, project=project, by=by)
    # With the project's row free again: who ends a stage holds its round's row and then takes the project's. Nothing
    # can be started meanwhile, and what a process that dies here leaves at work recovery asks to stop.
    stop_rounds(project)
    return project


@transaction.atomic
def restore_project(*, project: Project, by: User) -> Project:
    """The project is in use again, as it was. Rounds that were stopped wait for Retry."""
    project = Project.objects.select_for_update().get(pk=project.pk)
    if project.archived_at is not None:
        project.archived_at = project.archived_by = None
        project.save(update_fields=["archived_at", "archived_by"])
        logger.info("project %s is restored by %s", project.pk, by)
        record(Act.PROJECT_RESTORED, project=project, by=by)
    return project


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
    """Stop what is still at work in an archived project, because whoever archived it died in between."""
    sentences = []
    for project in Project.objects.filter(rounds__in=_under_way()).distinct():
        with isolated(f"project {project.pk}"):
            stop_rounds(project)
            sentences.append(f"project {project.pk} is archived: its rounds were asked to stop")
    return sentences


def _under_way() -> QuerySet[Round]:
    states = [*Round.ACTIVE, Round.State.PLANNED]
    return Round.objects.filter(project__archived_at__isnull=False, state__in=states, cancel_requested=False)
