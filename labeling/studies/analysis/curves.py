"""Learning, fatigue and carry-over: shown beside the result. None of them ever chooses the analysis."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats

from labeling.studies.analysis.results import NotEstimated


@dataclass(frozen=True)
class Trend:
    """Change of time per cell with each further field of an arm, in per cent; readers keep their own levels."""

    arm: str
    per_field: float
    low: float
    high: float
    fields: int


def trends(fields: pd.DataFrame, value: str = "active_s", confidence: float = 0.95) -> list[Trend | NotEstimated]:
    """Learning (below 0) or fatigue (above 0) within each arm.

    fields   participant, arm, position (1, 2, ... within reader and arm), reference_cells, `value`
    """
    found: list[Trend | NotEstimated] = []
    for arm, rows in fields.groupby("arm", sort=True):
        if rows["participant"].nunique() < 2 or rows["position"].nunique() < 2:
            found.append(NotEstimated(f"{arm}: a trend needs two readers with two fields each"))
            continue
        rows = rows.assign(y=np.log(rows[value] / rows["reference_cells"]))
        fit = smf.ols("y ~ position + C(participant)", rows).fit(
            cov_type="cluster", cov_kwds={"groups": pd.factorize(rows["participant"])[0]}, use_t=True
        )
        low, high = fit.conf_int(alpha=1 - confidence).loc["position"]
        if not np.isfinite([low, high]).all():
            found.append(NotEstimated(f"{arm}: the fields do not vary, so a trend has no interval"))
            continue
        change, least, most = (100 * (float(np.exp(x)) - 1) for x in (fit.params["position"], low, high))
        found.append(Trend(str(arm), change, least, most, len(rows)))
    return found


@dataclass(frozen=True)
class CarryOver:
    """Grizzle's test on the readers' sums over both arms: has little power and is shown, never acted on.

    difference: of the mean sums of the two sequences in `sequences`, second minus first, s per cell.
    """

    p: float
    difference: float
    sequences: tuple[str, str]


def carry_over(rates: pd.DataFrame, *, reference: str, arm: str) -> CarryOver | NotEstimated:
    """rates: see estimands.rates. NotEstimated unless there are exactly two sequences of two readers or more."""
    if missing := [name for name in (reference, arm) if not (rates["arm"] == name).any()]:
        return NotEstimated(f"no finished field of {' and '.join(missing)} counts yet")
    wide = rates.pivot(index=["participant", "sequence"], columns="arm", values="rate")[[reference, arm]].dropna()
    sums = {str(name): rows.sum(axis=1).to_numpy(np.float64) for name, rows in wide.groupby(level="sequence")}
    if len(sums) != 2:
        return NotEstimated(f"carry-over is tested between two sequences of the same two arms; there are {len(sums)}")
    (first, one), (second, other) = sorted(sums.items())
    if min(len(one), len(other)) < 2:
        return NotEstimated("one reader alone in a sequence: carry-over cannot be told from what readers differ by")
    found = stats.ttest_ind(one, other)
    return CarryOver(float(found.pvalue), float(other.mean() - one.mean()), (first, second))
