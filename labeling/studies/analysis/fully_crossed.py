"""Fully crossed data, every reader reads every field in every arm: the analysis of Dorfman, Berbaum and Metz.

Readers and fields are random. With a figure of merit that is a mean over fields the pseudovalues are the values of the
fields themselves, and the method of Obuchowski and Rockette with covariances by the jackknife gives the same F (Hillis
et al., Statistics in Medicine 24, 2005). Degrees of freedom: Hillis, Statistics in Medicine 26 (2007).

No design of this app is fully crossed, because a reader who has seen a field remembers it. The report then gives the
reason, and the crossed model (mixed.py) stands in its place.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from labeling.studies.analysis.reml import Floats
from labeling.studies.analysis.results import NotEstimated

NOT_CROSSED = NotEstimated(
    "the data are not fully crossed: by design nobody reads a field in two arms, so the crossed model above stands in "
    "place of the analysis by Obuchowski, Rockette, Dorfman, Berbaum and Metz"
)


@dataclass(frozen=True)
class FullyCrossed:
    """Arm minus reference of the mean over readers and fields, with interval and test by t (F with 1 and df).

    ms_*   mean squares: arm by reader, arm by field, and arm by reader by field
    """

    difference: float
    low: float
    high: float
    df: float
    p: float
    ms_reader: float
    ms_field: float
    ms_both: float
    readers: int
    fields: int


def fully_crossed(
    rows: pd.DataFrame, values: Floats, *, reference: str, arm: str, confidence: float = 0.95
) -> FullyCrossed | NotEstimated:
    """rows: participant, arm, field; values: (n,) the figure of merit of each row. Other arms are left out."""
    table = rows[["participant", "arm", "field"]].assign(value=values)
    table = table[table["arm"].isin([reference, arm])]
    if table.duplicated(["participant", "arm", "field"]).any():
        return NotEstimated("somebody read a field twice in one arm")
    wide = table.pivot(index="participant", columns=["arm", "field"], values="value")
    fields = sorted(table["field"].unique())
    readers = len(wide)
    if len(table) != 2 * readers * len(fields):
        return NOT_CROSSED
    if min(readers, len(fields)) < 2:
        return NotEstimated("fully crossed data need at least two readers and two fields")
    ours = wide[arm][fields].to_numpy(np.float64)
    theirs = wide[reference][fields].to_numpy(np.float64)
    return _tested(ours - theirs, confidence)


def _tested(d: Floats, confidence: float) -> FullyCrossed | NotEstimated:
    """d: (readers, fields) arm minus reference.

    With two arms the interactions with the arm are those of the differences, at half their variance.
    """
    readers, fields = d.shape
    mean = float(d.mean())
    of_reader = d.mean(axis=1)
    of_field = d.mean(axis=0)
    ms_reader = fields * float(((of_reader - mean) ** 2).sum()) / (readers - 1) / 2
    ms_field = readers * float(((of_field - mean) ** 2).sum()) / (fields - 1) / 2
    left = d - of_reader[:, None] - of_field[None, :] + mean
    ms_both = float((left**2).sum()) / ((readers - 1) * (fields - 1)) / 2
    denominator = ms_reader + max(ms_field - ms_both, 0.0)
    if not ms_reader > 0:
        return NotEstimated("the readers do not differ at all in the effect of the arm, so there is no spread")
    df = denominator**2 / (ms_reader**2 / (readers - 1))
    error = float(np.sqrt(2 * denominator / (readers * fields)))
    reach = float(stats.t.ppf(0.5 + confidence / 2, df)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, df))
    return FullyCrossed(mean, mean - reach, mean + reach, df, p, ms_reader, ms_field, ms_both, readers, fields)
