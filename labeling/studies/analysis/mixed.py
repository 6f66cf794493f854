"""A mixed model of single fields, beside the inference on readers: never the test that decides."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning


@dataclass(frozen=True)
class Mixed:
    """ratio of geometric means of the arms, interval by t with readers - 1; variance components on the log scale.

    `slope` is the variance of the readers' own arm effects: a model without it takes readers for alike and rejects far
    too often. `converged` False: do not read the figures.
    """

    ratio: float
    low: float
    high: float
    reader: float
    slope: float
    field: float
    residual: float
    converged: bool
    fields: int
    readers: int


def fit(fields: pd.DataFrame, *, reference: str, arm: str, confidence: float = 0.95, value: str = "active_s") -> Mixed:
    """Arm, period and sequence fixed; reader, reader by arm and field random (crossed), on the log of time per cell.

    fields   participant, sequence, period, arm, field, reference_cells, `value`; times above 0
    """
    rows = fields[fields["arm"].isin([reference, arm])].copy()
    rows["y"] = np.log(rows[value] / rows["reference_cells"])
    rows["x"] = np.where(rows["arm"] == arm, 0.5, -0.5)
    terms = ["x"] + [f"C({name})" for name in ("period", "sequence") if rows[name].nunique() > 1]
    components = {"reader": "0 + C(participant)", "slope": "0 + C(participant):x"}
    if rows["field"].nunique() < len(rows):  # a field that everybody saw once cannot be told from noise
        components["field"] = "0 + C(field)"
    model = smf.mixedlm(
        "y ~ " + " + ".join(terms), rows, groups=np.ones(len(rows)), re_formula="0", vc_formula=components
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = model.fit(reml=True, method=["lbfgs", "powell"])
    readers = int(rows["participant"].nunique())
    # Wald's interval by the normal takes the readers' variance for known, which few readers cannot give.
    low, high = stats.t.interval(confidence, max(1, readers - 1), loc=found.params["x"], scale=found.bse["x"])
    variances = dict(zip(model.exog_vc.names, found.vcomp, strict=True))
    return Mixed(
        ratio=float(np.exp(found.params["x"])),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        reader=float(variances["reader"]),
        slope=float(variances["slope"]),
        field=float(variances.get("field", 0.0)),
        residual=float(found.scale),
        fields=len(rows),
        readers=readers,
        converged=bool(found.converged) and not any(issubclass(w.category, ConvergenceWarning) for w in said),
    )
