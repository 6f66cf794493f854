"""What is left for a reader, as the server's clock knows it: how many items, how long they may take, and from when."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.db.models import Max
from django.utils import timezone

from labeling.annotations.models import ActivityBatch
from labeling.studies.models import Item, Participant, Sitting, Study

ENOUGH = 3  # finished items of one kind before their time says anything about the others
OVER = (Item.State.DONE, Item.State.SKIPPED)


@dataclass(frozen=True)
class Left:
    """done, total: items; practice: of those left. minutes: what is left would take, None where nothing is known yet;
    unknown: items left of a kind of which too few are done."""

    done: int
    total: int
    left: int
    practice: int
    minutes: int | None
    unknown: int


def left_of(participant: Participant) -> Left:
    """Kinds are arm and sitting: their items take alike. Nothing is told of arms but how long is left of all."""
    items = list(participant.items.exclude(state=Item.State.SKIPPED))
    left = [item for item in items if item.state != Item.State.DONE]
    spent = _spent_by_kind(participant, items)
    seconds, unknown = 0.0, 0
    for item in left:
        same = spent[(item.arm_id, item.part)]
        if len(same) < ENOUGH:
            unknown += 1
        else:
            seconds += median(same)
    return Left(
        done=len(items) - len(left),
        total=len(items),
        left=len(left),
        practice=sum(item.training for item in left),
        minutes=max(1, round(seconds / 60)) if len(left) > unknown else None,
        unknown=unknown,
    )


def _spent_by_kind(participant: Participant, items: Iterable[Item]) -> dict[tuple[int, str], list[float]]:
    """Arm and sitting -> seconds of each finished item of this kind."""
    of_item = _seconds(participant)
    found: dict[tuple[int, str], list[float]] = defaultdict(list)
    for item in items:
        if item.pk in of_item:
            found[(item.arm_id, item.part)].append(of_item[item.pk])
    return found


def _seconds(participant: Participant) -> dict[int, float]:
    """Seconds in sittings of each finished item."""
    sittings = Sitting.objects.filter(
        item__participant=participant, item__state=Item.State.DONE, ended_at__isnull=False
    )
    found: dict[int, float] = {}
    for sitting in sittings.select_related("item"):
        worked = stopped_at(sitting) - sitting.begun_at
        found[sitting.item_id] = found.get(sitting.item_id, 0.0) + worked.total_seconds()
    return found


def stopped_at(sitting: Sitting) -> datetime:
    """When the reader stopped working in a sitting that is over.

    A lost one was ended by nobody, and its `ended_at` is when the reader came back, perhaps on another day. It lasted
    until its last events arrived.
    """
    assert sitting.ended_at is not None
    if sitting.end != "lost":
        return sitting.ended_at
    within = (sitting.begun_at, sitting.ended_at)
    batches = ActivityBatch.objects.filter(image__project=sitting.item.sheet_id, received_at__range=within)
    arrived: datetime | None = batches.aggregate(last=Max("received_at"))["last"]
    return arrived or sitting.begun_at


def is_finished(participant: Participant) -> bool:
    """Whether nothing is asked of the reader any more."""
    if participant.withdrawn_at is not None or participant.study.state == Study.State.LOCKED:
        return True
    states = [item.state for item in participant.items.all()]
    return bool(states) and all(state in OVER for state in states)


def split_by_end(participations: Iterable[Participant]) -> tuple[list[Participant], list[Participant]]:
    """(at work, finished)."""
    at_work = [one for one in participations if not is_finished(one)]
    finished = [one for one in participations if is_finished(one)]
    return at_work, finished


def is_today(moment: datetime) -> bool:
    return timezone.localdate(moment) == timezone.localdate()
