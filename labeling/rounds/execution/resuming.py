"""What waits for memory, a GPU or a worker goes on: when its time has come, when somebody asks, when one is there."""

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from inference.documents.stage_reports import MissingKind, MissingResource
from labeling import jobs
from labeling.recovery import isolated
from labeling.rounds.execution import portions
from labeling.rounds.execution.services import retry_round
from labeling.rounds.models import Portion, Round, Stage, StageLine
from labeling.server.health import served_queues

logger = logging.getLogger(__name__)

SOON = timedelta(seconds=5)  # a message that waits for less is likely on its way
ANSWER_WITHIN = 3.0  # seconds: a worker that trains is slow to answer, and only the recovery process waits for it
ASK_EVERY = 15.0  # seconds

SPREAD = Q(state=Stage.State.RUNNING, lease_owner=None)
WAITS = Q(state=Stage.State.WAITING, queued_at__isnull=False) | SPREAD


def waiting() -> QuerySet[Stage]:
    """The stages that could be at work if a worker took them, or one of their portions."""
    return Stage.objects.filter(WAITS, round__state__in=Round.ACTIVE, round__cancel_requested=False)


def recover(now: datetime | None = None) -> list[str]:
    """Send what was held back long enough, and say which queues nobody serves. -> sentences, as stages.recover."""
    now = now or timezone.now()
    for stage in waiting().exclude(missing_resource={}).filter(again_at__lte=now):
        with isolated(f"stage {stage.pk}"):
            resume(stage.pk)
    return unserved(now)


@transaction.atomic
def resume(stage_id: int, *, at_once: bool = False) -> None:
    """Let every worker try the stage again. `at_once`: somebody asked for it, so the next pause is short again."""
    round_ = Round.objects.select_for_update().get(stages__pk=stage_id)
    stage = waiting().select_for_update(of=("self",)).filter(pk=stage_id).first()
    if stage is None or round_.cancel_requested:
        return
    stage.missing_resource, stage.again_at, stage.declined_by = {}, None, []
    stage.times_declined = 0 if at_once else stage.times_declined
    if stage.state == Stage.State.WAITING:
        stage.queued_at = timezone.now()
        jobs.send("inference.run_stage", queue=stage.queue, stage_id=stage.pk)
    else:
        portions.send_next(stage, portions.WINDOW)
    stage.save(update_fields=["missing_resource", "again_at", "declined_by", "times_declined", "queued_at"])


@transaction.atomic
def try_again(*, round_: Round) -> Round:
    """A round that has ended goes on (services.retry_round); in one at work, what waits for memory or a GPU is tried
    at once. Raises WrongState."""
    if round_.state not in Round.ACTIVE:
        return retry_round(round_=round_)
    for stage in waiting().filter(round=round_).exclude(missing_resource={}):
        resume(stage.pk, at_once=True)
    return Round.objects.get(pk=round_.pk)


# -- queues that nobody serves


class Served:
    """Asks the workers which queues they serve, and remembers the answer for a while."""

    def __init__(self) -> None:
        self.queues: frozenset[str] = frozenset()
        self.good_until = 0.0

    def __call__(self) -> frozenset[str]:
        if time.monotonic() >= self.good_until:
            self.queues = served_queues(timeout=ANSWER_WITHIN)
            self.good_until = time.monotonic() + ASK_EVERY
        return self.queues


served = Served()


def unserved(now: datetime) -> list[str]:
    """Say of every stage whether its queue has a worker; the workers are asked only where that is in doubt."""
    doubtful = [
        stage
        for stage in waiting().filter(Q(missing_resource={}) | Q(missing_resource__what=MissingKind.NO_WORKER))
        if in_doubt(stage, now)
    ]
    if not doubtful:
        return []
    try:
        queues = served()
    except Exception:  # whatever the broker's driver raises: nobody can be asked, and the rows stay as they are
        logger.warning("the workers cannot be asked", exc_info=True)
        return []
    sentences = []
    for stage in doubtful:
        with isolated(f"stage {stage.pk}"):
            if stage.queue in queues and stage.missing_resource:
                resume(stage.pk)
            elif stage.queue not in queues and not stage.missing_resource:
                sentences += _nobody(stage)
    return sentences


def in_doubt(stage: Stage, now: datetime) -> bool:
    """Whether a message of the stage waits for longer than usual while nobody works off its queue."""
    at_work = Stage.objects.filter(queue=stage.queue, state=Stage.State.RUNNING, lease_until__gt=now).exists()
    shared = Portion.objects.filter(stage__queue=stage.queue, state=Portion.State.RUNNING, lease_until__gt=now)
    if at_work or shared.exists():
        return bool(stage.missing_resource)  # then it is served after all
    if stage.missing_resource:
        return True
    if stage.state == Stage.State.WAITING:
        return stage.queued_at is not None and stage.queued_at < now - SOON
    return stage.portions.filter(state=Portion.State.WAITING, queued_at__lt=now - SOON).exists()


@transaction.atomic
def _nobody(stage: Stage) -> list[str]:
    unchanged = waiting().filter(pk=stage.pk, missing_resource={})
    missing = MissingResource(what=MissingKind.NO_WORKER, queue=stage.queue)
    if not Stage.objects.filter(pk__in=unchanged).update(missing_resource=missing.as_json()):
        return []
    sentence = f"{stage}: no worker serves the queue {stage.queue!r}"
    StageLine.objects.create(stage=stage, text=sentence)
    return [sentence]
