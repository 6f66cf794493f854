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
from pathlib import Path

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from inference.documents.stages import MissingResource, Usage
from labeling import jobs
from labeling.leases import LEASE, LeaseLost
from labeling.recovery import REQUEUE_AFTER, isolated
from labeling.rounds.execution.backoff import keep_away, reason
from labeling.rounds.execution.stages import died, owned
from labeling.rounds.models import Portion, Round, Stage, StageLine
from labeling.rounds.services import advance

# Images a portion: enough work that what a message and a lease cost is lost in it (0.17 s on a machine with ten times
# more work than processors), few enough that all workers have a share to the end.
SMALLEST, LARGEST = 16, 64
WINDOW = 64  # messages under way for one stage: twice as many as workers that we expect at most


def size_of(images: int) -> int:
    """Images a portion of a stage with so many."""
    return min(LARGEST, max(SMALLEST, images // WINDOW))


@transaction.atomic
def spread(stage_id: int, owner: uuid.UUID, images: Sequence[int]) -> int:
    """Make portions of the images that no finished portion holds, and let go of the stage. Raises LeaseLost.

    -> how many portions; 0 when nothing is left to make: the caller keeps the stage and gathers.
    """
    _, stage = owned(stage_id, owner)
    stage.portions.exclude(state=Portion.State.DONE).delete()
    finished = list(stage.portions.all())
    made = {image for portion in finished for image in portion.images}
    left = [image for image in images if image not in made]
    if not left:
        return 0
    first = max((portion.number for portion in finished), default=0) + 1
    size = size_of(len(images))
    shares = [left[start : start + size] for start in range(0, len(left), size)]
    Portion.objects.bulk_create(
        Portion(stage=stage, number=number, images=share) for number, share in enumerate(shares, start=first)
    )
    stage.lease_owner = stage.lease_until = None
    stage.done, stage.total = len(images) - len(left), len(images)
    stage.note = f"spread over {len(shares)} portions of {size} images"
    stage.save()
    send_next(stage, WINDOW)
    return len(shares)


def claim(portion_id: int, worker: str = "") -> tuple[Portion, uuid.UUID] | None:
    """Take a waiting portion for this worker; None when there is nothing to do (delivered twice, cancelled, a stage
    that this worker is kept away from)."""
    owner = uuid.uuid4()
    claimed = (
        _open(portion_id)
        .exclude(_kept_away(worker))
        .update(
            state=Portion.State.RUNNING,
            lease_owner=owner,
            lease_until=timezone.now() + LEASE,
            attempts=F("attempts") + 1,
        )
    )
    if not claimed:
        return None
    return Portion.objects.select_related("stage__round__snapshot").get(pk=portion_id), owner


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
    """What is true of portions of a stage that this worker is kept away from (backoff.is_kept_away)."""
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
        _send(portion, portion.stage)
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
    portion = _mine(portion_id, owner)
    if stage is None:
        raise LeaseLost
    if done > portion.done:
        Stage.objects.filter(pk=stage.pk).update(done=F("done") + done - portion.done)
    portion.done, portion.lease_until = done, timezone.now() + LEASE
    portion.usage = portion.usage if usage is None else usage.as_json()
    portion.save(update_fields=["done", "lease_until", "usage"])
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
    mine = Portion.objects.filter(pk=portion.pk, lease_owner=owner, state=Portion.State.RUNNING)
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
    """Give up the lease at once, so that recovery sends the portion again."""
    Portion.objects.filter(pk=portion_id, lease_owner=owner).update(lease_until=timezone.now())


@transaction.atomic
def hand_back_missing(portion_id: int, owner: uuid.UUID, missing: MissingResource, worker: str) -> None:
    """Hand the portion back because this worker lacks what its stage needs: it is kept away from the whole stage.

    Raises LeaseLost.
    """
    round_ = Round.objects.select_for_update().filter(stages__portions=portion_id).first()
    if round_ is None:
        raise LeaseLost
    stage = round_.stages.select_for_update().get(portions=portion_id)
    portion = _mine(portion_id, owner)
    portion.state, portion.lease_owner, portion.lease_until = Portion.State.WAITING, None, None
    portion.attempts -= 1  # nobody died
    portion.save()
    keep_away(stage, missing, worker, timezone.now())
    stage.save(update_fields=["missing_resource", "again_at", "times_declined", "declined_by"])
    StageLine.objects.create(stage=stage, text=f"handed back: {reason(missing)}")
    if not round_.cancel_requested:
        _send(portion, stage)  # for the others
    settle(round_, stage)


def failed(portion_id: int, owner: uuid.UUID, error: str) -> None:
    """The portion cannot be made, so the stage cannot: say why. Others that are at work stop at their next image."""
    _let_go(portion_id, owner, error=error)


@transaction.atomic
def _let_go(portion_id: int, owner: uuid.UUID, error: str = "") -> None:
    round_ = Round.objects.select_for_update().filter(stages__portions=portion_id).first()
    if round_ is None:
        raise LeaseLost
    stage = round_.stages.select_for_update().get(portions=portion_id)
    portion = _mine(portion_id, owner)
    portion.state, portion.lease_owner, portion.lease_until = Portion.State.WAITING, None, None
    portion.save()
    if error and stage.state == Stage.State.RUNNING:
        stage.state, stage.error, stage.finished_at = Stage.State.FAILED, error, timezone.now()
        stage.save()
        StageLine.objects.create(stage=stage, text=error)
    settle(round_, stage)


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
    sentences = []
    for pk in Portion.objects.filter(state=Portion.State.RUNNING, lease_until__lt=now).values_list("pk", flat=True):
        with isolated(f"portion {pk}"):
            sentences += _revive(pk, now)
    # Also one that was put back to be gathered while somebody cancelled the round: nobody may claim it any more.
    spread_or_back = Q(state=Stage.State.RUNNING, lease_owner=None) | Q(state=Stage.State.WAITING)
    cancelled = Stage.objects.filter(spread_or_back, round__cancel_requested=True, round__state__in=Round.ACTIVE)
    for stage in cancelled:
        with isolated(f"stage {stage.pk}"), transaction.atomic():
            round_ = Round.objects.select_for_update().get(pk=stage.round_id)
            settle(round_, round_.stages.select_for_update().get(pk=stage.pk))
    late = Portion.objects.filter(
        state=Portion.State.WAITING,
        queued_at__lt=now - REQUEUE_AFTER,
        stage__state=Stage.State.RUNNING,
        stage__missing_resource={},
    ).select_related("stage")
    for portion in late:
        with isolated(f"portion {portion.pk}"):
            Portion.objects.filter(pk=portion.pk).update(queued_at=now)
            jobs.send("inference.run_portion", queue=portion.stage.queue, portion_id=portion.pk)
    return sentences


@transaction.atomic
def _revive(portion_id: int, now: datetime) -> list[str]:
    round_ = Round.objects.select_for_update().filter(stages__portions=portion_id).first()
    if round_ is None:
        return []
    stage = round_.stages.select_for_update().get(portions=portion_id)
    portion = Portion.objects.select_for_update().get(pk=portion_id)
    if portion.state != Portion.State.RUNNING or portion.lease_until is None or portion.lease_until >= now:
        return []
    portion.state, portion.lease_owner, portion.lease_until = Portion.State.WAITING, None, None
    portion.queued_at = None
    portion.save()
    if portion.attempts >= Stage.MAX_ATTEMPTS and stage.state == Stage.State.RUNNING:
        stage.state, stage.finished_at = Stage.State.FAILED, now
        stage.error = died(portion.attempts, str(portion), portion.used)
        stage.save()
        sentence = f"{portion}: given up after {portion.attempts} attempts"
    else:
        _send(portion, stage)
        sentence = f"{portion}: its worker was lost, it goes on where it stopped"
    StageLine.objects.create(stage=stage, text=sentence)
    settle(round_, stage)
    return [sentence]


def _mine(portion_id: int, owner: uuid.UUID) -> Portion:
    portion = Portion.objects.select_for_update().filter(pk=portion_id).first()
    if portion is None or portion.lease_owner != owner or portion.state != Portion.State.RUNNING:
        raise LeaseLost
    return portion


def send_next(stage: Stage, count: int) -> None:
    """Send the next portions that were not sent yet. The caller holds the stage's row, so no two pick the same one."""
    waiting = stage.portions.filter(state=Portion.State.WAITING, queued_at__isnull=True)
    for portion in waiting.order_by("number")[:count]:
        _send(portion, stage)


def _send(portion: Portion, stage: Stage) -> None:
    Portion.objects.filter(pk=portion.pk).update(queued_at=timezone.now())
    jobs.send("inference.run_portion", queue=stage.queue, portion_id=portion.pk)
