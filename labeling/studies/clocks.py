"""Clock times in a study's tables: as they were for readers who agreed, counted from their first item for the others.

Only differences of clock times mean anything to the analysis (a jump of the wall clock, the days of a washout), so a
shift by a constant for each reader changes no number and tells nobody when somebody worked.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from labeling.studies.models import Item, Participant

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # stands for the moment at which a reader opened their first item
LEFT_OUT = "by the exclusion rules (the reader did not agree that the reason is given out)"


class Clocks:
    """How far the clock times of each reader are moved. A reader who agreed is not moved."""

    def __init__(self, items: Iterable[Item]) -> None:
        first: dict[int, datetime] = {}
        self.shared: dict[int, bool] = {}
        for item in items:
            key = item.participant_id
            self.shared[key] = item.participant.shares_times
            if item.opened_at is not None:
                first[key] = min(first.get(key, item.opened_at), item.opened_at)
        self.shift = {key: self._shift(key, moment) for key, moment in first.items()}

    def _shift(self, participant: int, first: datetime) -> timedelta:
        if self.shared[participant]:
            return timedelta(0)
        whole = first.replace(microsecond=0)  # whole seconds: the fraction of a browser's clock stays as it was
        return whole - BEGINNING

    def moment(self, participant: int, at: datetime | None) -> str:
        """ISO 8601; "" for none."""
        if at is None:
            return ""
        return (at - self.shift.get(participant, timedelta(0))).isoformat()

    def wall_ms(self, participant: int, ms: float) -> float:
        """Of a browser's wall clock."""
        return ms - self.shift.get(participant, timedelta(0)).total_seconds() * 1000

    def reason(self, participant: int, text: str) -> str:
        """Free text about a reader."""
        return text if not text or self.shared.get(participant) else LEFT_OUT


def who_shares(participants: Iterable[Participant]) -> set[str]:
    """Pseudonyms of the readers who agreed that reasons about them are given out."""
    return {one.pseudonym for one in participants if one.shares_times}
