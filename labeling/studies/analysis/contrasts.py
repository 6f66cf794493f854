"""Each arm against the reference: quality first, then time, for readers in general or for these readers alone."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from labeling.studies.analysis import multiplicity
from labeling.studies.analysis.estimands import Contrast, compare, rates
from labeling.studies.analysis.fixed_readers import FixedReaders, compare_fields
from labeling.studies.analysis.pairs import pair_of
from labeling.studies.analysis.plan import Plan
from labeling.studies.analysis.quality import NonInferiority, non_inferior
from labeling.studies.analysis.results import Interval, NotEstimated, attempt

NOT_TESTED = NotEstimated("quality did not pass the declared margin, so time is described and not tested")
FOR_READERS = NotEstimated("the readers are enough for an analysis that speaks of readers in general")


@dataclass(frozen=True)
class FixedComparison:
    """What holds for these readers alone; fields are the unit.

    ratio    of geometric means of seconds per cell, over fields, with interval and test (by t on the logarithms)
    quality  difference arm minus reference with its lower bound, 97.5 % one-sided; passed: above -margin
    """

    title: str
    readers: int
    fields: int
    ratio: float
    interval: Interval
    df: int
    p: float | NotEstimated
    quality: FixedReaders | NotEstimated
    margin: float | None
    passed: bool


@dataclass(frozen=True)
class Comparison:
    """One arm against the reference."""

    arm: str
    quality: NonInferiority | NotEstimated
    time: Contrast | NotEstimated
    fixed_readers: FixedComparison | NotEstimated


def comparisons(fields: pd.DataFrame, plan: Plan) -> list[Comparison]:
    """Of every arm with the reference. p values are given where quality passed, adjusted for the whole family."""
    found = [_comparison(fields, arm, plan) for arm in plan.others]
    tests = multiplicity.adjusted([_p_of(one, "test") for one in found], plan.multiplicity)
    permutations = multiplicity.adjusted([_p_of(one, "permutation") for one in found], plan.multiplicity)
    return [_adjusted(one, *ps) for one, *ps in zip(found, tests, permutations, strict=True)]


def _p_of(comparison: Comparison, name: str) -> float | None:
    if isinstance(comparison.time, NotEstimated):
        return None
    test = getattr(comparison.time, name)
    return None if isinstance(test, NotEstimated) else test.p


def _adjusted(comparison: Comparison, p_test: float | None, p_permutation: float | None) -> Comparison:
    time = comparison.time
    if isinstance(time, NotEstimated):
        return comparison
    test, permutation = time.test, time.permutation
    if not isinstance(test, NotEstimated):
        test = replace(test, p_adjusted=p_test)
    if not isinstance(permutation, NotEstimated):
        permutation = replace(permutation, p_adjusted=p_permutation)
    return replace(comparison, time=replace(time, test=test, permutation=permutation))


def _comparison(fields: pd.DataFrame, arm: str, plan: Plan) -> Comparison:
    quality = attempt(lambda: _quality(fields, arm, plan))
    time = attempt(lambda: _time(fields, arm, plan))
    if isinstance(quality, NotEstimated):
        time = _untested(time, _unknown(quality))
    elif not quality.passed:
        time = _untested(time, NOT_TESTED)
    return Comparison(arm, quality, time, attempt(lambda: _fixed(fields, arm, plan)))


def _untested(time: Contrast | NotEstimated, reason: NotEstimated) -> Contrast | NotEstimated:
    """Described only; what could not be tested anyway keeps its own reason."""
    if isinstance(time, NotEstimated):
        return time
    test = time.test if isinstance(time.test, NotEstimated) else reason
    permutation = time.permutation if isinstance(time.permutation, NotEstimated) else reason
    return replace(time, test=test, permutation=permutation)


def _quality(fields: pd.DataFrame, arm: str, plan: Plan) -> NonInferiority | NotEstimated:
    if plan.quality_margin is None:
        return NotEstimated("the protocol has no margin that quality could be held against")
    rows = fields[fields["arm"].isin([plan.reference, arm])]
    return non_inferior(
        rows,
        measure=plan.quality_measure,
        reference=plan.reference,
        arm=arm,
        margin=plan.quality_margin,
        kind=plan.kind,
    )


def _time(fields: pd.DataFrame, arm: str, plan: Plan) -> Contrast:
    return compare(
        rates(fields),
        reference=plan.reference,
        arm=arm,
        kind=plan.kind,
        confidence=plan.confidence,
        seed=plan.seed,
    )


def _unknown(quality: NotEstimated) -> NotEstimated:
    return NotEstimated(f"quality is not known, so time is described and not tested ({quality.reason})")


def _fixed(fields: pd.DataFrame, arm: str, plan: Plan) -> FixedComparison | NotEstimated:
    """Offered where too few readers leave nothing to say about readers in general."""
    pair = pair_of(rates(fields), "rate", reference=plan.reference, arm=arm, kind=plan.kind)
    if not isinstance(pair.moments(), NotEstimated):
        return FOR_READERS

    def over_fields(value: str) -> FixedReaders | NotEstimated:
        return compare_fields(
            rows, value, reference=plan.reference, arm=arm, kind=plan.kind, confidence=plan.confidence
        )

    rows = fields.assign(log_s=np.log(fields["active_s"] / fields["reference_cells"]))
    rows[plan.quality_measure] = rows[plan.quality_measure].astype(float)
    time, quality = over_fields("log_s"), over_fields(plan.quality_measure)
    if isinstance(time, NotEstimated):
        return time
    margin = plan.quality_margin
    passed = False
    p: float | NotEstimated = NOT_TESTED
    if isinstance(quality, NotEstimated):
        p = _unknown(quality)
    elif margin is None:
        p = _unknown(NotEstimated("the protocol has no margin"))
    elif quality.low > -margin:
        passed, p = True, time.p
    return FixedComparison(
        title=time.title,
        readers=time.readers,
        fields=time.fields,
        ratio=float(np.exp(time.estimate)),
        interval=Interval(float(np.exp(time.low)), float(np.exp(time.high))),
        df=time.df,
        p=p,
        quality=quality,
        margin=margin,
        passed=passed,
    )
