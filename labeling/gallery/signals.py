"""Vectors are made when proposals are made: when a round becomes the current one, and when a job has proposed cells.

Rounds and jobs stand below the gallery and know nothing of it. What fails here is logged and costs nobody a proposal.
"""

import logging
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from labeling.accounts.models import User
from labeling.errors import LabelingError
from labeling.gallery.vectors import vectors_for_new_proposals
from labeling.jobs.models import Job
from labeling.projects.models import Membership, Project, Role
from labeling.rounds.models import Promotion

logger = logging.getLogger(__name__)


@receiver(post_save, sender=Promotion, dispatch_uid="labeling.gallery.signals.round_became_current")
def round_became_current(sender: Any, instance: Promotion, created: bool, **_more: Any) -> None:
    if created:
        _ask_after_commit(instance.project_id, instance.by_id or instance.round.started_by_id)


@receiver(post_save, sender=Job, dispatch_uid="labeling.gallery.signals.proposing_ended")
def proposing_ended(sender: Any, instance: Job, **_more: Any) -> None:
    """A job that was cancelled or failed has proposed cells on some of its images."""
    if instance.kind == Job.Kind.PROPOSE and instance.finished_at is not None and not instance.is_active:
        _ask_after_commit(instance.project_id, instance.owner_id)


def _ask_after_commit(project: int, person: int | None) -> None:
    transaction.on_commit(lambda: _ask(project, person), robust=True)


def _ask(project: int, person: int | None) -> None:
    """person: who asked for the proposals; None where nobody did, as for a planned round: then the first owner."""
    found = Project.objects.filter(pk=project, is_sheet=False, archived_at__isnull=True).first()
    if found is None:
        return
    owners = Membership.objects.filter(project=found, role=Role.OWNER).order_by("pk").values_list("user", flat=True)
    key = person or owners.first()
    by = None if key is None else User.objects.filter(pk=key).first()
    if by is None:
        return
    try:
        vectors_for_new_proposals(project=found, by=by)
    except LabelingError as error:
        logger.info("cells of project %s are not compared now: %s", project, error)
