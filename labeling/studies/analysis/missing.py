"""What fields that were not finished could have changed: the declared analysis again under other assumptions.

The declared plan ("complete readers") analyses readers with a counted field in every arm and imputes nothing. The same
comparison is made again, as a description without a test:

finished        only readers who finished every field allocated to them
available       every reader with a counted field in both arms of the comparison, or in one of them in a parallel design
least favourable  unfinished fields imputed against the finding: those of the arm with the slowest field that anybody
                finished there, those of the reference with the fastest
"""

from dataclasses import dataclass

import pandas as pd

from labeling.studies.analysis.estimands import compare, rates
from labeling.studies.analysis.pairs import WITHIN
from labeling.studies.analysis.results import Interval, NotEstimated, attempt


@dataclass(frozen=True)
class Scenario:
    name: str
    readers: int
    ratio: float
    interval: Interval | NotEstimated


@dataclass(frozen=True)
class Missing:
    """unfinished: allocated, measured fields that do not count, with the reader of every one."""

    arm: str
    unfinished: int
    scenarios: list[Scenario | NotEstimated]


def complete_readers(fields: pd.DataFrame, arms: list[str], kind: str) -> list[str]:
    """Participants with a counted field in every arm they were allocated to: in a parallel design every one."""
    arms_of = fields[fields["arm"].isin(arms)].groupby("participant")["arm"].nunique()
    needed = len(arms) if kind in WITHIN else 1
    return sorted(arms_of[arms_of >= needed].index)


def sensitivity(
    unfinished: pd.DataFrame, kept: pd.DataFrame, *, reference: str, arm: str, kind: str, confidence: float
) -> Missing | NotEstimated:
    """The comparison under other assumptions on what is missing; NotEstimated when nothing is.

    unfinished   allocated, measured items that do not count: participant, sequence, period, arm, reference_cells
    kept         fields that count, of all readers: the same columns, and active_s
    """
    if not len(unfinished):
        return NotEstimated("every allocated field counts, so nothing is missing")

    def scenario(name: str, rows: pd.DataFrame) -> Scenario | NotEstimated:
        found = attempt(
            lambda: compare(rates(rows), reference=reference, arm=arm, kind=kind, confidence=confidence, resamples=1)
        )
        if isinstance(found, NotEstimated):
            return NotEstimated(f"{name}: {found.reason}")
        return Scenario(name, found.readers, found.ratio, found.interval)

    left_something = set(unfinished["participant"])
    finished = kept[~kept["participant"].isin(left_something)]
    pair = unfinished["arm"].isin([reference, arm])
    scenarios = [
        scenario("readers who finished every field", finished),
        scenario("every reader with a field in these arms", kept),
        scenario(
            "unfinished fields imputed against the finding", least_favourable(kept, unfinished[pair], reference, arm)
        ),
    ]
    return Missing(arm, len(unfinished), scenarios)


def least_favourable(kept: pd.DataFrame, unfinished: pd.DataFrame, reference: str, arm: str) -> pd.DataFrame:
    """The counted fields of both arms and the unfinished ones with imputed seconds."""
    own = kept[kept["arm"].isin([reference, arm])]
    per_cell = (own["active_s"] / own["reference_cells"]).groupby(own["arm"]).agg(["min", "max"])
    if missing := [name for name in (reference, arm) if name not in per_cell.index]:
        raise ValueError(f"no finished field of {' and '.join(missing)} counts yet")
    pace = {arm: per_cell.loc[arm, "max"], reference: per_cell.loc[reference, "min"]}
    columns = ["participant", "sequence", "period", "arm", "reference_cells"]
    imputed = unfinished[columns].assign(active_s=unfinished["arm"].map(pace) * unfinished["reference_cells"])
    return pd.concat([own[[*columns, "active_s"]], imputed], ignore_index=True)
