"""Components of variance from a pilot, as a power analysis takes them: not the estimates, which few readers make too
small as often as too large, but their upper 80 % limits (Browne, Statistics in Medicine 14, 1995)."""

import math

from scipy import stats

from labeling.studies.figures import not_computed
from labeling.studies.protocol.documents import MixedNumbers, Numbers

CERTAINTY = 0.8
DIGITS = 3


def spreads_of(numbers: Numbers) -> dict[str, float]:
    """Standard deviations of log seconds per cell (power.Components) of the first comparison of a report.

    A component that the pilot estimated as 0, or could not tell apart, is left out: it has no limit, and somebody has
    to state it. The readers' and the fields' variances hold a quarter of their arm effects' as well, which is left in
    them. Degrees of freedom are the levels less what the fixed effects take of them: of the readers a mean for each
    sequence, of their arm effects and of the fields one for each period. Raises ValueError where the report has no
    crossed model that may be read.
    """
    found = numbers["mixed"][0]["seconds"]
    if reason := not_computed(found):
        raise ValueError(reason)
    if found["fit"] == "not converged":
        raise ValueError("the crossed model of the pilot did not converge, so its variances must not be read")
    compared = numbers["plan"]["reference"], numbers["plan"]["others"][0]
    rows = [row for row in numbers["fields"] if row["counts"] and row["arm"] in compared]
    fields = len({row["field"] for row in rows})
    sequences = len({row["sequence"] for row in rows})
    periods = len({row["period"] for row in rows})
    freedom = {
        "reader": (found["reader"], found["readers"] - sequences),
        "slope": (found["slope"], found["readers"] - periods),
        "field": (found["field"], fields - periods),
        "field_slope": (found["field_slope"], fields - periods),
        "residual": (found["residual"], _left(found, fields)),
    }
    spreads: dict[str, float] = {}
    for name, (variance, df) in freedom.items():
        if variance and df > 0:
            limit = upper(variance, df)
            spreads[name] = round(limit, DIGITS)
    return spreads


def _left(found: MixedNumbers, fields: int) -> int:
    """Readings less what readers and fields have taken, two arms each."""
    return found["fields"] - 2 * found["readers"] - fields


def upper(variance: float, df: int) -> float:
    """The standard deviation below which the true one lies in 80 of 100 pilots: variance * df is chi squared."""
    quantile = float(stats.chi2.ppf(1 - CERTAINTY, df))
    return math.sqrt(variance * df / quantile)
