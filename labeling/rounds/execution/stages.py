"""Stages as workers claim, report and finish them, and as recovery finds the ones whose worker died.

A lease on the stage row decides who owns the work: `claim` takes it, `renew` keeps it, every write of a result checks
it. A worker that lost its lease (killed, or cut off for longer than LEASE) writes nothing more.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inference.documents.stage_reports import EvaluationFacts, MissingResource, Usage
from labeling import jobs
from labeling.leases import Fate, Work
from labeling.recovery import isolated, recover_leased
from labeling.rounds.execution.backoff import near_its_limit, reason, size, usage_sentence
from labeling.rounds.execution.services import FINISHED, NEEDS, advance, move, start_next
from labeling.rounds.models import Artifact, Round, Stage, StageLine
from labeling.rounds.weights.promotion import measured, register


class Stages(Work[Stage]):
    """Stages as leased rows. The round is locked before its stage, as everywhere."""

    model = Stage

    def takeable(self, pk: int, worker: str, now: datetime) -> Stage | None:
        """Not of a round that is cancelled, not before the stages it needs, not where the worker is kept away."""
        stage = self.locked(pk)
        if stage is None or stage.state != Stage.State.WAITING:
            return None
        if stage.round.cancel_requested or stage.round.state not in Round.ACTIVE:
            return None
        needed = stage.round.stages.filter(kind__in=NEEDS[stage.kind])
        if needed.exclude(state__in=FINISHED).exists() or stage.is_kept_away(worker, now):
            return None
        return stage

    def begin(self, row: Stage, now: datetime) -> None:
        if row.round.state == Round.State.QUEUED:
            move(row.round, Round.State.RUNNING)
        row.started_at = row.started_at or now
        row.finished_at, row.error, row.missing_resource = None, "", {}

    def locked(self, pk: int) -> Stage | None:
        round_ = Round.objects.select_for_update().filter(stages__pk=pk).first()
        if round_ is None:  # deleted with its project
            return None
        return round_.stages.select_for_update().get(pk=pk)

    def is_cancelled(self, row: Stage) -> bool:
        return row.round.cancel_requested

    def lost(self, row: Stage, fate: Fate, sentence: str, now: datetime) -> None:
        match fate:
            case Fate.CANCELLED:
                row.state = Stage.State.CANCELLED
            case Fate.GIVEN_UP:
                row.state, row.error = Stage.State.FAILED, died(row.attempts, "this stage", row.used)
            case Fate.AGAIN:
                row.state, row.queued_at = Stage.State.WAITING, None
        row.save()
        StageLine.objects.create(stage=row, text=sentence)
        advance(row.round)

    def late(self, before: datetime) -> QuerySet[Stage]:
        """Not what waits for a worker that does not lack it: that is sent when its time has come (resuming.py)."""
        rows = Stage.objects.filter(state=Stage.State.WAITING, queued_at__lt=before)
        return rows.filter(round__state__in=Round.ACTIVE, missing_resource={})

    def send(self, row: Stage) -> None:
        jobs.send("inference.run_stage", queue=row.queue, stage_id=row.pk)


STAGES = Stages()
claim = STAGES.claim


def renew(stage_id: int, owner: uuid.UUID, usage: Usage | None = None) -> bool:
    """Keep the lease, and tell what the work uses. -> True when it should stop because somebody asked for it. Raises
    LeaseLost."""
    STAGES.renew(stage_id, owner, **({} if usage is None else {"usage": usage.as_json()}))
    return Round.objects.filter(stages__pk=stage_id).values_list("cancel_requested", flat=True).get()


def report(stage_id: int, owner: uuid.UUID, *, done: int, total: int, note: str, values: dict[str, float]) -> None:
    """Progress for people: units done of all, a plain word, numbers worth a curve. Raises LeaseLost."""
    STAGES.change(stage_id, owner, done=done, total=total, note=note[:200])
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
    note: str = "",
) -> None:
    """The stage is done (or reused): end its lease and start what waited for it. Raises LeaseLost.

    usage  of the worker that made it, and note: why it is done otherwise. Both are said in the log.
    """
    stage = STAGES.owned(stage_id, owner)
    stage.state, stage.key, stage.artifact = state, key, artifact
    if usage is not None:
        note = usage_sentence(usage)
        stage.usage = highest([usage, *(portion.used for portion in stage.portions.all())]).as_json()
    stage.has_everything()
    stage.let_go()
    stage.done = stage.total = max(stage.total, 1)
    stage.finished_at = timezone.now()
    stage.save()
    if note:
        StageLine.objects.create(stage=stage, text=note)
    if artifact is not None:
        register(stage, artifact)
    if artifact is not None and stage.kind == Stage.Kind.EVALUATION:
        measured(stage.round, artifact.facts_as(EvaluationFacts))
    advance(stage.round)


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
    STAGES.expire(stage_id, owner)
    say(stage_id, reason)


@transaction.atomic
def hand_back_missing(stage_id: int, owner: uuid.UUID, missing: MissingResource, worker: str) -> None:
    """Hand the stage back because this worker lacks what it needs (leases.Backoff). Raises LeaseLost.

    The message goes out once more for the others; this worker will not take it before the pause is over.
    """
    stage = STAGES.owned(stage_id, owner)
    stage.keep_away(missing, worker, timezone.now())
    stage.let_go()
    stage.state = Stage.State.WAITING
    stage.attempts -= 1  # nobody died
    stage.started_at = stage.started_at if stage.done else None  # a waiting stage has not begun
    stage.queued_at = timezone.now()
    stage.save()
    StageLine.objects.create(stage=stage, text=f"handed back: {reason(missing)}")
    if stage.round.cancel_requested:
        advance(stage.round)
    else:
        STAGES.send(stage)


@transaction.atomic
def end(stage_id: int, owner: uuid.UUID, *, state: Stage.State, error: str = "", usage: Usage | None = None) -> None:
    """The stage was cancelled or failed: say why and end the round when nothing else is at work. Raises LeaseLost."""
    stage = STAGES.owned(stage_id, owner)
    stage.state, stage.error = state, error
    stage.usage = stage.usage if usage is None else usage.as_json()
    stage.let_go()
    stage.finished_at = timezone.now()
    stage.save()
    if error:
        StageLine.objects.create(stage=stage, text=error)
    advance(stage.round)


def recover(now: datetime | None = None) -> list[str]:
    """Start again what lost its worker or its message. -> plain sentences about what was done; empty when all is
    well."""
    now = now or timezone.now()
    sentences = recover_leased(STAGES, now)
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
