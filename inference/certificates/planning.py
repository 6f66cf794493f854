"""How many cells are judged before a lot may pass, and how likely it is to pass.

A group (a class, perhaps of one centre) has a claim of its own. The confidence is that of the whole certificate: alpha
is divided among the groups, and one fifth of it is kept for the catch rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from inference.certificates.evidence import Floats, boundary

MOST_SAMPLE = 2000  # cells of a group that a plan asks a person to judge
FOR_CATCH_RATE = 0.2  # of alpha
FIRST_ATTEMPT = 0.8  # of alpha; each further attempt has one fifth of the one before it
SHOWN_ERRORS = (0.01, 0.02, 0.03, 0.04)
WANTED_CHANCE = 0.9  # of passing, where the true share of errors is a fifth of the tolerated one


@dataclass(frozen=True)
class Claim:
    """What is to be shown: at most `tolerated` of the cells are wrong, at a confidence of 1 - alpha."""

    tolerated: float = 0.05
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.tolerated < 1 or not 0 < self.alpha < 1:
            raise ValueError("the tolerated share and alpha are between 0 and 1")


@dataclass(frozen=True)
class Shares:
    """The parts of alpha in one attempt: for the errors of each group, and for the catch rate."""

    errors: float
    catching: float


@dataclass(frozen=True)
class GroupPlan:
    """sample: cells to judge, 0 where the group is too small to be certified. chances: of passing at SHOWN_ERRORS."""

    cells: int
    sample: int
    chances: tuple[float, ...]


def alpha_of_attempt(alpha: float, attempt: int) -> float:
    """The part of alpha that an attempt has; attempts are counted from 1. All of them together have alpha."""
    if attempt < 1:
        raise ValueError("attempts are counted from 1")
    return float(alpha * FIRST_ATTEMPT * (1 - FIRST_ATTEMPT) ** (attempt - 1))


def shares_of(alpha: float, attempt: int, groups: int) -> Shares:
    """How the alpha of an attempt is divided among `groups` claims and the catch rate."""
    here = alpha_of_attempt(alpha, attempt)
    return Shares(errors=here * (1 - FOR_CATCH_RATE) / groups, catching=here * FOR_CATCH_RATE)


def least_bad(cells: int, tolerated: float) -> int:
    """The least number of wrong cells that is more than tolerated."""
    return floor(tolerated * cells + 1e-9) + 1


def chances_by_sample(cells: int, sample: int, tolerated: float, alpha: float, true_share: float) -> Floats:
    """(sample + 1,): the chance that a lot has passed by the n-th cell, looking after every cell.

    The lot has round(true_share * cells) wrong cells; strata that are alike change nothing.
    """
    wrong = round(true_share * cells)
    enough = boundary(cells, sample, least_bad(cells, tolerated), alpha, tolerated)
    most = max(int(enough.max()), 0) + 1
    found = np.arange(most + 1)
    at = np.zeros(most + 1)  # probability of so many wrong cells without having passed; the last entry: more
    at[0] = 1.0
    passed = np.zeros(sample + 1)
    for n in range(1, sample + 1):
        step = np.clip((wrong - found) / (cells - n + 1), 0, 1) * at
        at = at - step
        at[1:] += step[:-1]
        at[-1] += step[-1]
        done = found <= enough[n]
        passed[n] = at[done].sum()
        at[done] = 0
    return np.minimum(np.cumsum(passed), 1.0)


def left_out(cells: int) -> GroupPlan:
    """The plan of a group that is not certified."""
    return GroupPlan(cells, 0, (0.0,) * len(SHOWN_ERRORS))


def plan_group(cells: int, claim: Claim, alpha: float, catch_limit: float) -> GroupPlan:
    """The smallest sample with the wanted chance of passing where a fifth of the tolerated share is wrong. A group of
    which more than half would be judged has no sample: whoever judges it whole needs no certificate.

    alpha        of the errors of this group (shares_of)
    catch_limit  lower limit of the catch rate if every planted error is caught
    """
    tolerated = claim.tolerated * catch_limit
    most = min(cells // 2, MOST_SAMPLE)
    if most < 1:
        return left_out(cells)
    passed = chances_by_sample(cells, most, tolerated, alpha, claim.tolerated / 5)
    reached = np.flatnonzero(passed >= WANTED_CHANCE)
    if not len(reached):
        return left_out(cells)
    sample = int(reached[0])
    chances = []
    for share in SHOWN_ERRORS:
        by_cell = chances_by_sample(cells, sample, tolerated, alpha, share)
        chances.append(float(by_cell[-1]))
    return GroupPlan(cells, sample, tuple(chances))


def allot(cells: Sequence[int], sample: int) -> list[int]:
    """How many of `sample` cells come from each stratum, in proportion to its cells, by largest remainders."""
    total = sum(cells)
    exact = [sample * count / total for count in cells]
    given = [floor(share) for share in exact]
    by_remainder = sorted(range(len(cells)), key=lambda stratum: given[stratum] - exact[stratum])
    for stratum in by_remainder[: sample - sum(given)]:
        given[stratum] += 1
    return given
