"""How many readers and fields a study needs, by simulation of the analysis that will be run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from labeling.studies.analysis.moments import Floats, Moments, between_readers, within_readers
from labeling.studies.analysis.pairs import WITHIN
from labeling.studies.analysis.pairs import nuisance as periods_of
from labeling.studies.analysis.pairs import weights as weights_of
from labeling.studies.analysis.results import NotEstimated
from labeling.studies.analysis.simulated import (
    ARMS,
    Components,
    Virtual,
    virtual_studies,
    virtual_study,
)

__all__ = [
    "ARMS",
    "Components",
    "Gate",
    "Power",
    "Virtual",
    "justification",
    "power",
    "virtual_studies",
    "virtual_study",
]
ONE_SIDED = 0.025  # of the gate of quality, as in quality.non_inferior


@dataclass(frozen=True)
class Gate:
    """The gate of quality before the test of time.

    margin  of Dice, that the arm may be worse by
    loss    of Dice, that it truly is worse by
    sd      between readers, of the difference of their mean Dice in two arms
    """

    margin: float
    loss: float = 0.0
    sd: float = 0.02

    def __post_init__(self) -> None:
        if not self.margin > 0 or not self.sd > 0:
            raise ValueError("the margin of quality and the SD of readers in it must be positive")


@dataclass(frozen=True)
class Power:
    """Share of simulated studies that reject "no difference" of an arm and the reference, with its Monte-Carlo
    interval.

    untested   share of studies without a test: too few readers were left, or quality did not pass
    alpha      of each comparison with the reference; smaller than that of the study where there are several
    """

    readers: int
    fields: int
    power: float
    low: float
    high: float
    studies: int
    untested: float = 0.0
    alpha: float = 0.05


@dataclass(frozen=True)
class _Asked:
    """What is the same for every size."""

    ratios: Sequence[float]
    components: Components
    kind: str
    studies: int
    alpha: float
    dropout: float
    gate: Gate | None


def power(
    *,
    reduction: float,
    readers: Sequence[int],
    fields: Sequence[int],
    components: Components,
    kind: str = "crossover",
    arms: int = 2,
    studies: int = 500,
    alpha: float = 0.05,
    dropout: float = 0.0,
    gate: Gate | None = None,
    seed: int = 0,
) -> list[Power | NotEstimated]:
    """For every number of readers and fields, or why a study of this size has no test.

    reduction   of seconds per reference cell, in per cent; every arm against the reference
    arms        with more than two, each comparison is held against alpha / (arms - 1), the first step of Holm's
                procedure
    dropout     share of readers who are lost, each by chance; the others are analysed as the report does
    gate        None: quality always passes
    Raises ValueError for a reduction that is none, fewer than one study, or a dropout that is no share.
    """
    if not 0 < reduction < 100:
        raise ValueError("the reduction to be found is between 0 and 100 per cent")
    if studies < 1 or min(fields) < 1:
        raise ValueError("power needs at least one simulated study and one field")
    if not 0 <= dropout < 1:
        raise ValueError("the share of readers who drop out is at least 0 and below 1")
    if kind == "crossover" and arms != 2:
        raise ValueError("a crossover has two arms; for more take the Williams design")
    ratios = [1 - reduction / 100] * (arms - 1)
    asked = _Asked(ratios, components, kind, studies, alpha / (arms - 1), dropout, gate)
    found: list[Power | NotEstimated] = []
    for r in readers:
        for f in fields:
            found.append(_power_of(np.random.default_rng([seed, r, f]), r, f, asked))
    return found


def _power_of(rng: np.random.Generator, readers: int, fields: int, asked: _Asked) -> Power | NotEstimated:
    size = f"{readers} readers, {fields} fields"
    try:
        virtual = virtual_studies(
            rng,
            studies=asked.studies,
            readers=readers,
            fields=fields,
            ratios=asked.ratios,
            components=asked.components,
            kind=asked.kind,
        )
    except ValueError as error:
        return NotEstimated(f"{size}: {error}")
    if virtual.moments() is None:
        reason = virtual.pair().moments()
        return NotEstimated(f"{size}: no test. {reason}")
    rejects = np.zeros(asked.studies, bool)
    tested = np.zeros(asked.studies, bool)
    for lost, those in _patterns(rng, asked, readers):
        left = virtual.of(those).without(lost)
        moments = _moments(left)
        if moments is None:
            continue
        passed = _passes(rng, left, asked.gate, len(those))
        tested[those] = passed
        rejects[those] = passed & (moments.p() < asked.alpha)
    hits = int(rejects.sum())
    interval = stats.binomtest(hits, asked.studies).proportion_ci(method="wilson")
    untested = float(1 - tested.mean())
    ends = float(interval.low), float(interval.high)
    return Power(readers, fields, hits / asked.studies, *ends, asked.studies, untested, asked.alpha)


def _patterns(rng: np.random.Generator, asked: _Asked, readers: int) -> list[tuple[list[int], npt.NDArray[np.intp]]]:
    """(readers who are lost, the studies in which just these are), so that each pattern is computed once."""
    if not asked.dropout:
        return [([], np.arange(asked.studies))]
    lost = rng.random((asked.studies, readers)) < asked.dropout
    patterns, which = np.unique(lost, axis=0, return_inverse=True)
    flat = which.ravel()
    return [(np.flatnonzero(row).tolist(), np.flatnonzero(flat == k)) for k, row in enumerate(patterns)]


def _moments(virtual: Virtual) -> Moments | None:
    """None where nobody is left in an arm, or there is no test."""
    if not len(virtual.arm):
        return None
    if virtual.kind not in WITHIN and len(np.unique(virtual.arm)) < 2:
        return None
    return virtual.moments()


def _passes(rng: np.random.Generator, virtual: Virtual, gate: Gate | None, studies: int) -> npt.NDArray[np.bool_]:
    """(studies,) whether quality passes: by t on the readers' means, as the times are compared."""
    if gate is None:
        return np.ones(studies, bool)
    moments = _quality(rng, virtual, gate, studies)
    assert moments is not None  # the times of the same readers have moments
    quantile = float(stats.t.ppf(1 - ONE_SIDED, moments.df))
    low = moments.b - moments.a - quantile * np.sqrt(moments.variance())
    return np.asarray(low > -gate.margin)


def _quality(rng: np.random.Generator, virtual: Virtual, gate: Gate, studies: int) -> Moments | None:
    """Of mean Dice, one number a reader and arm."""

    def drawn(mean: float, readers: int) -> Floats:
        return rng.normal(mean, gate.sd / np.sqrt(2), (studies, readers))

    if virtual.kind not in WITHIN:
        first, second = (int((virtual.arm == arm).any(axis=1).sum()) for arm in (0, 1))
        return between_readers(drawn(1.0, first), drawn(1.0 - gate.loss, second))
    readers = len(virtual.arm)
    nuisance = periods_of(virtual.sequence, virtual.periods(0, 1))
    return within_readers(drawn(1.0, readers), drawn(1.0 - gate.loss, readers), weights_of(virtual.sequence), nuisance)


def justification(
    found: Power,
    *,
    reduction: float,
    components: Components,
    kind: str,
    dropout: float = 0.0,
    gate: Gate | None = None,
    source: str = "stated components",
) -> str:
    """The sentences of a protocol that say why a study has this size."""
    c = components
    spread = f"readers {c.reader:g}, their arm effects {c.slope:g}, fields {c.field:g}, "
    spread += f"their arm effects {c.field_slope:g}, " if c.field_slope else ""
    spread += f"residual {c.residual:g}"
    parts = [
        f"{found.readers} readers with {found.fields} fields each in every arm ({kind}) find a reduction of "
        f"{reduction:g} % with power {found.power:.2f} (95 % Monte-Carlo interval {found.low:.2f} to {found.high:.2f}, "
        f"{found.studies} simulated studies, analysed as planned, two-sided alpha {found.alpha:g} of each comparison "
        "with the reference).",
        f"SD of log seconds per cell, from {source}: {spread}.",
    ]
    if dropout:
        parts.append(f"Each reader drops out with probability {dropout:g}.")
    if gate is not None:
        parts.append(
            f"Quality passes first: margin {gate.margin:g} of Dice, true loss {gate.loss:g}, SD of readers {gate.sd:g}."
        )
    if found.untested:
        parts.append(f"In {100 * found.untested:.1f} % of the studies there was no test, which counts as no finding.")
    return " ".join(parts)
