"""The activity log: raw events in. What they come to is computed in active_time.py and kept in summaries.py."""

import json
import math
import zlib
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction

from labeling.accounts.models import User
from labeling.annotations.active_time import LATEST_MS, unpacked
from labeling.annotations.contract import ActivityBody, Event
from labeling.annotations.models import ActivityBatch
from labeling.annotations.study_sheets import check_batch
from labeling.annotations.summaries import summarise
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image

CLOCK_SLACK_MS = 1000.0  # browsers round their clocks, some to 100 ms


@transaction.atomic
def record(*, user: User, sent: ActivityBody) -> bool:
    """Store one batch of events; False when the same batch is there already (a repeated send).

    The author is the signed-in user, whatever the data says. Raises Invalid for impossible times and foreign sessions,
    WrongState when the project does not record activity, Archived, NoSitting on the sheet of a study's item that is
    paused or finished.
    """
    session, first = sent.session, sent.first
    image = Image.objects.visible_to(user).filter(pk=sent.image).first()
    if image is None:
        raise Invalid("there is no such image", field="image")
    image.project.decline_if_archived()
    if not image.project.records_activity:
        raise WrongState("this project does not record activity")
    events = _in_order(sent.events)
    batch = ActivityBatch(
        session=session,
        first=first,
        count=len(events),
        user=user,
        image=image,
        wall_ms=sent.wall_ms,
        mono_ms=sent.mono_ms,
        events=_packed(events),
    )
    check_batch(image.project, wall_ms=batch.wall_ms, mono_ms=batch.mono_ms)
    _decline_impossible_clocks(batch, events)
    others = ActivityBatch.objects.filter(session=session)
    if others.exclude(user=user).exists():
        raise Invalid("this session belongs to somebody else", field="session")
    before = others.filter(first__lte=first).order_by("-first").first()
    after = others.filter(first__gt=first).order_by("first").first()
    # A batch whose answer was lost comes again, and by then it is longer: what is known of it is left out.
    known = max(0, before.first + before.count - first) if before else 0
    if known >= len(events):
        return False
    if before:
        _decline_unlike_before(before, events, known)
    if after:
        _decline_unlike_after(after, events, first)
    if known:
        batch.first, batch.count = first + known, len(events) - known
        batch.events = _packed(events[known:])
    try:
        with transaction.atomic():
            batch.save()
            summarise(batch, events[known:])
    except IntegrityError:  # the same batch came twice at once
        return False
    return True


def _decline_impossible_clocks(batch: ActivityBatch, events: list[list[Any]]) -> None:
    for name in ("wall_ms", "mono_ms"):
        if abs(getattr(batch, name)) > LATEST_MS:
            raise Invalid(f"{name} leaves the calendar", field=name)
    if events[-1][0] > batch.mono_ms + CLOCK_SLACK_MS:
        raise Invalid("an event of this batch lies after its sending", field="events")


def _decline_unlike_before(before: ActivityBatch, events: list[list[Any]], known: int) -> None:
    """`known` events of this batch are in the batch before; they must be the same, and time goes on after them."""
    stored = events_of(before)
    if known and stored[-known:] != events[:known]:
        raise Invalid("other events of this session have the same numbers", field="first")
    if stored[-1][0] > events[known][0]:
        raise Invalid("the times of events must not go back between batches", field="events")


def _decline_unlike_after(after: ActivityBatch, events: list[list[Any]], first: int) -> None:
    if first + len(events) > after.first:
        raise Invalid("events of this batch are there already under the same numbers", field="first")
    if events[-1][0] > events_of(after)[0][0]:
        raise Invalid("the times of events must not go back between batches", field="events")


def _in_order(sent: Sequence[Event]) -> list[list[Any]]:
    """The events as they are stored. Raises Invalid where the times go back."""
    last = -math.inf
    for number, event in enumerate(sent):
        if event[0] < last:
            raise Invalid("the times of events must not go back", field=f"events.{number}")
        last = event[0]
    return [list(event) for event in sent]


def _packed(events: list[list[Any]]) -> bytes:
    return zlib.compress(json.dumps(events, separators=(",", ":")).encode())


def events_of(batch: ActivityBatch) -> list[list[Any]]:
    return unpacked(batch.events)
