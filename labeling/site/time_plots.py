"""Active time by day and person as bars, drawn by the server: no script, and a sentence for who cannot see them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from labeling.annotations.active_time import Spans, by_day, length
from labeling.site.words import worked

DAYS = 14  # drawn
WIDTH, HEIGHT = 280, 28  # of one person's bars, in the SVG's own units: 20 a day
GAP = 4
MIN_HEIGHT = 1.5  # a day with any work shows


@dataclass(frozen=True)
class Bar:
    """One day: place and size in WIDTH x HEIGHT, y down, as text (a template would write decimal commas in German)."""

    day: date
    seconds: float
    x: str
    y: str
    width: str
    height: str

    @property
    def label(self) -> str:
        return f"{date_format(self.day, 'SHORT_DATE_FORMAT')}: {worked(self.seconds)}"


@dataclass(frozen=True)
class PersonRow:
    """A person's active seconds in all, and their bars of the last days."""

    name: str
    is_you: bool
    seconds: float
    bars: list[Bar]

    @property
    def longest(self) -> float:
        """The active seconds of the longest bar."""
        return max((bar.seconds for bar in self.bars), default=0.0)

    @property
    def sentence(self) -> str:
        days = [bar.label for bar in self.bars if bar.seconds]
        return f"{self.name}: " + ("; ".join(days) or _("no active time on these days"))


def last_day(people: Iterable[Spans]) -> date:
    """The last day (UTC) on which anybody worked, and today where nobody did."""
    now = datetime.now(UTC).timestamp()
    ends = [spans[-1][1] / 1000 for spans in people if spans]
    last = max(ends, default=now)
    return datetime.fromtimestamp(min(max(last, 0.0), now), UTC).date()  # whatever a client claimed


def days_up_to(last: date) -> list[date]:
    return [last - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def midnight(day: date) -> float:
    """The beginning of the day in UTC, ms since 1970."""
    return datetime.combine(day, time(), UTC).timestamp() * 1000


def rows_of(
    people: Mapping[int, Spans], names: Mapping[int, str], days: Sequence[date], *, own: int
) -> list[PersonRow]:
    """One row a person, who worked most comes first. All rows have one scale: the longest day of anybody."""
    midnights = [midnight(day) for day in [*days, days[-1] + timedelta(days=1)]]
    seconds = {person: [ms / 1000 for ms in by_day(spans, midnights)] for person, spans in people.items()}
    longest = max((max(of_days) for of_days in seconds.values()), default=0.0)
    rows = [
        PersonRow(
            name=names.get(person, "?"),
            is_you=person == own,
            seconds=length(spans) / 1000,
            bars=bars_of(days, seconds[person], longest),
        )
        for person, spans in people.items()
    ]
    return sorted(rows, key=lambda row: (-row.seconds, row.name))


def bars_of(days: Sequence[date], seconds: Sequence[float], longest: float) -> list[Bar]:
    across = WIDTH / len(days)
    bars = []
    for place, (day, value) in enumerate(zip(days, seconds, strict=True)):
        height = max(MIN_HEIGHT, HEIGHT * value / longest) if value else 0.0
        x = place * across + GAP / 2
        bars.append(
            Bar(
                day=day,
                seconds=value,
                x=f"{x:.1f}",
                y=f"{HEIGHT - height:.1f}",
                width=f"{across - GAP:.1f}",
                height=f"{height:.1f}",
            )
        )
    return bars
