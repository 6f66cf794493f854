"""Jobs that propose and that no worker takes: said on the page, as rounds say it (execution/resuming.py)."""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from inference.documents.stage_reports import MissingKind, MissingResource
from labeling.jobs.models import Job
from labeling.jobs.services import JOBS
from labeling.recovery import isolated
from labeling.rounds.execution import resuming

logger = logging.getLogger(__name__)


def recover(now: datetime) -> list[str]:
    """Say of every job that waits whether its queue has a worker. -> sentences."""
    nothing_else = Q(missing_resource={}) | Q(missing_resource__what=MissingKind.NO_WORKER)
    waiting = Job.objects.filter(kind=Job.Kind.PROPOSE, state=Job.State.WAITING, queued_at__lt=now - resuming.SOON)
    doubtful = list(waiting.filter(nothing_else))
    if not doubtful:
        return []
    try:
        queues = resuming.served()
    except Exception:  # whatever the broker's driver raises: nobody can be asked, and the rows stay as they are
        logger.warning("the workers cannot be asked", exc_info=True)
        return []
    sentences = []
    for job in doubtful:
        with isolated(f"job {job.pk}"):
            sentences += _served(job) if job.queue in queues else _unserved(job)
    return sentences


@transaction.atomic
def _served(job: Job) -> list[str]:
    if job.missing_resource and Job.objects.filter(pk=job.pk, state=Job.State.WAITING).update(missing_resource={}):
        JOBS.send(job)
    return []


def _unserved(job: Job) -> list[str]:
    missing = MissingResource(what=MissingKind.NO_WORKER, queue=job.queue)
    waiting = Job.objects.filter(pk=job.pk, state=Job.State.WAITING, missing_resource={})
    if not waiting.update(missing_resource=missing.as_json()):
        return []
    return [f"{job}: no worker serves the queue {job.queue!r}"]
