"""Permutation over the allocations that the design allows, and the bootstrap over readers: from when they are offered.

A permutation takes the readers' times as they are and asks how often another allocation of the readers to the sequences
would have given a difference as large. Only allocations that the design could have drawn count, and the sequences keep
their sizes. For two arms of a larger design only those count that exchange these two arms and leave the others alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb, prod

import numpy as np
import numpy.typing as npt

from labeling.studies.analysis.pairs import Pair
from labeling.studies.analysis.results import Interval, NotEstimated
from labeling.studies.protocol import design

Floats = npt.NDArray[np.float64]
ENUMERATED = 20_000  # allocations that are all tried; more are drawn
DRAWN = 9_999
# Readers from which the percentile interval held the truth as often as it says (docs/benchmarks/studies.md).
BOOTSTRAP_FROM = 30


@dataclass(frozen=True)
class Permutation:
    """Two-sided p on the difference of means; allocations: how many there are, drawn: how many were tried at random
    (0: all were tried). p_adjusted: for the family of comparisons (multiplicity.py)."""

    p: float
    allocations: int
    drawn: int
    p_adjusted: float | None = None


@dataclass(frozen=True)
class Group:
    """Readers who could have changed places: `first` of them got one half of an exchange, the rest the other.

    readers   their places in the study
    value     (n,) what each contributes if in the first half
    share     weight of a reader of the first half, and of the second
    """

    readers: npt.NDArray[np.int64]
    value: Floats
    first: npt.NDArray[np.bool_]
    share: tuple[float, float]

    @property
    def allocations(self) -> int:
        return comb(len(self.readers), int(self.first.sum()))

    def coefficients(self, first: npt.NDArray[np.bool_]) -> Floats:
        """(..., n) what the values are multiplied by when these are the first half."""
        return np.where(first, self.share[0], -self.share[1])

    def every(self) -> npt.NDArray[np.bool_]:
        """(allocations, n)"""
        n, size = len(self.readers), int(self.first.sum())
        found = np.zeros((self.allocations, n), bool)
        for row, chosen in enumerate(combinations(range(n), size)):
            found[row, list(chosen)] = True
        return found

    def some(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
        """(count, n)"""
        return rng.permuted(np.broadcast_to(self.first, (count, len(self.readers))), axis=1)


def permutation(pair: Pair, *, alpha: float, seed: int) -> Permutation | NotEstimated:
    """Not offered where no allocation of so few readers can reach the level alpha."""
    groups = exchangeable(pair)
    if isinstance(groups, NotEstimated):
        return groups
    if pair.lost:
        return NotEstimated(f"no reader of sequence {' and '.join(pair.lost)} is left")
    total = prod(group.allocations for group in groups)
    least = (2 if all(_mirrored(group) for group in groups) else 1) / total
    if least > alpha:
        needed = permutation_from(pair.kind, _arms(pair))
        return NotEstimated(
            f"the {total} allocations that this design allows {pair.readers} readers cannot give a p below "
            f"{least:.3g}; it is offered from {needed} readers"
        )
    observed = sum(float(group.coefficients(group.first) @ group.value) for group in groups)
    if total <= ENUMERATED:
        return Permutation(share_as_far(_all(groups), observed), total, 0)
    found = np.zeros(DRAWN)
    rng = np.random.default_rng(seed)
    for group in groups:
        found += group.coefficients(group.some(rng, DRAWN)) @ group.value
    hits = round(share_as_far(found, observed) * DRAWN)
    return Permutation((1 + hits) / (1 + DRAWN), total, DRAWN)


def share_as_far(values: Floats, observed: float) -> float:
    """The share of values as far from 0 as the observed one; equal up to rounding counts."""
    return float(np.mean(np.abs(values) >= abs(observed) * (1 - 1e-9)))


def _all(groups: list[Group]) -> Floats:
    """The difference of means under every allocation of every group."""
    found = np.zeros(1)
    for group in groups:
        own = group.coefficients(group.every()) @ group.value
        found = (found[:, None] + own[None, :]).ravel()
    return found


def _mirrored(group: Group) -> bool:
    return int(group.first.sum()) * 2 == len(group.readers)


def exchangeable(pair: Pair) -> list[Group] | NotEstimated:
    """Who could have changed places with whom under "these two arms are alike"."""
    if not pair.within:
        n, m = len(pair.a), len(pair.b)
        if not n or not m:
            return NotEstimated("an arm has no reader")
        first = np.arange(n + m) >= n  # the arm counts up, the reference down
        return [Group(np.arange(n + m), np.concatenate([pair.a, pair.b]), first, (1 / m, 1 / n))]
    if pair.kind == "matched":
        return NotEstimated("the order of the arms was not drawn, so there is no allocation to permute")
    if pair.periods is None and _arms(pair) > 2:
        return NotEstimated("the table does not say in which period each arm was read")
    return _exchanges_of_sequences(pair)


def _exchanges_of_sequences(pair: Pair) -> list[Group] | NotEstimated:
    """Sequences that differ in the two arms alone; their readers' differences change sign when they are exchanged."""
    names = sorted({str(name) for name in pair.sequence})
    partners = list(_partners(pair))
    if not partners:
        return NotEstimated(
            "no two sequences of this design differ in these two arms alone, so no allocation exchanges just them"
        )
    differences = pair.b - pair.a
    groups = []
    for one, other in partners:
        readers = np.flatnonzero(np.isin(pair.sequence.astype(str), [one, other]))
        first = pair.sequence[readers].astype(str) == one
        if not first.any() or first.all():
            continue
        value = np.where(first, differences[readers], -differences[readers])
        share = (1 / (len(names) * first.sum()), 1 / (len(names) * (~first).sum()))
        groups.append(Group(readers, value, first, share))
    return groups or NotEstimated("no two sequences that could be exchanged have readers")


def _partners(pair: Pair) -> Iterator[tuple[str, str]]:
    """Pairs of sequences that become each other when the two arms are exchanged."""
    planned = [design.letters(row) for row in design.sequences(pair.kind, _arms(pair))]
    for one in planned:
        for other in planned:
            if one < other and _exchanges(one, other, pair):
                yield one, other


def _exchanges(one: str, other: str, pair: Pair) -> bool:
    """Whether the sequences differ in the places of the two arms alone."""
    if pair.periods is None:
        return len(one) == 2
    at: dict[str, tuple[int, ...]] = {}
    for name, place in zip(pair.sequence, pair.periods.tolist(), strict=True):
        at.setdefault(str(name), tuple(place))
    different = tuple(k for k in range(len(one)) if one[k] != other[k])
    expected = at.get(one) or at.get(other)
    return len(different) == 2 and expected is not None and sorted(expected) == list(different)


def _arms(pair: Pair) -> int:
    return len(str(pair.sequence[0])) if pair.within else 2


def permutation_from(kind: str, arms: int, alpha: float = 0.05) -> int | None:
    """How many readers a complete design needs until a permutation can reach the level; None: no number is enough.

    In a parallel design: readers of the two arms that are compared.
    """
    if kind == "williams" and arms > 3:
        return None  # its squares hold no two sequences that differ in two arms alone
    sequences = len(design.sequences(kind, arms)) if kind != "parallel" else 2
    for each in range(1, 100):
        if 2 / comb(2 * each, each) ** (sequences // 2) <= alpha:
            return each * sequences
    return None


def bootstrap(pair: Pair, *, confidence: float, seed: int, resamples: int) -> Interval | NotEstimated:
    """Percentile interval of the reduction in per cent, readers drawn again.

    Not offered for fewer readers than simulations say it needs to hold the truth as often as it claims.
    """
    if pair.readers < BOOTSTRAP_FROM:
        return NotEstimated(
            f"the percentile bootstrap holds the truth too rarely with few readers; it is offered from "
            f"{BOOTSTRAP_FROM} readers, and there are {pair.readers}"
        )
    if pair.lost:
        return NotEstimated(f"no reader of sequence {' and '.join(pair.lost)} is left")
    strata = [readers for _, readers in _strata(pair)]
    if min(map(len, strata)) < 2:
        return NotEstimated("a sequence or an arm has one reader alone, of whom nothing can be drawn again")
    rng = np.random.default_rng(seed)
    found = 100 * (1 - resampled_ratios(rng, pair, resamples))
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def resampled_ratios(rng: np.random.Generator, pair: Pair, resamples: int) -> Floats:
    """(resamples,) ratios of means. Of the n readers of a sequence, or of an arm, n - 1 are drawn with replacement.

    Drawing n would give a sequence of two readers half the variance that it has (Rao and Wu 1988).
    """
    sums = {"a": np.zeros(resamples), "b": np.zeros(resamples)}
    for arms, readers in _strata(pair):
        drawn = readers[rng.integers(0, len(readers), (resamples, len(readers) - 1))]
        for arm in arms:
            values = pair.a if arm == "a" else pair.b
            sums[arm] += values[drawn].mean(axis=1)
    return np.asarray(sums["b"] / sums["a"])


def _strata(pair: Pair) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Which arms' values a group of readers has ("a" the reference, "b" the arm), and their places there."""
    if not pair.within:
        return [("a", np.arange(len(pair.a))), ("b", np.arange(len(pair.b)))]
    names = pair.sequence.astype(str)
    return [("ab", np.flatnonzero(names == name)) for name in sorted(set(names))]
