"""How strongly a sample of cells speaks against too many errors, valid however often somebody looks.

A lot is divided into strata of N_h cells with K_h wrong ones. Cells are drawn from each stratum without replacement, in
random order. For given K_h the probability of a sequence with k_h wrong among n_h cells is, in each stratum,

    C(N_h - n_h, K_h - k_h) / C(N_h, K_h)

The evidence against a given total of wrong cells is Q / max P. Q is what a beta-binomial prior gives to the verdicts of
all strata together. max P is the highest probability of the same verdicts under any division of that total, or of a
higher one, among the strata. For the true division this ratio is a martingale with mean 1, so by Ville's inequality it
reaches 1/alpha at any time with a probability of at most alpha: one may look after every cell and stop at will
(Waudby-Smith and Ramdas 2020, "Confidence sequences for sampling without replacement"; the prior-posterior-ratio).

The likelihood is log-concave in each K_h, so the best division is found exactly by taking the largest steps first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, gammaln

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stratum:
    """cells: of the stratum; judged: of these so far; wrong: of the judged ones."""

    cells: int
    judged: int
    wrong: int

    def __post_init__(self) -> None:
        if not 0 <= self.wrong <= self.judged <= self.cells:
            raise ValueError(f"a stratum has 0 <= wrong <= judged <= cells, not {self}")


def log_choose(n: npt.ArrayLike, k: npt.ArrayLike) -> Floats:
    """Logarithm of the binomial coefficient; arrays are broadcast."""
    above = np.asarray(n, np.float64)
    below = np.asarray(k, np.float64)
    result: Floats = gammaln(above + 1)
    result = result - gammaln(below + 1)
    return result - gammaln(above - below + 1)


class Evidence:
    """What the verdicts on the strata of a lot say against each possible number of wrong cells.

    tolerated  the share of wrong cells that the claim tolerates, in (0, 1); it only shapes the prior
    """

    def __init__(self, strata: Sequence[Stratum], tolerated: float) -> None:
        self.found = sum(stratum.wrong for stratum in strata)
        judged = sum(stratum.judged for stratum in strata)
        steps = np.concatenate([_steps(stratum) for stratum in strata])
        steps = np.sort(steps)[::-1]
        likelihoods = np.concatenate([[0.0], np.cumsum(steps)])
        mode = int((steps > 0).sum())  # a lower total may be exceeded, so the likeliest higher one counts
        likelihoods[:mode] = likelihoods[mode]
        likelihoods += sum(_log_likelihood_at_least(stratum) for stratum in strata)
        self.by_missing = _log_prior(self.found, judged, tolerated) - likelihoods

    def against(self, wrong: int) -> float:
        """Logarithm of the evidence against `wrong` or more wrong cells in the lot: -inf where the verdicts alone show
        so many, inf where the lot cannot have so many any more."""
        missing = wrong - self.found
        if missing <= 0:
            return -np.inf
        if missing >= len(self.by_missing):
            return np.inf
        return float(self.by_missing[missing])

    def most_wrong(self, alpha: float) -> int:
        """Upper confidence limit of the number of wrong cells in the lot, at 1 - alpha, valid at every look."""
        is_excluded = self.by_missing >= -np.log(alpha)
        is_excluded[0] = False
        first = len(is_excluded)
        if is_excluded.any():
            first = int(np.argmax(is_excluded))
        return self.found + first - 1


def _log_prior(wrong: int, judged: int, tolerated: float) -> float:
    """Beta-binomial probability of a sequence; the prior has one third of the tolerated share as its mean."""
    a, b = 1.0, 3.0 / tolerated
    after = betaln(a + wrong, b + judged - wrong)
    before = betaln(a, b)
    return float(after - before)


def _log_likelihood_at_least(stratum: Stratum) -> float:
    """Of the verdicts, where the stratum has no wrong cell beyond those found."""
    rest = stratum.cells - stratum.judged
    return float(log_choose(rest, 0) - log_choose(stratum.cells, stratum.wrong))


def _steps(stratum: Stratum) -> Floats:
    """(cells - judged,): by how much the log-likelihood changes with each further wrong cell, in falling order."""
    total, judged, found = stratum.cells, stratum.judged, stratum.wrong
    wrong = np.arange(found, total - judged + found, dtype=np.float64)
    result: Floats = np.log(wrong + 1)
    result += np.log(total - judged - wrong + found)
    result -= np.log(wrong + 1 - found)
    result -= np.log(total - wrong)
    return result


def boundary(cells: int, sample: int, wrong: int, alpha: float, tolerated: float) -> npt.NDArray[np.int64]:
    """(sample + 1,): with how many wrong cells among the first n the evidence suffices in a lot of one stratum; -1 for
    none. As Evidence.against, for all n at once.

    wrong  the least number of wrong cells that makes the lot a bad one
    """
    judged = np.arange(sample + 1)[:, None]
    found = np.arange(min(sample, wrong - 1) + 1)[None, :]
    a, b = 1.0, 3.0 / tolerated
    prior = betaln(a + found, b + np.maximum(judged - found, 0)) - betaln(a, b)
    rest = cells - judged
    missing = wrong - found
    is_possible = missing <= rest
    likelihood = log_choose(rest, np.minimum(missing, rest))
    likelihood = likelihood - log_choose(cells, wrong)
    is_enough = np.where(is_possible, prior - likelihood >= -np.log(alpha), True)
    is_enough &= (found <= judged) & _is_beyond_mode(cells, judged, found, wrong)
    return np.where(is_enough, found, -1).max(axis=1)


def _is_beyond_mode(
    cells: int, judged: npt.NDArray[np.int64], found: npt.NDArray[np.int64], wrong: int
) -> npt.NDArray[np.bool_]:
    """Whether a higher total than `wrong` is no more likely, so that `wrong` is the hardest one to exclude."""
    left = cells - judged - wrong + found
    more = (wrong + 1) * left
    less = (wrong + 1 - found) * (cells - wrong)
    result: npt.NDArray[np.bool_] = more <= less
    return result
