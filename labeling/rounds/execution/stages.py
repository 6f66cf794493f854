"""Stages as workers claim, report and finish them, and as recovery finds the ones whose worker died.

A lease on the stage row decides who owns the work: `claim` takes it, `renew` keeps it, every write of a result checks
it. A worker that lost its lease (killed, or cut off for longer than LEASE) writes nothing more.
"""

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inference.documents.stages import EvaluationFacts, MissingResource, Usage
from labeling import jobs
from labeling.leases import LEASE, LeaseLost
from labeling.recovery import REQUEUE_AFTER, isolated
from labeling.rounds.execution.backoff import clear, is_kept_away, keep_away, near_its_limit, reason, size
from labeling.rounds.models import Artifact, Round, Stage, StageLine
from labeling.rounds.services import FINISHED, NEEDS, advance, move, start_next
from labeling.rounds.weights.promotion import measured, register

logger = logging.getLogger(__name__)


@transaction.atomic
def claim(stage_id: int, worker: str = "") -> tuple[Stage, uuid.UUID] | None:
    """Take a waiting stage for this worker; None when there is nothing to do (a second delivery, a cancelled round, a
    stage that this worker has handed back a moment ago).

    -> the stage and the lease's owner id, which every later call must name.
    """
    round_ = Round.objects.select_for_update().filter(stages__pk=stage_id).first()
    if round_ is None:
        return None
    stage = round_.stages.select_for_update().get(pk=stage_id)
    if round_.cancel_requested or round_.state not in Round.ACTIVE or stage.state != Stage.State.WAITING:
        return None
    others = {s.kind: s for s in round_.stages.all()}
    if not all(others[need].state in FINISHED for need in NEEDS[stage.kind]):
        return None
    now = timezone.now()
    if is_kept_away(stage, worker, now):
        return None
    if round_.state == Round.State.QUEUED:
        move(round_, Round.State.RUNNING)
    owner = uuid.uuid4()
    stage.state, stage.lease_owner, stage.lease_until = Stage.State.RUNNING, owner, now + LEASE
    stage.attempts += 1
    stage.started_at = stage.started_at or now
    stage.finished_at, stage.error, stage.missing_resource = None, "", {}
    stage.save()
    return stage, owner


def renew(stage_id: int, owner: uuid.UUID, usage: Usage | None = None) -> bool:
    """Keep the lease, and tell what the work uses. -> True when it should stop because somebody asked for it. Raises
    LeaseLost."""
    mine = Stage.objects.filter(pk=stage_id, lease_owner=owner, state=Stage.State.RUNNING)
    changed = {} if usage is None else {"usage": usage.as_json()}
    if not mine.update(lease_until=timezone.now() + LEASE, **changed):
        raise LeaseLost
    return Round.objects.filter(stages__pk=stage_id).values_list("cancel_requested", flat=True).get()


def report(stage_id: int, owner: uuid.UUID, *, done: int, total: int, note: str, values: dict[str, float]) -> None:
    """Progress for people: units done of all, a plain word, numbers worth a curve. Raises LeaseLost."""
    mine = Stage.objects.filter(pk=stage_id, lease_owner=owner)
    if not mine.update(done=done, total=total, note=note[:200]):
        raise LeaseLost
    if note or values:
        StageLine.objects.create(stage_id=stage_id, text=note, values=values)


def say(stage_id: int, text: str) -> None:
    """A line in the stage's log; nothing for a stage that was deleted with its project."""
    if Stage.objects.filter(pk=stage_id).exists():
        StageLine.objects.create(stage_id=stage_id, text=text)


@transaction.atomic
def finish(
    stage_id: int,
    owner: uuid.UUID,
    *,
    key: str,
    artifact: Artifact | None,
    state: Stage.State = Stage.State.DONE,
    usage: Usage | None = None,
) -> None:
    """The stage is done (or reused): end its lease and start what waited for it. Raises LeaseLost."""
    round_, stage = owned(stage_id, owner)
    stage.state, stage.key, stage.artifact = state, key, artifact
    if usage is not None:
        stage.usage = highest([usage, *(portion.used for portion in stage.portions.all())]).as_json()
    clear(stage)
    stage.lease_owner = stage.lease_until = None
    stage.done = stage.total = max(stage.total, 1)
    stage.finished_at = timezone.now()
    stage.save()
    if artifact is not None:
        register(stage, artifact)
    if artifact is not None and stage.kind == Stage.Kind.EVALUATION:
        measured(round_, artifact.facts_as(EvaluationFacts))
    advance(round_)


def highest(usages: Sequence[Usage]) -> Usage:
    """The first usage, with the highest memory of all: of a stage that many workers shared."""
    first = usages[0]
    if first.memory_peak is not None:
        first = first.with_(memory_peak=max(u.memory_peak or 0 for u in usages))
    if first.gpu_memory_peak is not None:
        first = first.with_(gpu_memory_peak=max(u.gpu_memory_peak or 0 for u in usages))
    return first


@transaction.atomic
def hand_back(stage_id: int, owner: uuid.UUID, reason: str) -> None:
    """Give up the lease at once, so that recovery starts the stage again where it stopped. Raises LeaseLost."""
    _, stage = owned(stage_id, owner)
    stage.lease_until = timezone.now()
    stage.save(update_fields=["lease_until"])
    StageLine.objects.create(stage=stage, text=reason)


@transaction.atomic
def hand_back_missing(stage_id: int, owner: uuid.UUID, missing: MissingResource, worker: str) -> None:
    """Hand the stage back because this worker lacks what it needs (backoff.py). Raises LeaseLost.

    The message goes out once more for the others; this worker will not take it before the pause is over.
    """
    round_, stage = owned(stage_id, owner)
    keep_away(stage, missing, worker, timezone.now())
    stage.state, stage.lease_owner, stage.lease_until = Stage.State.WAITING, None, None
    stage.attempts -= 1  # nobody died
    stage.started_at = stage.started_at if stage.done else None  # to wait is not to work
    stage.queued_at = timezone.now()
    stage.save()
    StageLine.objects.create(stage=stage, text=f"handed back: {reason(missing)}")
    if round_.cancel_requested:
        advance(round_)
    else:
        jobs.send("inference.run_stage", queue=stage.queue, stage_id=stage.pk)


@transaction.atomic
def end(stage_id: int, owner: uuid.UUID, *, state: Stage.State, error: str = "", usage: Usage | None = None) -> None:
    """The stage was cancelled or failed: say why and end the round when nothing else is at work. Raises LeaseLost."""
    round_, stage = owned(stage_id, owner)
    stage.state, stage.error = state, error
    stage.usage = stage.usage if usage is None else usage.as_json()
    stage.lease_owner = stage.lease_until = None
    stage.finished_at = timezone.now()
    stage.save()
    if error:
        StageLine.objects.create(stage=stage, text=error)
    advance(round_)


def owned(stage_id: int, owner: uuid.UUID) -> tuple[Round, Stage]:
    """The locked rows, round first: the order in which everyone takes them. Raises LeaseLost."""
    round_ = Round.objects.select_for_update().filter(stages__pk=stage_id).first()
    if round_ is None:  # deleted with its project
        raise LeaseLost
    stage = round_.stages.select_for_update().get(pk=stage_id)
    if stage.lease_owner != owner or stage.state != Stage.State.RUNNING:
        raise LeaseLost
    return round_, stage


def recover(now: datetime | None = None) -> list[str]:
    """Start again what lost its worker or its message. -> plain sentences about what was done; empty when all is
    well."""
    now = now or timezone.now()
    sentences = []
    for pk in Stage.objects.filter(state=Stage.State.RUNNING, lease_until__lt=now).values_list("pk", flat=True):
        with isolated(f"stage {pk}"):
            sentences += _revive(pk, now)
    # Not what waits for a worker that does not lack it: that is sent when its time has come (resuming.py).
    late = Stage.objects.filter(
        state=Stage.State.WAITING, queued_at__lt=now - REQUEUE_AFTER, round__state__in=Round.ACTIVE, missing_resource={}
    )
    for stage in late:
        # A message that still waits behind long work and this one are the same work: claim lets one through.
        with isolated(f"stage {stage.pk}"):
            Stage.objects.filter(pk=stage.pk).update(queued_at=now)
            jobs.send("inference.run_stage", queue=stage.queue, stage_id=stage.pk)
    planned = Round.objects.filter(state=Round.State.PLANNED).exclude(project__rounds__state__in=Round.ACTIVE)
    for project_id in planned.values_list("project", flat=True).distinct():
        with isolated(f"project {project_id}"):
            start_next(project_id)
    return sentences


def died(times: int, where: str, usage: Usage) -> str:
    """The sentence for what killed its workers once too often."""
    sentence = f"The worker died {times} times in {where}, so it is not tried again. "
    if near_its_limit(usage):
        used, free, total = (size(n or 0) for n in (usage.memory, usage.memory_free, usage.memory_total))
        return sentence + (
            "Too little memory is the likeliest cause: when it was heard of last, "
            f"it used {used}, and {free} of {total} were free."
        )
    return sentence + "Look into the worker's log."


@transaction.atomic
def _revive(stage_id: int, now: datetime) -> list[str]:
    round_ = Round.objects.select_for_update().get(stages__pk=stage_id)
    stage = round_.stages.select_for_update().get(pk=stage_id)
    if stage.state != Stage.State.RUNNING or stage.lease_until is None or stage.lease_until >= now:
        return []
    stage.lease_owner = stage.lease_until = None
    if round_.cancel_requested:
        stage.state = Stage.State.CANCELLED
        sentence = f"{stage}: its worker was gone when it was cancelled"
    elif stage.attempts >= Stage.MAX_ATTEMPTS:
        stage.state = Stage.State.FAILED
        stage.error = died(stage.attempts, "this stage", stage.used)
        sentence = f"{stage}: given up after {stage.attempts} attempts"
    else:
        stage.state, stage.queued_at = Stage.State.WAITING, None
        sentence = f"{stage}: its worker was lost, it goes on where it stopped"
    stage.save()
    StageLine.objects.create(stage=stage, text=sentence)
    advance(round_)
    return [sentence]
