"""Time and quality together: where an arm stands on the plane of speed and accuracy, with a confidence region.

The region is Hotelling's: by T squared on the readers' two numbers, so it holds time and quality at once in 95 % of
studies, which two intervals side by side do not. It describes; time is tested only where quality passes (contrasts.py).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from labeling.studies.analysis.estimands import rates
from labeling.studies.analysis.pairs import Pair, nuisance, pair_of, weights
from labeling.studies.analysis.quality import means_of_readers
from labeling.studies.analysis.reml import Floats
from labeling.studies.analysis.results import NotEstimated


@dataclass(frozen=True)
class Joint:
    """One arm against the reference.

    log_ratio    of the geometric means over readers of seconds per cell
    difference   of quality, arm minus reference
    covariance   (2, 2) of these two
    reach        the region holds every point with (point - centre)' covariance^-1 (point - centre) <= reach
    df           of the covariance
    """

    arm: str
    measure: str
    log_ratio: float
    difference: float
    covariance: list[list[float]]
    reach: float
    df: int
    readers: int


def joint(
    fields: pd.DataFrame, *, reference: str, arm: str, kind: str, measure: str, confidence: float = 0.95
) -> Joint | NotEstimated:
    """fields: as rates and means_of_readers take them. A field without quality makes the answer unknown."""
    own = fields[fields["arm"].isin([reference, arm])]
    if unknown := int(own[measure].isna().sum()):
        return NotEstimated(f"{unknown} of {len(own)} fields have no {measure}")
    seconds = rates(fields)
    means = means_of_readers(fields, measure)
    time = pair_of(seconds, "rate", reference=reference, arm=arm, kind=kind).logarithms()
    quality = pair_of(means, measure, reference=reference, arm=arm, kind=kind)
    reason = time.moments()
    if isinstance(reason, NotEstimated):
        return reason
    spread = _within if time.within else _between
    covariance, df = spread(time, quality)
    if df < 2:
        return NotEstimated(f"{df} degree of freedom is too few for a region of two measures: it takes two")
    if np.linalg.matrix_rank(covariance) < 2:
        return NotEstimated("the readers do not differ in one of the two measures, so the region has no width")
    quantile = float(stats.f.ppf(confidence, 2, df - 1))
    time_a, time_b = time.means()
    quality_a, quality_b = quality.means()
    return Joint(
        arm=arm,
        measure=measure,
        log_ratio=time_b - time_a,
        difference=quality_b - quality_a,
        covariance=covariance.tolist(),
        reach=2 * df / (df - 1) * quantile,
        df=df,
        readers=time.readers,
    )


def _within(time: Pair, quality: Pair) -> tuple[Floats, int]:
    """The readers' differences, periods taken out, as moments.within_readers does for one measure."""
    faster = time.b - time.a
    better = quality.b - quality.a
    both = np.column_stack([faster, better])
    constant = np.ones(len(both))
    periods = nuisance(time.sequence, time.periods)
    base = np.column_stack([constant, periods])
    df = len(both) - int(np.linalg.matrix_rank(base))
    fitted = base @ np.linalg.pinv(base) @ both
    left = both - fitted
    share = weights(time.sequence)
    factor = float(share @ share) / max(df, 1)
    return factor * (left.T @ left), df


def _between(time: Pair, quality: Pair) -> tuple[Floats, int]:
    """Two groups of readers, one covariance."""
    first = np.column_stack([time.a, quality.a])
    second = np.column_stack([time.b, quality.b])
    groups = [first, second]
    sums = np.zeros((2, 2))
    for group in groups:
        left = group - group.mean(axis=0)
        sums += left.T @ left
    sizes = [len(group) for group in groups]
    df = sum(sizes) - 2
    factor = sum(1 / size for size in sizes) / max(df, 1)
    return factor * sums, df


def outline(found: Joint, points: int = 100) -> Floats:
    """(points, 2) the edge of the region: log ratio and difference of quality."""
    angle = np.linspace(0, 2 * np.pi, points)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    covariance = np.asarray(found.covariance)
    root = np.linalg.cholesky(covariance)
    centre = [found.log_ratio, found.difference]
    edge = np.sqrt(found.reach) * circle @ root.T
    return np.asarray(centre + edge)
