"""How many cells are judged before a lot may pass, and how likely it is to pass.

A group (a class, perhaps of one centre) has a claim of its own. The confidence is that of the whole certificate: alpha
is divided among the groups, and one fifth of it is kept for the catch rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
import numpy.typing as npt

from inference.certificates.evidence import Evidence, Floats, Stratum, boundary

Ints = npt.NDArray[np.int64]
MOST_SAMPLE = 2000  # cells of a group that a plan asks a person to judge
FOR_CATCH_RATE = 0.2  # of alpha
FIRST_ATTEMPT = 0.8  # of alpha; each further attempt has one fifth of the one before it
SHOWN_ERRORS = (0.01, 0.02, 0.03, 0.04)
WANTED_CHANCE = 0.9  # of passing, where the true share of errors is a fifth of the tolerated one
STEP = 10  # verdicts between two looks
STRATIFIED_FROM = 2000  # cells of a group; a smaller one is one stratum, since strata cost cells that it has not
SIMULATED_LOTS, SIMULATED_CELLS, SEED = 400, 5000, 5  # of the chances of a lot in strata


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

    The lot has round(true_share * cells) wrong cells, and no strata (StratifiedTest for one that has).
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


def plan_group(
    cells: int, claim: Claim, alpha: float, catch_limit: float, strata: Sequence[int] | None = None
) -> GroupPlan:
    """The smallest sample with the wanted chance of passing where a fifth of the tolerated share is wrong. A group of
    which more than half would be judged has no sample: whoever judges it whole needs no certificate.

    alpha        of the errors of this group (shares_of)
    catch_limit  lower limit of the catch rate if every planted error is caught
    strata       cells of each stratum; None for one of all cells
    """
    tolerated = claim.tolerated * catch_limit
    most = min(cells // 2, MOST_SAMPLE)
    if most < 1:
        return left_out(cells)
    if strata is not None and len(strata) > 1:
        return _plan_in_strata(cells, StratifiedTest(strata, tolerated, alpha), claim.tolerated / 5, most)
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


def _plan_in_strata(cells: int, test: "StratifiedTest", true_share: float, most: int) -> GroupPlan:
    """As plan_group: the same search with the test of several strata."""
    passed = test.chances(true_share, most)
    reached = np.flatnonzero(passed >= WANTED_CHANCE)
    if not len(reached):
        return left_out(cells)
    sample = STEP * int(reached[0])
    return GroupPlan(cells, sample, tuple(float(test.chances(share, sample)[-1]) for share in SHOWN_ERRORS))


class StratifiedTest:
    """How likely a lot in strata passes, by simulated lots whose wrong cells lie anywhere.

    The evidence counts the worst division of the wrong cells among the strata, so a lot passes less often than one
    without strata: with six strata and the sample planned for one, in 63 % instead of 91 %. Simulated are equal
    strata, as many as say as much as the unequal ones (the exponential of their entropy), of SIMULATED_CELLS at most:
    so the evidence of the same counts is computed once, in whatever strata they were found.
    """

    def __init__(self, strata: Sequence[int], tolerated: float, alpha: float) -> None:
        """strata: cells of each. tolerated: divided by the limit of the catch rate."""
        shares = np.array([count for count in strata if count]) / sum(strata)
        number = max(1, round(float(np.exp(-(shares * np.log(shares)).sum()))))
        self.stratum = max(1, min(sum(strata), SIMULATED_CELLS) // number)
        self.strata = [self.stratum] * number
        self.cells = self.stratum * number
        self.tolerated, self.alpha = tolerated, alpha
        self.wrong = least_bad(self.cells, tolerated)
        self.known: dict[tuple[int, tuple[int, ...]], bool] = {}
        self.most = min(MOST_SAMPLE, self.cells)
        # Without strata the evidence is the mean over all divisions, so never less: what fails there fails here.
        self.enough_without = boundary(self.cells, self.most, self.wrong, alpha, tolerated)

    def chances(self, true_share: float, most: int) -> Floats:
        """(most // STEP + 1,): the chance that a lot has passed by the look after so many times STEP cells."""
        generator = np.random.default_rng(SEED)
        wrong = generator.multivariate_hypergeometric(self.strata, round(true_share * self.cells), SIMULATED_LOTS)
        ranks = self._ranks(wrong, generator)
        passed = np.zeros(SIMULATED_LOTS, bool)
        found = [0.0]
        for sample in range(STEP, min(most, self.most) + 1, STEP):
            judged = allot(self.strata, sample)
            counts = (ranks < np.array(judged)[:, None]).sum(axis=2)
            for lot in np.flatnonzero(~passed & (counts.sum(axis=1) <= self.enough_without[sample])).tolist():
                passed[lot] = self._passes(judged, counts[lot])
            found.append(float(passed.mean()))
            if found[-1] == 1:
                break
        missing = most // STEP + 1 - len(found)
        return np.array(found + [found[-1]] * missing)

    def _ranks(self, wrong: Ints, generator: np.random.Generator) -> Ints:
        """(lots, strata, most wrong ones): when each wrong cell is drawn in its stratum; beyond all cells for none.

        wrong  (lots, strata)
        """
        ranks = np.full((*wrong.shape, max(1, int(wrong.max(initial=0)))), self.stratum)
        for place in np.ndindex(wrong.shape):
            count = int(wrong[place])
            ranks[place][:count] = generator.choice(self.stratum, count, replace=False)
        return ranks

    def _passes(self, judged: Sequence[int], wrong: Ints) -> bool:
        key = (sum(judged), tuple(sorted(wrong.tolist())))
        if key not in self.known:
            counts = zip(self.strata, judged, wrong.tolist(), strict=True)
            evidence = Evidence([Stratum(cells, seen, bad) for cells, seen, bad in counts], self.tolerated)
            self.known[key] = evidence.against(self.wrong) >= -np.log(self.alpha)
        return self.known[key]


def allot(cells: Sequence[int], sample: int) -> list[int]:
    """How many of `sample` cells come from each stratum, in proportion to its cells, by largest remainders."""
    total = sum(cells)
    exact = [sample * count / total for count in cells]
    given = [floor(share) for share in exact]
    by_remainder = sorted(range(len(cells)), key=lambda stratum: given[stratum] - exact[stratum])
    for stratum in by_remainder[: sample - sum(given)]:
        given[stratum] += 1
    return given
