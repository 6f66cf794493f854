"""Summaries of one arm, from its values or from printed figures, and whether printed figures agree with each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from labeling.studies.analysis.pairs import weights


@dataclass(frozen=True)
class Summary:
    """One arm: mean and its confidence interval by t with n - 1 degrees of freedom; geometric mean if positive."""

    n: int
    mean: float
    sd: float
    median: float | None
    low: float
    high: float
    geometric_mean: float | None = None
    confidence: float = 0.95


def summarise(values: Sequence[float], confidence: float = 0.95, sequences: npt.NDArray[Any] | None = None) -> Summary:
    """Raises ValueError for fewer than two values (one has no spread), or values that are all equal.

    sequences   (n,) of the readers whose values these are: the means are then those of estimands.py, over the means of
                the sequences, with the standard error that these weights give the values' SD. Where every sequence has
                equally many readers this is the plain mean and its plain interval.
    """
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        raise ValueError(f"a summary needs at least two values, not {len(x)}")
    share = np.full(len(x), 1 / len(x)) if sequences is None else weights(sequences)
    mean, sd = float(share @ x), float(x.std(ddof=1))
    if not sd > 1e-12 * abs(mean):
        raise ValueError(f"all {len(x)} values are the same, so there is no spread")
    low, high = stats.t.interval(confidence, len(x) - 1, loc=mean, scale=sd * float(np.sqrt(share @ share)))
    geometric = float(np.exp(share @ np.log(x))) if (x > 0).all() else None
    return Summary(len(x), mean, sd, float(np.median(x)), float(low), float(high), geometric, confidence)


def from_figures(*, n: int, mean: float, sd: float, confidence: float = 0.95) -> Summary:
    """The interval that a printed n, mean and SD imply. What they do not imply (median) stays open."""
    if n < 2 or sd < 0:
        raise ValueError("a printed summary needs n of at least 2 and an SD of at least 0")
    low, high = stats.t.interval(confidence, n - 1, loc=mean, scale=sd / np.sqrt(n))
    return Summary(n, mean, sd, None, float(low), float(high), None, confidence)


@dataclass(frozen=True)
class Printed:
    """An arm as a paper prints it: text, so that the number of decimals is known."""

    name: str
    n: int
    mean: str
    sd: str
    low: str
    high: str


@dataclass(frozen=True)
class Finding:
    """One printed figure held against the others. `follows`: from the printed figures as they stand.
    `possible`: from some figures that would be printed the same."""

    what: str
    printed: str
    computed: str
    follows: bool
    possible: bool

    def __str__(self) -> str:
        if self.follows:
            return f"{self.what}: {self.printed} follows from the printed figures."
        more = "could come from unrounded figures" if self.possible else "nor from any figures that round to them"
        return (
            f"{self.what}: {self.printed} does not follow from the printed figures (they give {self.computed}), {more}."
        )


def audit(arms: Sequence[Printed], reduction: str, confidence: float = 0.95) -> list[Finding]:
    """Do the printed intervals follow from n, mean and SD by t, and the printed reduction (in %) from the two means?"""
    findings = []
    for arm in arms:
        exact = from_figures(n=arm.n, mean=float(arm.mean), sd=float(arm.sd), confidence=confidence)
        computed = f"{_as(exact.low, arm.low)}-{_as(exact.high, arm.high)}"
        printed = f"{arm.low}-{arm.high}"
        corners = [
            from_figures(n=arm.n, mean=m, sd=s, confidence=confidence)
            for m, s in product(_range(arm.mean), _range(arm.sd))
        ]
        possible = all(
            min(getattr(c, side) for c in corners) <= _range(text)[1]
            and max(getattr(c, side) for c in corners) >= _range(text)[0]
            for side, text in (("low", arm.low), ("high", arm.high))
        )
        findings.append(
            Finding(f"{arm.name}, {confidence:.0%} interval", printed, computed, printed == computed, possible)
        )
    before, after = (float(arm.mean) for arm in arms)
    computed = _as(100 * (1 - after / before), reduction)
    ratios = [100 * (1 - a / b) for b, a in product(_range(arms[0].mean), _range(arms[1].mean))]
    low, high = _range(reduction)
    possible = min(ratios) <= high and max(ratios) >= low
    findings.append(Finding("reduction", f"{reduction} %", f"{computed} %", computed == reduction, possible))
    return findings


# arXiv:2311.17960, "Effect on annotation efficiency".
BOXCELL = (
    Printed("manual polygons", 50, "17.82", "1.5", "17.39", "18.25"),
    Printed("box, verify and refine", 50, "9.92", "3.54", "8.93", "10.91"),
)
BOXCELL_REDUCTION = "44.4"


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _as(value: float, text: str) -> str:
    """`value` with the decimals of `text`."""
    return f"{value:.{_decimals(text)}f}"


def _range(text: str) -> tuple[float, float]:
    """Every number that would be printed as `text`."""
    half = 0.5 * 10 ** -_decimals(text)
    return float(text) - half, float(text) + half
