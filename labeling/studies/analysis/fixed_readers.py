"""These readers, not readers in general: a comparison whose unit is the field, for studies too small for readers.

Each field was read in both arms, by different readers, so its difference, arm minus reference, is free of how hard the
field is. Over the periods every reader stands once on each side, so readers and periods cancel in the mean of the
periods' means. What the fields of a period differ by gives the spread. Nothing here speaks of other readers.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from labeling.studies.analysis.moments import Floats
from labeling.studies.analysis.results import NotEstimated

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}


@dataclass(frozen=True)
class FixedReaders:
    """estimate: mean difference over fields, arm minus reference, with its interval by t; p: of "no difference"."""

    title: str
    readers: int
    fields: int
    estimate: float
    low: float
    high: float
    p: float
    df: int


def title(readers: int) -> str:
    return f"These {NUMBERS.get(readers, readers)} readers, not readers in general"


def differences(fields: pd.DataFrame, value: str, *, reference: str, arm: str) -> pd.DataFrame:
    """period, difference: of every field that all readers of both arms finished, each arm's readers averaged.

    fields   participant, period, arm, field and the column `value`, one row a reading
    """
    of_arm = fields.groupby(["period", "arm"])["participant"]
    readers = of_arm.nunique().rename("readers").reset_index()
    of_field = fields.groupby(["period", "field", "arm"])[value]
    readings = of_field.agg(["mean", "size"]).reset_index()
    readings = readings.merge(readers, on=["period", "arm"])
    complete = readings[readings["size"] == readings["readers"]]
    by_field = complete.pivot(index=["period", "field"], columns="arm", values="mean")
    both = by_field.reindex(columns=[reference, arm]).dropna()
    difference = both[arm] - both[reference]
    found = difference.rename("difference").reset_index()
    return found[["period", "difference"]]


def compare_fields(
    fields: pd.DataFrame, value: str, *, reference: str, arm: str, kind: str, confidence: float = 0.95
) -> FixedReaders | NotEstimated:
    """Mean difference of `value` between two arms of a design within readers; see `differences` for the columns."""
    if kind not in ("crossover", "williams"):
        return NotEstimated(
            "reader and arm are one in this design, so these readers cannot be compared with themselves"
        )
    rows = fields[fields["arm"].isin([reference, arm])]
    if reason := _unbalanced(rows, arm):
        return NotEstimated(reason)
    found = differences(rows, value, reference=reference, arm=arm)
    by_period = found.groupby("period")["difference"]
    values = [group.to_numpy(np.float64) for _, group in by_period]
    periods = rows["period"].nunique()
    if len(values) < periods or len(found) <= periods:
        return NotEstimated("too few fields were read in both arms: each period needs one, and one of them two")
    mean, error, df = stratified(values)
    if not error > 1e-12:
        return NotEstimated("the fields do not differ at all, so there is no spread to test with")
    reach = float(stats.t.ppf((1 + confidence) / 2, df)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, df))
    readers = int(rows["participant"].nunique())
    return FixedReaders(
        title=title(readers),
        readers=readers,
        fields=len(found),
        estimate=mean,
        low=mean - reach,
        high=mean + reach,
        p=p,
        df=df,
    )


def _unbalanced(rows: pd.DataFrame, arm: str) -> str | None:
    """Why the readers' own speed does not cancel; None where it does."""
    places = rows.drop_duplicates(["participant", "arm", "period"])
    readers_of_arm = places.groupby(["period", "arm"])["participant"].transform("size")
    side = np.where(places["arm"] == arm, 1.0, -1.0)
    weight = side / readers_of_arm
    standing = weight.groupby(places["participant"]).sum()
    if (standing.abs() > 1e-9).any():
        return "the readers do not stand equally often on both sides, so their own speed does not cancel"
    return None


def stratified(values: list[Floats]) -> tuple[float, float, int]:
    """-> the mean of the strata's means, its standard error by the pooled variance, its degrees of freedom."""
    df = sum(len(one) - 1 for one in values)
    means = [one.mean() for one in values]
    squares = [((one - mean) ** 2).sum() for one, mean in zip(values, means, strict=True)]
    pooled = float(sum(squares)) / df
    reciprocals = sum(1 / len(one) for one in values)
    variance = pooled * reciprocals / len(values) ** 2
    return float(np.mean(means)), float(np.sqrt(variance)), df
