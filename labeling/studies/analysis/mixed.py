"""A mixed model of single fields, beside the inference on readers: a description, never the test that decides."""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning

Fit = Literal["regular", "singular", "not converged"]
ZERO = 1e-4  # a variance below this share of the residual's is on the boundary


@dataclass(frozen=True)
class Mixed:
    """ratio of geometric means of the arms, interval by t with readers - 1; variance components on the log scale.

    `slope` is the variance of the readers' own arm effects: a model without it takes readers for alike and rejects far
    too often. With it the interval still holds the truth too rarely at few readers (docs/benchmarks/studies.md).

    fit      regular: all components are above 0. singular: those in `at_zero` are estimated as 0, at the boundary of
             what a variance can be; the other figures are those of the model without them. not converged: do not read
             the figures
    """

    ratio: float
    low: float
    high: float
    reader: float
    slope: float
    field: float
    residual: float
    fit: Fit
    at_zero: tuple[str, ...]
    fields: int
    readers: int


def fit(fields: pd.DataFrame, *, reference: str, arm: str, confidence: float = 0.95, value: str = "active_s") -> Mixed:
    """Arm, period and sequence fixed; reader, reader by arm and field random (crossed), on the log of time per cell.

    fields   participant, sequence, period, arm, field, reference_cells, `value`; times above 0

    A component that is estimated as 0 is taken out and the model fitted again: on the boundary the optimiser's own
    verdict says nothing, without the component it does. Raises ValueError for fewer than two readers.
    """
    rows = fields[fields["arm"].isin([reference, arm])].copy()
    readers = int(rows["participant"].nunique())
    if readers < 2:
        raise ValueError("a mixed model needs at least two readers")
    rows["y"] = np.log(rows[value] / rows["reference_cells"])
    rows["x"] = np.where(rows["arm"] == arm, 0.5, -0.5)
    formula = " + ".join(["y ~ x", *(f"C({name})" for name in ("period", "sequence") if rows[name].nunique() > 1)])
    components = _components(rows)
    at_zero: list[str] = []
    while True:
        found, variances, sound = _fitted(formula, rows, components)
        zero = [name for name, variance in variances.items() if variance < ZERO * found.scale]
        if not zero:
            break
        at_zero += zero
        components = {name: text for name, text in components.items() if name not in zero}
    # Wald's interval by the normal takes the readers' variance for known, which few readers cannot give.
    low, high = stats.t.interval(confidence, readers - 1, loc=found.params["x"], scale=found.bse["x"])
    return Mixed(
        ratio=float(np.exp(found.params["x"])),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        reader=variances.get("reader", 0.0),
        slope=variances.get("slope", 0.0),
        field=variances.get("field", 0.0),
        residual=float(found.scale),
        fit="not converged" if not sound else "singular" if at_zero else "regular",
        at_zero=tuple(sorted(at_zero)),
        fields=len(rows),
        readers=readers,
    )


def _components(rows: pd.DataFrame) -> dict[str, str]:
    """The random effects that these rows can tell apart."""
    found = {"reader": "0 + C(participant)"}
    if (rows.groupby("participant")["arm"].nunique() > 1).any():
        found["slope"] = "0 + C(participant):x"
    if rows["field"].nunique() < len(rows):  # a field that everybody saw once cannot be told from noise
        found["field"] = "0 + C(field)"
    return found


def _fitted(formula: str, rows: pd.DataFrame, components: dict[str, str]) -> tuple[Any, dict[str, float], bool]:
    """-> the fit, its variance components, and whether the optimiser ended at a maximum.

    Two optimisers, and the better of their answers: L-BFGS alone stops short of a maximum at 0. statsmodels' warning
    "may be on the boundary" comes for every variance below 0.01, so what is at 0 is judged by the caller.
    """
    if not components:
        return smf.ols(formula, rows).fit(), {}, True
    groups = np.ones(len(rows))
    model = smf.mixedlm(formula, rows, groups=groups, re_formula="0", vc_formula=components)
    found = max((_optimised(model, method) for method in ("powell", "lbfgs")), key=lambda one: one[0].llf)
    fitted, failed = found
    variances = {name: float(value) for name, value in zip(model.exog_vc.names, fitted.vcomp, strict=True)}
    return fitted, variances, bool(fitted.converged) and not failed


def _optimised(model: Any, method: str) -> tuple[Any, bool]:
    """-> the fit, and whether the optimiser says that it failed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = model.fit(reml=True, method=[method])
    texts = [str(warning.message) for warning in caught if issubclass(warning.category, ConvergenceWarning)]
    return fitted, any("boundary" not in text for text in texts)
