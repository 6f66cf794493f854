"""How a running study gets on and how well it is recorded, reader by reader: no result, and nothing by arm."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_noop

from labeling.annotations.models import ActivityBatch
from labeling.studies.analysis.attribution import Checks, check
from labeling.studies.models import Item, Participant, Sitting, Study
from labeling.studies.path import next_item
from labeling.studies.raw import batches_frame, events_frame, operations_frame

LATE_DAYS = 7  # without work, although the next item can be opened
QUIET = timedelta(hours=1)  # without events in an open sitting: the page crashed or was left, and nobody closed it
NOT_ASKED = gettext_noop("has not answered the consent text")
DECLINED = gettext_noop("did not take part")
WITHDREW = gettext_noop("withdrew")
DONE = gettext_noop("has read everything")
READING = gettext_noop("is reading now")
WAITS = gettext_noop("waits")
CAN_GO_ON = gettext_noop("can go on")


@dataclass(frozen=True)
class Place:
    """Where a reader is, without the arm.

    where       one of the words above, English
    waits_until when the next item opens, where something has to be waited for
    idle_days   whole days since the last work, None before any: no time of day, by which a colleague could be known
    is_late     the reader could go on and has not for LATE_DAYS
    """

    where: str
    waits_until: datetime | None = None
    idle_days: int | None = None
    is_late: bool = False


@dataclass(frozen=True)
class Progress:
    """One reader so far.

    place        where the reader is now
    incomplete   sessions in which events are missing
    missing      events that are missing in all
    no_farewell  sessions that ended without the last batch: a crash
    lost         sittings that nobody ended
    """

    participant: Participant
    place: Place
    total: int
    opened: int
    done: int
    excluded: int
    sessions: int
    incomplete: int
    missing: int
    no_farewell: int
    lost: int


def progress_of(study: Study) -> list[Progress]:
    """One row a reader, in the order of their numbers."""
    return [_of_reader(participant) for participant in study.participants.select_related("user")]


def _of_reader(participant: Participant) -> Progress:
    items = list(participant.items.filter(training=False))
    checks = _checks(participant)
    return Progress(
        participant=participant,
        place=place_of(participant),
        total=len(items),
        opened=sum(item.state != Item.State.PLANNED for item in items),
        done=sum(item.state == Item.State.DONE for item in items),
        excluded=sum(bool(item.excluded) for item in items),
        sessions=len(checks),
        incomplete=sum(bool(one.gaps or one.lost_tail) for one in checks),
        missing=sum(one.missing_events + one.lost_tail for one in checks),
        no_farewell=sum(one.no_farewell for one in checks),
        lost=Sitting.objects.filter(item__participant=participant, end="lost").count(),
    )


def place_of(participant: Participant, now: datetime | None = None) -> Place:
    """Where the reader is. Of who has ended their part nothing more is said."""
    now = now or timezone.now()
    if participant.has_declined:
        return Place(DECLINED)
    if participant.withdrawn_at is not None:
        return Place(WITHDREW)
    if participant.consented_at is None:
        since = participant.study.frozen_at or now
        return Place(NOT_ASKED, is_late=(now - since).days >= LATE_DAYS)
    sittings = Sitting.objects.filter(item__participant=participant)
    running = sittings.filter(ended_at__isnull=True).first()
    if running is not None:
        last = _last_sign(running)
        if now - last < QUIET:
            return Place(READING, idle_days=0)
    else:
        last = sittings.aggregate(last=Max("ended_at"))["last"] or participant.consented_at
    item, opens = next_item(participant)
    idle_days = (now - last).days
    if item is None:
        return Place(DONE, idle_days=idle_days)
    if opens is not None:
        return Place(WAITS, waits_until=opens, idle_days=idle_days)
    return Place(CAN_GO_ON, idle_days=idle_days, is_late=idle_days >= LATE_DAYS)


def _last_sign(running: Sitting) -> datetime:
    """When the last events of an open sitting arrived, or when it began."""
    batches = ActivityBatch.objects.filter(image__project=running.item.sheet_id)
    arrived: datetime | None = batches.aggregate(last=Max("received_at"))["last"]
    return max(running.begun_at, arrived or running.begun_at)


def _checks(participant: Participant) -> list[Checks]:
    """Of every session of this reader: what is missing in its record."""
    sheets = participant.items.filter(sheet__isnull=False).values("sheet")
    batches = ActivityBatch.objects.filter(image__project__in=sheets)
    images = list(batches.values_list("image", flat=True).distinct())
    if not images:
        return []
    return check(events_frame(batches), operations_frame(images), batches_frame(batches))
