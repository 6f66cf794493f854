"""How far two readings agree: of one reader with himself, and between readers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm


@dataclass(frozen=True)
class BlandAltman:
    """Mean difference (second minus first) and its interval by t, and the limits that hold 95 % of differences."""

    n: int
    bias: float
    bias_low: float
    bias_high: float
    low: float
    high: float


def bland_altman(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> BlandAltman:
    d = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    if len(d) < 2:
        raise ValueError("agreement needs at least two pairs")
    bias_low, bias_high = stats.t.interval(confidence, len(d) - 1, loc=d.mean(), scale=stats.sem(d))
    low, high = stats.norm.interval(confidence, loc=d.mean(), scale=d.std(ddof=1))
    return BlandAltman(len(d), float(d.mean()), float(bias_low), float(bias_high), float(low), float(high))


def icc(table: pd.DataFrame) -> float:
    """ICC(A,1): absolute agreement of single readings, two-way random (McGraw and Wong 1996), from the mean squares.

    table   subjects in rows, readings in columns, no gaps, at least 2 x 2
    """
    n, k = table.shape
    if n < 2 or k < 2 or table.isna().any().any():
        raise ValueError("the intraclass correlation needs a full table of at least two subjects and two readings")
    long = pd.DataFrame(
        {
            "y": table.to_numpy(np.float64).ravel(),
            "subject": np.repeat(np.arange(n), k),
            "reading": np.tile(np.arange(k), n),
        }
    )
    squares = anova_lm(smf.ols("y ~ C(subject) + C(reading)", long).fit())
    rows, columns, error = (squares.loc[name, "mean_sq"] for name in ("C(subject)", "C(reading)", "Residual"))
    return float((rows - error) / (rows + (k - 1) * error + k * (columns - error) / n))
