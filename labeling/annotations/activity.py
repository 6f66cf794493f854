"""The activity log: raw events in, active time computed from them, never stored as a fact."""

import json
import math
import uuid
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db import IntegrityError, transaction

from labeling.accounts.models import User
from labeling.annotations.models import ActivityBatch, Operation
from labeling.annotations.state import parse_integer, parse_number, parse_uuid
from labeling.annotations.study_sheets import check_batch
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.projects.models import Project

KINDS = frozenset(
    [
        "pointer_down",
        "pointer_up",
        "pointer_move",
        "key",
        "wheel",
        "viewport",
        "tool",
        "target_presented",
        "target_opened",
        "target_committed",
        "mask_shown",
        "decision",
        "focus",
        "blur",
        "visible",
        "hidden",
        "stall_begin",
        "stall_end",
        "wait_begin",
        "wait_end",
    ]
)
MOST_EVENTS = 5000  # a batch; the browser sends one every five seconds
CLOCK_SLACK_MS = 1000.0  # browsers round their clocks, some to 100 ms
IDLE_AFTER_MS = 30_000.0  # the cut-off the project page declares; studies declare their own


@transaction.atomic
def record(*, user: User, data: Any) -> bool:
    """Store one batch of events; False when the same batch is there already (a repeated send).

    The author is the signed-in user, whatever the data says. Raises Invalid for impossible times, unknown kinds and
    foreign sessions, WrongState when the project does not record activity, Archived, NoSitting on the sheet of a
    study's item that is paused or finished.
    """
    if not isinstance(data, dict):
        raise Invalid("a batch of activity is an object", field="activity")
    session = parse_uuid(data.get("session"), "session")
    first = parse_integer(data.get("first"), "first")
    image = Image.objects.visible_to(user).filter(pk=parse_integer(data.get("image"), "image")).first()
    if image is None:
        raise Invalid("there is no such image", field="image")
    image.project.refuse_if_archived()
    if not image.project.records_activity:
        raise WrongState("this project does not record activity")
    events = _events(data.get("events"))
    if first < 0:
        raise Invalid("events are numbered from 0", field="first")
    batch = ActivityBatch(
        session=session,
        first=first,
        count=len(events),
        user=user,
        image=image,
        wall_ms=parse_number(data.get("wall_ms"), "wall_ms"),
        mono_ms=parse_number(data.get("mono_ms"), "mono_ms"),
        events=_packed(events),
    )
    check_batch(image.project, wall_ms=batch.wall_ms, mono_ms=batch.mono_ms)
    others = ActivityBatch.objects.filter(session=session)
    if others.exclude(user=user).exists():
        raise Invalid("this session belongs to somebody else", field="session")
    before = others.filter(first__lte=first).order_by("-first").first()
    after = others.filter(first__gt=first).order_by("first").first()
    # A batch whose answer was lost comes again, and by then it is longer: what is known of it is left out.
    known = max(0, before.first + before.count - first) if before else 0
    if known >= len(events):
        return False
    if before and known and events_of(before)[-known:] != events[:known]:
        raise Invalid("other events of this session have the same numbers", field="first")
    if after and first + len(events) > after.first:
        raise Invalid("events of this batch are there already under the same numbers", field="first")
    if events[-1][0] > batch.mono_ms + CLOCK_SLACK_MS:
        raise Invalid("an event of this batch lies after its sending", field="events")
    if (before and events_of(before)[-1][0] > events[known][0]) or (after and events[-1][0] > events_of(after)[0][0]):
        raise Invalid("the times of events must not go back between batches", field="events")
    if known:
        batch.first, batch.count = first + known, len(events) - known
        batch.events = _packed(events[known:])
    try:
        with transaction.atomic():
            batch.save()
    except IntegrityError:  # the same batch came twice at once
        return False
    return True


def _events(data: Any) -> list[list[Any]]:
    if not isinstance(data, list) or not 0 < len(data) <= MOST_EVENTS:
        raise Invalid(f"events must be a list of 1 to {MOST_EVENTS}", field="events")
    last = -math.inf
    for event in data:
        if not isinstance(event, list) or len(event) not in (2, 3) or str(event[1]) not in KINDS:
            raise Invalid(f"an event is [t_ms, kind, data?] with a known kind, not {str(event)[:80]}", field="events")
        t = parse_number(event[0], "events")
        if t < 0 or t < last:
            raise Invalid("the times of events must not go back", field="events")
        last = t
    return data


def _packed(events: list[list[Any]]) -> bytes:
    return zlib.compress(json.dumps(events, separators=(",", ":")).encode())


def events_of(batch: ActivityBatch) -> list[list[Any]]:
    return list(json.loads(zlib.decompress(bytes(batch.events))))


def active_ms(ticks: Sequence[float], idle_after: float) -> float:
    """Working time of one sitting in ms: the sum of the gaps between events that are no longer than idle_after.

    ticks are offsets on the browser's monotonic clock in ms, sorted; wall clocks jump, and two machines disagree. A
    longer
    gap counts as zero, not as idle_after: a pause is not work.
    """
    return sum(gap for gap in (later - earlier for earlier, later in pairwise(ticks)) if gap <= idle_after)


@dataclass(frozen=True)
class Active:
    """Active time over some people's sessions.

    seconds    active seconds, gaps over `idle_after_s` left out, waits for the machine left out
    cells      cells these people committed by an operation of theirs
    people     how many people it is about
    """

    seconds: float
    cells: int
    people: int
    idle_after_s: float

    @property
    def seconds_per_cell(self) -> float | None:
        return self.seconds / self.cells if self.cells else None


def active_time(*, project: Project, user: User | None = None, idle_after_ms: float = IDLE_AFTER_MS) -> Active:
    """Active seconds and cells of a project: of one person, or of all.

    Only recorded sessions count, on both sides: cells whose operation names a session without any activity are left
    out.
    """
    batches = ActivityBatch.objects.filter(image__project=project)
    operations = Operation.objects.filter(layer__image__project=project)
    if user is not None:
        batches, operations = batches.filter(user=user), operations.filter(author=user)
    ticks: dict[uuid.UUID, list[tuple[float, str]]] = {}
    people = set()
    for batch in batches.order_by("session", "first").iterator():
        people.add(batch.user_id)
        ticks.setdefault(batch.session, []).extend((float(e[0]), e[1]) for e in events_of(batch))
    seconds = sum(_without_waits(events, idle_after_ms) for events in ticks.values()) / 1000
    cells = (
        operations.filter(
            session__in=ticks.keys(), action__in=["draw", "accept", "reject", "edit", "cannot_tell"],
            effects__annotation__kind="cell",
        )
        .values("effects__annotation")
        .distinct()
        .count()
    )  # fmt: skip
    return Active(seconds=seconds, cells=cells, people=len(people), idle_after_s=idle_after_ms / 1000)


def _without_waits(events: Iterable[tuple[float, str]], idle_after: float) -> float:
    """active_ms of one session, the time between wait_begin and wait_end left out."""
    total, stretch, waiting = 0.0, [], False
    for t, kind in sorted(events, key=lambda e: e[0]):
        if not waiting:
            stretch.append(t)
        if kind == "wait_begin" and not waiting:
            total += active_ms(stretch, idle_after)
            waiting = True
        elif kind == "wait_end" and waiting:
            stretch, waiting = [t], False
    return total + (0.0 if waiting else active_ms(stretch, idle_after))
