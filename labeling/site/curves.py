"""Small curves of what a stage reported, drawn by the server: no script, and a sentence for who cannot see them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labeling.site.words import figure

WIDTH, HEIGHT, MARGIN = 240, 48, 3  # of the SVG, in its own units
ABSCISSAS = ("epoch", "step")  # counted, not measured: never a curve of their own


@dataclass(frozen=True)
class Curve:
    """One series, oldest first. `points` are the corners of an SVG polyline in WIDTH x HEIGHT, y down.

    low, high  the ends of its axis
    """

    name: str
    values: tuple[float, ...]
    points: str
    low: float
    high: float
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def first(self) -> float:
        return self.values[0]

    @property
    def last(self) -> float:
        return self.values[-1]

    @property
    def sentence(self) -> str:
        return (
            f"{self.name} went from {figure(self.first)} to {figure(self.last)} over {len(self.values)} reports; "
            f"lowest {figure(min(self.values))}, highest {figure(max(self.values))}"
        )


def curves_of(reports: Iterable[Mapping[str, object]]) -> list[Curve]:
    """A curve for every number that was reported at least twice, in the order of first appearance. The score that the
    best epoch is chosen by is left out where it is one of the others under another name."""
    series: dict[str, list[float]] = {}
    for report in reports:
        for name, value in report.items():
            if name not in ABSCISSAS and isinstance(value, int | float) and math.isfinite(value):
                series.setdefault(name, []).append(float(value))
    if series.get("score") in [values for name, values in series.items() if name != "score"]:
        del series["score"]
    return [_curve(name.replace("_", " "), values) for name, values in series.items() if len(values) > 1]


def _curve(name: str, values: list[float]) -> Curve:
    low, high = axis_of(name, values)
    return Curve(name, tuple(values), polyline(values, low, high), low, high)


def axis_of(name: str, values: Sequence[float]) -> tuple[float, float]:
    """The ends of a curve's axis: 0 and 1 for a score, 0 and the highest value for what has no such bound, as a loss.

    An axis from the lowest to the highest value would make a collapse of F1 0.903 and 0.901.
    """
    low, high = min(values), max(values)
    if low >= 0 and high <= 1 and "loss" not in name:
        return 0.0, 1.0
    return min(0.0, low), max(0.0, high)


def polyline(values: Sequence[float], low: float, high: float) -> str:
    """Values spread over the width; `high` is at the top and `low` at the bottom."""
    across = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    down = HEIGHT - 2 * MARGIN

    def y(value: float) -> float:
        return MARGIN + down * ((high - value) / (high - low) if high > low else 0.5)

    return " ".join(f"{MARGIN + i * across:.1f},{y(value):.1f}" for i, value in enumerate(values))
