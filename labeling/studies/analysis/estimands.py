"""What a study estimates and how sure it is: readers are the unit, times are ratios of arithmetic means.

The estimand, defined once (DEFINITION 2) and used by every printed figure: active human seconds (search, missed cells
and false proposals included) per reference cell. A reader gives one number per arm, the seconds of their counted fields
over the reference cells of these. An arm's mean is the mean over the sequences of the design of the means of the
sequences' readers, so that a reader who is lost does not tilt the balance of the periods. Two arms are compared by the
ratio of these means. Analysed are readers with a counted field in every arm they were allocated to.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labeling.studies.analysis import resampling
from labeling.studies.analysis.moments import Moments
from labeling.studies.analysis.pairs import pair_of, weights
from labeling.studies.analysis.results import Interval, NotEstimated

NO_SPREAD = "the readers do not differ at all, so there is no spread to test with"


@dataclass(frozen=True)
class TTest:
    """Two-sided p of "the ratio of means is 1". p_adjusted: for the family of comparisons (multiplicity.py)."""

    p: float
    df: int
    p_adjusted: float | None = None


@dataclass(frozen=True)
class Ratio:
    """A ratio of means and its interval."""

    ratio: float
    interval: Interval | NotEstimated


@dataclass(frozen=True)
class Contrast:
    """Arm `arm` against arm `reference`.

    mean_*              of the readers analysed, as `weights` defines it; difference, ratio: of these means
    reduction           1 - ratio, in per cent
    interval            of the ratio: every ratio that the test does not reject (Fieller)
    reduction_interval  the same, in per cent
    test                of the hypothesis ratio = 1
    permutation         over the allocations that the design allows
    bootstrap           percentile interval of the reduction over readers, in per cent
    geometric           ratio of geometric means: another estimand, named so that nobody mixes them up
    """

    reference: str
    arm: str
    readers: int
    mean_reference: float
    mean_arm: float
    difference: float
    ratio: float
    reduction: float
    interval: Interval | NotEstimated
    reduction_interval: Interval | NotEstimated
    test: TTest | NotEstimated
    permutation: resampling.Permutation | NotEstimated
    bootstrap: Interval | NotEstimated
    geometric: Ratio
    method: str


def rates(fields: pd.DataFrame, value: str = "active_s") -> pd.DataFrame:
    """Seconds per reference cell of each reader in each arm: the sum over their fields divided by the sum of cells.

    fields   participant, sequence, arm, reference_cells, and the column `value`; period where the design has them; one
             row per counted field
    ->       participant, sequence, arm, rate, fields, cells, and period where it was given
    """
    kept = {"period": ("period", "first")} if "period" in fields else {}
    grouped = fields.groupby(["participant", "sequence", "arm"], as_index=False, sort=True).agg(
        seconds=(value, "sum"), cells=("reference_cells", "sum"), fields=(value, "size"), **kept
    )
    if (grouped["cells"] <= 0).any():
        raise ValueError("a reader has fields without any reference cell; nothing can be divided by them")
    grouped["rate"] = grouped["seconds"] / grouped["cells"]
    return grouped[["participant", "sequence", "arm", "rate", "fields", "cells", *kept]]


def arm_mean(table: pd.DataFrame, value: str) -> float:
    """The mean of one arm; table: one row a reader, with sequence and `value`."""
    return float(weights(table["sequence"].to_numpy()) @ table[value].to_numpy(np.float64))


def compare(
    table: pd.DataFrame,
    *,
    reference: str,
    arm: str,
    kind: str,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 2000,
) -> Contrast:
    """Two arms of a design of this `kind`, from `rates`. Raises ValueError when nobody has a number in both arms."""
    pair = pair_of(table, "rate", reference=reference, arm=arm, kind=kind)
    mean_a, mean_b = pair.means()
    moments, logs = pair.moments(), pair.logarithms().moments()
    ratio = mean_b / mean_a
    interval = _interval(moments, confidence)
    return Contrast(
        reference=reference,
        arm=arm,
        readers=pair.readers,
        mean_reference=mean_a,
        mean_arm=mean_b,
        difference=mean_b - mean_a,
        ratio=ratio,
        reduction=_reduction(ratio),
        interval=interval,
        reduction_interval=interval if isinstance(interval, NotEstimated) else interval.mapped(_reduction),
        test=_test(moments),
        permutation=resampling.permutation(pair, alpha=1 - confidence, seed=seed),
        bootstrap=resampling.bootstrap(pair, confidence=confidence, seed=seed, resamples=resamples),
        geometric=_geometric(pair.logarithms().means(), logs, confidence),
        method=pair.method,
    )


def ratio_of(table: pd.DataFrame, *, reference: str, arm: str, kind: str, confidence: float = 0.95) -> Ratio:
    """Only the ratio of means and its interval, as in `compare`: for descriptions that are made many times."""
    pair = pair_of(table, "rate", reference=reference, arm=arm, kind=kind)
    mean_a, mean_b = pair.means()
    return Ratio(mean_b / mean_a, _interval(pair.moments(), confidence))


def _interval(moments: Moments | NotEstimated, confidence: float) -> Interval | NotEstimated:
    """All ratios that the test does not reject."""
    if isinstance(moments, NotEstimated):
        return moments
    if not moments.variance(moments.b / moments.a) > 0:
        return NotEstimated(NO_SPREAD)
    low, high = (float(end) for end in moments.ratio_bounds(confidence))
    return Interval(
        low if np.isfinite(low) else NotEstimated("no ratio down to 0 is rejected: the readers differ too much"),
        high
        if np.isfinite(high)
        else NotEstimated(
            "no larger ratio is rejected: the mean of the reference is itself not told from 0 by so few readers "
            "(Fieller's interval is unbounded)"
        ),
    )


def _test(moments: Moments | NotEstimated) -> TTest | NotEstimated:
    if isinstance(moments, NotEstimated):
        return moments
    p = float(moments.p())
    return TTest(p, moments.df) if np.isfinite(p) else NotEstimated(NO_SPREAD)


def _geometric(means: tuple[float, float], logs: Moments | NotEstimated, confidence: float) -> Ratio:
    ratio = float(np.exp(means[1] - means[0]))
    if isinstance(logs, NotEstimated):
        return Ratio(ratio, logs)
    if not logs.variance() > 0:
        return Ratio(ratio, NotEstimated(NO_SPREAD))
    low, high = logs.difference_bounds(confidence)
    return Ratio(ratio, Interval(float(np.exp(low)), float(np.exp(high))))


def _reduction(ratio: float) -> float:
    return 100 * (1 - ratio)
