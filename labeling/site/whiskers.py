"""One mean with its interval and the images behind it, on an axis from 0 to 1: SVG in percent of its own width.

Numbers are text: a template would give a German page a decimal comma. Each dot names its image and value when the
pointer rests on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from labeling.rounds.results.comparison import Figure
from labeling.site.words import figure

RIM = 3.0  # percent on each side, so that dots at the ends stay whole


@dataclass(frozen=True)
class Dot:
    at: str
    words: str


@dataclass(frozen=True)
class Whisker:
    """at, low, high  of the mean and its interval; low is empty where there is none."""

    mean: float
    at: str
    low: str
    high: str
    words: str
    dots: list[Dot]


def whisker_of(measured: Figure, names: Mapping[int, str]) -> Whisker:
    """names: image -> its name; images that have left the project are not drawn."""
    dots = [
        Dot(place(value), f"{names[image]}: {figure(value)}")
        for image, value in measured.values.items()
        if image in names
    ]
    words = figure(measured.mean)
    if measured.has_interval:
        words = f"{words} [{figure(measured.low)}, {figure(measured.high)}]"
    low = place(measured.low) if measured.has_interval else ""
    high = place(measured.high) if measured.has_interval else ""
    return Whisker(measured.mean, place(measured.mean), low, high, words, dots)


def place(value: float) -> str:
    """0..1 as a percentage of the strip's width."""
    return f"{RIM + value * (100 - 2 * RIM):.1f}%"
