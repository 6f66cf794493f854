"""How a running study gets on and how well it is recorded, reader by reader: no result, and nothing by arm."""

from dataclasses import dataclass

from labeling.annotations.models import ActivityBatch
from labeling.studies.analysis.attribution import Checks, check
from labeling.studies.models import Item, Participant, Sitting, Study
from labeling.studies.raw import batches_frame, events_frame, operations_frame


@dataclass(frozen=True)
class Progress:
    """One reader so far.

    incomplete   sessions in which events are missing
    missing      events that are missing in all
    no_farewell  sessions that ended without the last batch: a crash
    lost         sittings that nobody ended
    """

    participant: Participant
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


def _checks(participant: Participant) -> list[Checks]:
    """Of every session of this reader: what is missing in its record."""
    sheets = participant.items.filter(sheet__isnull=False).values("sheet")
    batches = ActivityBatch.objects.filter(image__project__in=sheets)
    images = list(batches.values_list("image", flat=True).distinct())
    if not images:
        return []
    return check(events_frame(batches), operations_frame(images), batches_frame(batches))
