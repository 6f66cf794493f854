"""A stage spread over many workers: portions of its images, each a small task with a lease of its own.

The worker that claimed the stage spreads it and lets go of it: while portions are at work the stage is running and
has no lease. The last portion to finish puts the stage back into its queue, and whoever claims it then gathers the
units and goes on as if it had made them. No more than WINDOW messages are under way at a time, so that a project of
ten thousand images neither fills the broker nor keeps the rounds of others waiting: each portion that ends sends the
next one. A portion never locks the round: hundreds of them would queue up for it.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from inference.documents.stage_reports import MissingResource, Usage
from labeling import jobs
from labeling.leases import Fate, LeaseLost, Work
from labeling.recovery import isolated, recover_leased
from labeling.rounds.execution.backoff import reason
from labeling.rounds.execution.services import advance
from labeling.rounds.execution.stages import STAGES, died
from labeling.rounds.models import Portion, Round, Stage, StageLine

# Images a portion: enough work that what a message and a lease cost is lost in it (0.17 s on a machine with ten times
# more work than processors), few enough that all workers have a share to the end.
SMALLEST, LARGEST = 16, 64
WINDOW = 64  # messages under way for one stage: twice as many as workers that we expect at most


def size_of(images: int) -> int:
    """Images a portion of a stage with so many."""
    return min(LARGEST, max(SMALLEST, images // WINDOW))


class Portions(Work[Portion]):
    """Portions as leased rows. Who ends one locks round, stage and portion, in this order; who claims one locks it
    alone: hundreds of them would queue up for the round."""

    model = Portion

    def takeable(self, pk: int, worker: str, now: datetime) -> Portion | None:
        """Not of a stage that is no longer at work, or that this worker is kept away from."""
        rows = _open(pk).exclude(_kept_away(worker)).select_related("stage__round__snapshot")
        return rows.select_for_update(of=("self",)).first()

    def locked(self, pk: int) -> Portion | None:
        round_ = Round.objects.select_for_update().filter(stages__portions=pk).first()
        if round_ is None:  # deleted with its project
            return None
        stage = round_.stages.select_for_update().get(portions=pk)
        return stage.portions.select_for_update().get(pk=pk)

    def is_cancelled(self, row: Portion) -> bool:
        return row.stage.round.cancel_requested

    def lost(self, row: Portion, fate: Fate, sentence: str, now: datetime) -> None:
        row.state, row.queued_at = Portion.State.WAITING, None
        row.save()
        stage = row.stage
        if fate == Fate.GIVEN_UP and stage.state == Stage.State.RUNNING:
            stage.state, stage.finished_at = Stage.State.FAILED, now
            stage.error = died(row.attempts, str(row), row.used)
            stage.save()
        elif fate == Fate.AGAIN:
            self.send(row)
        StageLine.objects.create(stage=stage, text=sentence)
        settle(stage.round, stage)

    def late(self, before: datetime) -> QuerySet[Portion]:
        rows = Portion.objects.filter(state=Portion.State.WAITING, queued_at__lt=before)
        return rows.filter(stage__state=Stage.State.RUNNING, stage__missing_resource={}).select_related("stage")

    def send(self, row: Portion) -> None:
        Portion.objects.filter(pk=row.pk).update(queued_at=timezone.now())
        jobs.send("inference.run_portion", queue=row.stage.queue, portion_id=row.pk)


PORTIONS = Portions()
claim = PORTIONS.claim


@transaction.atomic
def spread(stage_id: int, owner: uuid.UUID, images: Sequence[int]) -> int:
    """Make portions of the images that no finished portion holds, and let go of the stage. Raises LeaseLost.

    -> how many portions; 0 when nothing is left to make: the caller keeps the stage and gathers.
    """
    stage = STAGES.owned(stage_id, owner)
    stage.portions.exclude(state=Portion.State.DONE).delete()
    finished = list(stage.portions.all())
    made = set(chain.from_iterable(portion.images for portion in finished))
    left = [image for image in images if image not in made]
    if not left:
        return 0
    first = max((portion.number for portion in finished), default=0) + 1
    size = size_of(len(images))
    shares = [left[start : start + size] for start in range(0, len(left), size)]
    Portion.objects.bulk_create(
        Portion(stage=stage, number=number, images=share) for number, share in enumerate(shares, start=first)
    )
    stage.let_go()
    stage.done, stage.total = len(images) - len(left), len(images)
    stage.note = f"spread over {len(shares)} portions of {size} images"
    stage.save()
    send_next(stage, WINDOW)
    return len(shares)


def _open(portion_id: int) -> QuerySet[Portion]:
    """The portion, where somebody may take it."""
    return Portion.objects.filter(
        pk=portion_id,
        state=Portion.State.WAITING,
        stage__state=Stage.State.RUNNING,
        stage__round__state=Round.State.RUNNING,
        stage__round__cancel_requested=False,
    )


def _kept_away(worker: str) -> Q:
    """What is true of portions of a stage that this worker is kept away from (leases.Backoff.is_kept_away)."""
    return Q(stage__again_at__gt=timezone.now(), stage__declined_by__contains=[worker])


def passed_on(portion_id: int, worker: str, *, pause: Callable[[], None]) -> None:
    """A worker that is kept away from the stage got a message of it: others who are at work on it get the message
    after a pause, without which it would come straight back. With nobody at work it is sent when the time has come.
    """
    if not _open(portion_id).filter(_kept_away(worker)).exists():
        return
    at_work = Portion.objects.filter(stage__portions=portion_id, state=Portion.State.RUNNING)
    busy = at_work.exists()
    if busy:
        pause()
    portion = _open(portion_id).select_related("stage").first()
    if portion is None:
        return
    if busy:
        PORTIONS.send(portion)
    else:
        Portion.objects.filter(pk=portion_id, state=Portion.State.WAITING).update(queued_at=None)


@transaction.atomic
def renew(portion_id: int, owner: uuid.UUID, *, done: int, usage: Usage | None = None) -> bool:
    """Keep the lease, tell what the work uses, and add the images done since the last time to those of the stage.
    Raises LeaseLost.

    -> True when the work should stop.
    """
    # Stage before portion, as everywhere: who locks them the other way round waits for ever.
    stage = Stage.objects.select_for_update(of=("self",)).select_related("round").filter(portions=portion_id).first()
    counted = PORTIONS.mine(portion_id, owner).values_list("done", flat=True).first()
    if stage is None or counted is None:
        raise LeaseLost
    PORTIONS.renew(portion_id, owner, done=done, **({} if usage is None else {"usage": usage.as_json()}))
    if done > counted:
        Stage.objects.filter(pk=stage.pk).update(done=F("done") + done - counted)
    return stage.round.cancel_requested or stage.state != Stage.State.RUNNING


def finish(portion: Portion, owner: uuid.UUID, *, file: Path, usage: Usage | None = None) -> None:
    """Keep the portion's units, send the next one, or put the stage back when this was the last. Raises LeaseLost."""
    with file.open("rb") as stream:
        name = default_storage.save(f"portions/{portion.stage_id}-{portion.number}-{owner.hex[:8]}.zip", File(stream))
    try:
        _finished(portion, owner, name, portion.used if usage is None else usage)
    except LeaseLost:
        default_storage.delete(name)
        raise


@transaction.atomic
def _finished(portion: Portion, owner: uuid.UUID, name: str, usage: Usage) -> None:
    # The row of the stage is the door: of two that end at once, the second one sees the first.
    stage = Stage.objects.select_for_update().filter(pk=portion.stage_id).first()
    mine = PORTIONS.mine(portion.pk, owner)
    counted = mine.values_list("done", flat=True).first()
    done: dict[str, object] = {"state": Portion.State.DONE, "lease_owner": None, "lease_until": None}
    done |= {"file": name, "usage": usage.as_json(), "done": len(portion.images)}
    if stage is None or counted is None or not mine.update(**done):
        raise LeaseLost
    Stage.objects.filter(pk=stage.pk).update(done=F("done") + len(portion.images) - counted)
    if stage.portions.exclude(state=Portion.State.DONE).exists():
        send_next(stage, 1)
    elif stage.state == Stage.State.RUNNING:
        stage.state, stage.attempts, stage.queued_at = Stage.State.WAITING, 0, timezone.now()
        stage.note, stage.missing_resource = "gathering", {}
        stage.save(update_fields=["state", "attempts", "queued_at", "note", "missing_resource"])
        jobs.send("inference.run_stage", queue=stage.queue, stage_id=stage.pk)


def cancelled(portion_id: int, owner: uuid.UUID) -> None:
    """The portion stopped because somebody asked for it; its finished units stay where they were made."""
    _let_go(portion_id, owner)


def hand_back(portion_id: int, owner: uuid.UUID) -> None:
    """Give up the lease at once, so that recovery sends the portion again. Raises LeaseLost."""
    PORTIONS.expire(portion_id, owner)


@transaction.atomic
def hand_back_missing(portion_id: int, owner: uuid.UUID, missing: MissingResource, worker: str) -> None:
    """Hand the portion back because this worker lacks what its stage needs: it is kept away from the whole stage.

    Raises LeaseLost.
    """
    portion = PORTIONS.owned(portion_id, owner)
    stage = portion.stage
    portion.let_go()
    portion.state = Portion.State.WAITING
    portion.attempts -= 1  # nobody died
    portion.save()
    stage.keep_away(missing, worker, timezone.now())
    stage.save(update_fields=["missing_resource", "again_at", "times_declined", "declined_by"])
    StageLine.objects.create(stage=stage, text=f"handed back: {reason(missing)}")
    if not stage.round.cancel_requested:
        PORTIONS.send(portion)  # for the others
    settle(stage.round, stage)


def failed(portion_id: int, owner: uuid.UUID, error: str) -> None:
    """The portion cannot be made, so the stage cannot: say why. Others that are at work stop at their next image."""
    _let_go(portion_id, owner, error=error)


@transaction.atomic
def _let_go(portion_id: int, owner: uuid.UUID, error: str = "") -> None:
    portion = PORTIONS.owned(portion_id, owner)
    stage = portion.stage
    portion.let_go()
    portion.state = Portion.State.WAITING
    portion.save()
    if error and stage.state == Stage.State.RUNNING:
        stage.state, stage.error, stage.finished_at = Stage.State.FAILED, error, timezone.now()
        stage.save()
        StageLine.objects.create(stage=stage, text=error)
    settle(stage.round, stage)


def settle(round_: Round, stage: Stage) -> None:
    """End a spread stage that was cancelled once none of its portions is at work, and the round when it was the last.
    The caller holds both rows."""
    spread_out = stage.state == Stage.State.RUNNING and stage.lease_owner is None
    if spread_out and round_.cancel_requested and not stage.portions.filter(state=Portion.State.RUNNING).exists():
        stage.state, stage.finished_at = Stage.State.CANCELLED, timezone.now()
        stage.save(update_fields=["state", "finished_at"])
    if round_.state in Round.ACTIVE:  # another portion's failure may have ended the round already
        advance(round_)


def gathered(stage_id: int) -> None:
    """The stage has its artifact: its portions and their files have done their duty."""
    for portion in Portion.objects.filter(stage_id=stage_id):
        portion.file.delete(save=False)
        portion.delete()


def recover(now: datetime) -> list[str]:
    """Send again what lost its worker or its message. -> sentences, as stages.recover."""
    sentences = recover_leased(PORTIONS, now)
    # Also one that was put back to be gathered while somebody cancelled the round: nobody may claim it any more.
    spread_or_back = Q(state=Stage.State.RUNNING, lease_owner=None) | Q(state=Stage.State.WAITING)
    cancelled = Stage.objects.filter(spread_or_back, round__cancel_requested=True, round__state__in=Round.ACTIVE)
    for stage in cancelled:
        with isolated(f"stage {stage.pk}"), transaction.atomic():
            round_ = Round.objects.select_for_update().get(pk=stage.round_id)
            settle(round_, round_.stages.select_for_update().get(pk=stage.pk))
    return sentences


def send_next(stage: Stage, count: int) -> None:
    """Send the next portions that were not sent yet. The caller holds the stage's row, so no two pick the same one."""
    waiting = stage.portions.filter(state=Portion.State.WAITING, queued_at__isnull=True)
    for portion in waiting.order_by("number")[:count]:
        PORTIONS.send(portion)
