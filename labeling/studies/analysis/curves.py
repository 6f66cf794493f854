"""Learning, fatigue and carry-over: shown beside the result. None of them ever chooses the analysis."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats


@dataclass(frozen=True)
class Trend:
    """Change of time per cell with each further field of an arm, in per cent; readers keep their own levels."""

    arm: str
    per_field: float
    low: float
    high: float
    fields: int


def trends(fields: pd.DataFrame, value: str = "active_s", confidence: float = 0.95) -> list[Trend]:
    """Learning (below 0) or fatigue (above 0) within each arm.

    fields   participant, arm, position (1, 2, ... within reader and arm), reference_cells, `value`
    """
    found = []
    for arm, rows in fields.groupby("arm", sort=True):
        if rows["participant"].nunique() < 2 or rows["position"].nunique() < 2:
            continue
        rows = rows.assign(y=np.log(rows[value] / rows["reference_cells"]))
        fit = smf.ols("y ~ position + C(participant)", rows).fit(
            cov_type="cluster", cov_kwds={"groups": pd.factorize(rows["participant"])[0]}, use_t=True
        )
        low, high = fit.conf_int(alpha=1 - confidence).loc["position"]
        change, least, most = (100 * (float(np.exp(x)) - 1) for x in (fit.params["position"], low, high))
        found.append(Trend(str(arm), change, least, most, len(rows)))
    return found


@dataclass(frozen=True)
class CarryOver:
    """Grizzle's test on the readers' sums over both arms: has little power and is shown, never acted on."""

    p: float
    difference: float


def carry_over(rates: pd.DataFrame, *, reference: str, arm: str) -> CarryOver | None:
    """rates: see estimands.rates; None unless there are exactly two sequences of two readers or more."""
    wide = rates.pivot(index=["participant", "sequence"], columns="arm", values="rate")[[reference, arm]].dropna()
    groups = [rows.sum(axis=1).to_numpy(np.float64) for _, rows in wide.groupby(level="sequence", sort=True)]
    if len(groups) != 2 or min(map(len, groups)) < 2:
        return None
    return CarryOver(float(stats.ttest_ind(*groups).pvalue), float(groups[1].mean() - groups[0].mean()))
