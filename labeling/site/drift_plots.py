"""Rounds by scanner, centre, stain and patient as pages draw them: a strip a group, a small line a group over rounds.

Strips are SVG in percent of their own width, so that dots stay round and no script is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.images.models import FACTORS
from labeling.rounds.models import Round
from labeling.rounds.results.drift import JUDGED, MAIN, Drift, Factor, Group, Line, Lines, Mean
from labeling.site.curves import HEIGHT, MARGIN, WIDTH
from labeling.site.words import figure

MOST_GROUPS, MOST_ROWS = 12, 50  # of one factor, drawn and in the table, the worst; the API tells all
# Name of a measure (rounds/drift.py) -> its name for people.
MEASURES = {
    "dice": "Dice",
    "pq": "PQ",
    "mask_ap50": "Mask AP50",
    "box_ap50": "Box AP50",
    "ambiguous": gettext_lazy("Disputed pixels"),
    "entropy": gettext_lazy("Undecided colour, bits"),
    "disagreement": gettext_lazy("Detector against segmenter"),
    "colour": gettext_lazy("Colour distance"),
}
STRIPS = ("ambiguous", "disagreement", "colour")  # drawn beside what is judged


@dataclass(frozen=True)
class Strip:
    """One mean on its axis: positions in percent as text (a template would give a German page a decimal comma), `low`
    empty where there is no interval."""

    at: str
    low: str
    high: str
    mean: Mean


@dataclass(frozen=True)
class Row:
    group: Group
    strips: list[Strip | None]
    means: list[Mean | None]

    @property
    def stands_out(self) -> bool:
        return any(mean is not None and mean.stands_out for mean in self.means)


@dataclass(frozen=True)
class Plot:
    """A factor of one round: `axes` (measure, its name, end of its axis) are drawn, `columns` stand in the table."""

    factor: Factor
    name: str
    axes: list[tuple[str, str, float]]
    columns: list[tuple[str, str]]
    rows: list[Row]

    left_out: int  # of the table

    @property
    def drawn(self) -> list[Row]:
        return self.rows[:MOST_GROUPS]

    @property
    def not_drawn(self) -> int:
        return max(0, len(self.rows) - MOST_GROUPS)

    @property
    def sentence(self) -> str:
        """For who cannot see the plot."""
        parts = [
            f"{row.group.name or _('not stated')}: "
            + ", ".join(
                f"{name} {figure(mean.value)}"
                for (measure, name, _end) in self.axes
                if (mean := row.group.means.get(measure)) is not None
            )
            for row in self.drawn
        ]
        return f"{self.name}. " + "; ".join(parts)


def plots_of(drift: Drift) -> list[Plot]:
    main = next((name for name in MAIN if name in drift.measures), None)
    shown = [name for name in (main, *STRIPS) if name in drift.measures and name is not None]
    columns = [(name, str(MEASURES[name])) for name in drift.measures]
    return [plot_of(factor, shown, columns) for factor in drift.factors]


def plot_of(factor: Factor, shown: Sequence[str], columns: list[tuple[str, str]]) -> Plot:
    ends: dict[str, float] = {}
    groups = factor.groups[:MOST_ROWS]
    for measure in shown:
        means = [group.means[measure] for group in groups[:MOST_GROUPS] if measure in group.means]
        ends_of_means = chain.from_iterable((mean.value, mean.high) for mean in means)
        reached = list(filter(isfinite, ends_of_means))
        # Every axis begins at 0. What is judged ends at 1; a signal has no such end, so the highest of it is one.
        ends[measure] = 1.0 if measure in JUDGED else max(reached, default=0.0) or 1.0
    rows = [
        Row(
            group,
            [strip_of(group.means.get(measure), ends[measure]) for measure in shown],
            [group.means.get(measure) for measure, _name in columns],
        )
        for group in groups
    ]
    axes = [(measure, str(MEASURES[measure]), ends[measure]) for measure in shown]
    return Plot(factor, str(FACTORS[factor.name]), axes, columns, rows, len(factor.groups) - len(groups))


def strip_of(mean: Mean | None, end: float) -> Strip | None:
    if mean is None:
        return None

    def percent(value: float) -> str:
        return f"{3 + 94 * min(1.0, max(0.0, value / end)):.1f}%"  # room for the dot at both ends

    known = isfinite(mean.low)
    return Strip(percent(mean.value), percent(mean.low) if known else "", percent(mean.high) if known else "", mean)


# -- over rounds


@dataclass(frozen=True)
class Trace:
    """A group's line; `points` and `dot` are in WIDTH x HEIGHT, y down, on the axis that all groups of a plot share."""

    name: str
    line: Line
    points: str
    dot: str
    sentence: str

    @property
    def last(self) -> float:
        return next(value for value in reversed(self.line.values) if value is not None)

    @property
    def first(self) -> float:
        return next(value for value in self.line.values if value is not None)

    @property
    def length(self) -> int:
        return sum(value is not None for value in self.line.values)


@dataclass(frozen=True)
class History:
    """A factor over rounds by one measure: small multiples, all images behind each, on one axis from low to high."""

    factor: str
    measure: str
    judged: bool
    everything: Trace
    traces: list[Trace]
    low: float
    high: float
    left_out: int
    width: int = WIDTH
    height: int = HEIGHT


def histories_of(lines: Sequence[Lines], rounds: Sequence[Round]) -> list[History]:
    """lines: of these rounds, oldest first."""
    return [history_of(one, [round_.number for round_ in rounds]) for one in lines]


def history_of(lines: Lines, numbers: Sequence[int]) -> History:
    values = chain.from_iterable(line.values for line in (lines.everything, *lines.groups))
    every = [value for value in values if value is not None]
    low, high = min(every), max(every)
    return History(
        str(FACTORS[lines.factor]),
        str(MEASURES[lines.measure]),
        lines.measure in JUDGED,
        trace_of(lines.everything, _("all images"), numbers, low, high),
        [trace_of(line, line.name or _("not stated"), numbers, low, high) for line in lines.groups[:MOST_GROUPS]],
        low,
        high,
        max(0, len(lines.groups) - MOST_GROUPS),
    )


def trace_of(line: Line, name: str, numbers: Sequence[int], low: float, high: float) -> Trace:
    across = (WIDTH - 2 * MARGIN) / (len(numbers) - 1)
    down = HEIGHT - 2 * MARGIN
    there = [(i, value) for i, value in enumerate(line.values) if value is not None]
    places = [
        (MARGIN + i * across, MARGIN + down * ((high - value) / (high - low) if high > low else 0.5))
        for i, value in there
    ]
    sentence = f"{name}: " + ", ".join(
        _("round {n} {value}").format(n=numbers[i], value=figure(value)) for i, value in there
    )
    x, y = places[-1]
    return Trace(name, line, " ".join(f"{x:.1f},{y:.1f}" for x, y in places), f"M{x:.1f},{y:.1f}h0", sentence)
