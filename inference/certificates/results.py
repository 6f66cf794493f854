"""What the verdicts on a sample prove about each group of a lot."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from inference.certificates.evidence import Evidence, Stratum
from inference.certificates.planning import Claim, GroupPlan, Shares
from inference.certificates.planted import catch_rate_limit


class Outcome(StrEnum):
    """passed: the claim is shown. open: more verdicts may show it. failed: the whole sample is judged and does not
    show it. left_out: the plan asks for no sample of the group."""

    PASSED = "passed"
    OPEN = "open"
    FAILED = "failed"
    LEFT_OUT = "left_out"


@dataclass(frozen=True)
class Catching:
    """caught of the planted errors judged so far; limit: lower confidence limit of the catch rate."""

    planted: int
    caught: int
    limit: float


@dataclass(frozen=True)
class GroupResult:
    """limit: upper confidence limit of the share of wrong cells, divided by the limit of the catch rate; at most 1."""

    judged: int
    wrong: int
    limit: float
    outcome: Outcome


def catching_of(caught: int, planted: int, shares: Shares) -> Catching:
    return Catching(planted, caught, catch_rate_limit(caught, planted, shares.catching))


def group_result(
    strata: Sequence[Stratum], planned: GroupPlan, catching: Catching, claim: Claim, shares: Shares
) -> GroupResult:
    """What is shown about a group so far. A cell that cannot be told counts among the wrong ones.

    planned  the sample that was planned; cells that cannot be judged any more make the group fail
    """
    judged = sum(stratum.judged for stratum in strata)
    wrong = sum(stratum.wrong for stratum in strata)
    if planned.sample == 0:
        return GroupResult(judged, wrong, 1.0, Outcome.LEFT_OUT)
    cells = sum(stratum.cells for stratum in strata)
    bound = Evidence(strata, claim.tolerated).most_wrong(shares.errors) / cells
    limit = min(1.0, bound / catching.limit) if catching.limit > 0 else 1.0
    if limit <= claim.tolerated + 1e-12:
        outcome = Outcome.PASSED
    else:
        outcome = Outcome.OPEN if judged < planned.sample else Outcome.FAILED
    return GroupResult(judged, wrong, limit, outcome)
