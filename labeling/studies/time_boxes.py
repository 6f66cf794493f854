"""Time boxes: how long a reader may sit at a field before the clock ends it. Pauses are not counted."""

from datetime import datetime, timedelta

from labeling.studies.models import Item
from labeling.studies.remaining import stopped_at

LEAST = timedelta(seconds=5)  # after a crash in the last seconds: the page opens, and its clock finishes the field


def closes_at(item: Item, now: datetime) -> datetime | None:
    """When a sitting that begins now ends by the clock; None where the study has no time boxes."""
    minutes = item.participant.study.time_box_minutes
    if minutes is None:
        return None
    used = timedelta()
    for sitting in item.sittings.filter(ended_at__isnull=False):
        used += stopped_at(sitting) - sitting.begun_at
    return now + max(LEAST, timedelta(minutes=minutes) - used)


def is_over(item: Item, now: datetime) -> bool:
    """Whether the clock has ended the sitting that is open."""
    return item.sittings.filter(ended_at__isnull=True, closes_at__lte=now).exists()
