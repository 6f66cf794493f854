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
    them. Raises ValueError where the report has no crossed model.
    """
    found = numbers["mixed"][0]["seconds"]
    if reason := not_computed(found):
        raise ValueError(reason)
    read = {row["field"] for row in numbers["fields"] if row["counts"]}
    fields = len(read)
    levels = {
        "reader": (found["reader"], found["readers"]),
        "slope": (found["slope"], found["readers"]),
        "field": (found["field"], fields),
        "field_slope": (found["field_slope"], fields),
        "residual": (found["residual"], _left(found, fields)),
    }
    spreads: dict[str, float] = {}
    for name, (variance, count) in levels.items():
        if variance and count > 1:
            limit = upper(variance, count - 1)
            spreads[name] = round(limit, DIGITS)
    return spreads


def _left(found: MixedNumbers, fields: int) -> int:
    """Readings less what readers and fields have taken, two arms each."""
    return found["fields"] - 2 * found["readers"] - fields


def upper(variance: float, df: int) -> float:
    """The standard deviation below which the true one lies in 80 of 100 pilots: variance * df is chi squared."""
    quantile = float(stats.chi2.ppf(1 - CERTAINTY, df))
    return math.sqrt(variance * df / quantile)
