"""How far two readings agree: of one reader with himself, and between readers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

from labeling.studies.analysis.results import NotEstimated


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
    """Of the differences second - first, as many values in both. Raises ValueError for fewer than two pairs."""
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


@dataclass(frozen=True)
class Agreement:
    """ICC of seconds per cell of the readers of one sequence in one arm, over the fields that all of them finished."""

    sequence: str
    icc: float
    fields: int
    readers: int


def between_readers(rows: pd.DataFrame) -> list[Agreement | NotEstimated]:
    """One entry a sequence, for one arm. rows: participant, sequence, field, active_s, reference_cells.

    Everybody of a sequence reads the same set of fields in an arm, those of another sequence another set: in a
    crossover two readers of different sequences have no field of one arm in common. So readers are compared within
    their sequence, and a sequence of one reader has nobody to agree with.
    """
    found: list[Agreement | NotEstimated] = []
    rows = rows.assign(y=rows["active_s"] / rows["reference_cells"])
    for sequence, group in rows.groupby("sequence", sort=True):
        table = group.pivot_table(index="field", columns="participant", values="y").dropna()
        if table.shape[1] < 2:
            reason = "one reader alone in this arm and set of fields has nobody to agree with"
        elif table.shape[0] < 2:
            reason = "fewer than two fields were finished by all readers"
        else:
            found.append(Agreement(str(sequence), icc(table), len(table), table.shape[1]))
            continue
        found.append(NotEstimated(f"sequence {sequence}: {reason}"))
    return found
