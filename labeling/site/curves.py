"""Small curves of what a stage reported, drawn by the server: no script, and a sentence for who cannot see them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labeling.site.words import figure

WIDTH, HEIGHT, MARGIN = 240, 48, 3  # of the SVG, in its own units
ABSCISSAS = ("epoch", "step")  # counted, not measured: never a curve of their own


@dataclass(frozen=True)
class Curve:
    """One series, oldest first. `points` are the corners of an SVG polyline in WIDTH x HEIGHT, y down."""

    name: str
    values: tuple[float, ...]
    points: str
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
    return [Curve(name.replace("_", " "), tuple(v), polyline(v)) for name, v in series.items() if len(v) > 1]


def polyline(values: Sequence[float]) -> str:
    """Values spread over the width, the highest at the top; a constant runs through the middle."""
    low, high = min(values), max(values)
    across = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    down = HEIGHT - 2 * MARGIN

    def y(value: float) -> float:
        return MARGIN + down * ((high - value) / (high - low) if high > low else 0.5)

    return " ".join(f"{MARGIN + i * across:.1f},{y(value):.1f}" for i, value in enumerate(values))
