"""What the verdicts on the sample of a lot prove so far, and what its certificate says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from inference.certificates.evidence import Stratum
from inference.certificates.planning import Claim, GroupPlan, Shares, shares_of
from inference.certificates.results import Catching, GroupResult, Outcome, catching_of, group_result
from labeling.reviews.certificates.missed import Missed, missed_of
from labeling.reviews.certificates.models import Lot, LotCell

RIGHT = LotCell.Verdict.RIGHT
NOT_CERTIFIED = "not certified"
STEP = 10  # verdicts


@dataclass(frozen=True)
class Results:
    """groups: in the order of Lot.groups. judged, total: cells of the sample, planted errors among them, and judged
    ones that do not count yet."""

    groups: list[GroupResult]
    catching: Catching
    judged: int
    total: int

    @property
    def passed(self) -> list[int]:
        """The indices of the groups whose claim is shown."""
        return [index for index, one in enumerate(self.groups) if one.outcome == Outcome.PASSED]

    @property
    def is_complete(self) -> bool:
        return self.judged == self.total


def claim_of(lot: Lot) -> Claim:
    return Claim(lot.tolerated, lot.alpha)


def shares_of_lot(lot: Lot) -> Shares:
    """The claim about missed cells has as large a part of alpha as that about a class."""
    claims = max(1, planned_groups(lot.groups)) + (1 if lot.fields_total else 0)
    return shares_of(lot.alpha, lot.attempt, claims)


def planned_groups(groups: Sequence[dict[str, object]]) -> int:
    """How many groups have a sample: alpha is divided among these."""
    return sum(group["sample"] != 0 for group in groups)


def counted(verdicts: Sequence[str]) -> int:
    """How many cells of a sample count for its result. verdicts: of all its cells in the order of judging, "" for none.

    Only those before the first cell without a verdict: a sample from which somebody skips what is hard is no random
    one. While cells are left, they count in steps of STEP and without the newest: a result that moved with each
    verdict would tell whether its cell was planted, while that verdict can still be changed.
    """
    judged = next((place for place, verdict in enumerate(verdicts) if not verdict), len(verdicts))
    if judged == len(verdicts):
        return judged
    steps = max(0, judged - 1) // STEP
    return steps * STEP


def counted_of(lot: Lot) -> int:
    return counted(list(lot.cells.order_by("position").values_list("verdict", flat=True)))


def results_of(lot: Lot) -> Results:
    """From the verdicts that count now. Every verdict that is not "right" counts as wrong."""
    rows = list(lot.cells.order_by("position").values_list("stratum", "planted", "verdict"))
    counting = counted([verdict for _stratum, _kind, verdict in rows])
    total_judged = sum(verdict != "" for _stratum, _kind, verdict in rows)
    shares = shares_of_lot(lot)
    judged: Counter[int] = Counter()
    wrong: Counter[int] = Counter()
    planted = caught = 0
    for stratum, kind, verdict in rows[:counting]:
        if kind:
            planted += 1
            caught += verdict != RIGHT
        elif stratum is not None:
            judged[stratum] += 1
            wrong[stratum] += verdict != RIGHT
    catching = catching_of(caught, planted, shares)
    groups = []
    for index, group in enumerate(lot.groups):
        strata = _strata_of(lot, index, judged, wrong)
        planned = GroupPlan(group["cells"], group["sample"], tuple(group["chances"]))
        groups.append(group_result(strata, planned, catching, claim_of(lot), shares))
    return Results(groups, catching, total_judged, len(rows))


def _strata_of(lot: Lot, group: int, judged: Counter[int], wrong: Counter[int]) -> list[Stratum]:
    found = []
    for number, stratum in enumerate(lot.strata):
        if stratum["group"] == group:
            found.append(Stratum(stratum["cells"], judged[number], wrong[number]))
    return found


def statement_of(lot: Lot, results: Results) -> dict[str, object]:
    """What the certificate says, as JSON. Missed cells are a claim of their own, which no sample of proposals shows."""
    missed = missed_of(lot, shares_of_lot(lot).errors)
    groups = []
    for group, result in zip(lot.groups, results.groups, strict=True):
        groups.append(
            {
                "class": group["name"],
                "centre": group["centre"],
                "cells": group["cells"],
                "judged": result.judged,
                "wrong": result.wrong,
                "limit": result.limit,
                "outcome": result.outcome.value,
            }
        )
    catching = results.catching
    return {
        "lot": lot.number,
        "sha256": lot.sha256,
        "meaning": lot.meaning,
        "tolerated": lot.tolerated,
        "confidence": 1 - lot.alpha,
        "attempt": lot.attempt,
        "planted": catching.planted,
        "caught": catching.caught,
        "catch_rate_limit": catching.limit,
        "groups": groups,
        "missed": missed_words(missed),
        "missed_fields": asdict(missed),
    }


def missed_words(missed: Missed) -> str:
    return NOT_CERTIFIED if missed.limit is None else f"at most {100 * missed.limit:.1f} %, averaged over fields"
