"""Coefficients of agreement on classes, each by the library that people check against; none of them ever is NaN.

A coefficient that is not defined is no number: `why` says what is missing. It is not defined without two judgements of
one cell, nor where everybody uses one class only: nothing can then be told from chance.

The libraries are imported where they compute: the web process reads this module and needs none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
UNKNOWN = -1  # no judgement


@dataclass(frozen=True)
class Figure:
    """A number with its interval, or why there is none.

    n    what it rests on: cells, groups or pairs, as the figure says
    why  a word of WHY for a missing value; `no_interval` likewise for a missing interval
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    why: str = ""
    no_interval: str = ""


def cohen(first: Ints, second: Ints) -> Figure:
    """Cohen's kappa of two readers. first, second: (n,) classes of the same cells; UNKNOWN is left out."""
    both = (first != UNKNOWN) & (second != UNKNOWN)
    a, b = first[both], second[both]
    if not len(a):
        return Figure(None, 0, why="nothing_matched")
    if len(set(a.tolist()) | set(b.tolist())) < 2:
        return Figure(None, len(a), why="one_class")
    from sklearn.metrics import cohen_kappa_score

    return Figure(float(cohen_kappa_score(a, b)), len(a))


def fleiss(votes: Ints) -> Figure:
    """Fleiss' kappa over the cells that every reader has judged. votes: (cells, readers) classes or UNKNOWN."""
    full = votes[(votes != UNKNOWN).all(axis=1)]
    if not len(full) or votes.shape[1] < 2:
        return Figure(None, 0, why="nothing_matched")
    if len(np.unique(full)) < 2:
        return Figure(None, len(full), why="one_class")
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    table, _categories = aggregate_raters(full)
    return _finite(float(fleiss_kappa(table, method="fleiss")), len(full))


def krippendorff(votes: Ints) -> Figure:
    """Krippendorff's alpha of nominal classes. votes: (cells, readers) classes or UNKNOWN.

    A cell that one reader alone has judged says nothing of agreement and does not count.
    """
    several = votes[(votes != UNKNOWN).sum(axis=1) > 1]
    if not len(several):
        return Figure(None, 0, why="nothing_matched")
    values = np.unique(several[several != UNKNOWN])
    if len(values) < 2:
        return Figure(None, len(several), why="one_class")
    data = np.where(several == UNKNOWN, np.nan, several.astype(np.float64)).T
    import krippendorff as krippendorff_library

    alpha = krippendorff_library.alpha(
        reliability_data=data, value_domain=values.astype(np.float64).tolist(), level_of_measurement="nominal"
    )
    return _finite(float(alpha), len(several))


def confusion(votes: Ints, classes: int) -> Ints:
    """(classes, classes) how often one reader says i and another one j of the same cell, every ordered pair of readers
    counted: symmetric, so that it does not depend on who comes first."""
    table = np.zeros((classes, classes), np.int64)
    readers = votes.shape[1]
    for i in range(readers):
        for j in range(readers):
            if i == j:
                continue
            both = (votes[:, i] != UNKNOWN) & (votes[:, j] != UNKNOWN)
            np.add.at(table, (votes[both, i], votes[both, j]), 1)
    return table


def codes(names: Sequence[str]) -> dict[str, int]:
    """Class name -> its code, in alphabetical order."""
    return {name: code for code, name in enumerate(sorted(set(names)))}


def _finite(value: float, n: int) -> Figure:
    return Figure(value, n) if isfinite(value) else Figure(None, n, why="one_class")
