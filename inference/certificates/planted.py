"""The catch rate: of known wrong proposals mixed into a sample, how many the person who judges has called wrong.

A person who overlooks errors makes a lot look better than it is. The bound of the errors is divided by the lower limit
of the catch rate. Each planted error is an independent trial, so the limit is one of a Bernoulli probability; it holds
at every look, by the same beta-binomial ratio as in evidence.py.
"""

from enum import StrEnum

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaln

PRIOR = (20.0, 1.0)  # most people catch most planted errors


class Meaning(StrEnum):
    """What a right cell is: that it is a cell; that its class is right, too; that its outline is right, too."""

    EXISTENCE = "existence"
    CLASS = "class"
    OUTLINE = "outline"


class Kind(StrEnum):
    """How a planted proposal is wrong."""

    FALSE = "false"
    WRONG_CLASS = "wrong_class"
    SHIFTED = "shifted"
    MERGED = "merged"


# Only what is wrong by the meaning of the claim may be planted: a shifted outline is still a cell.
PLANTED: dict[Meaning, tuple[Kind, ...]] = {
    Meaning.EXISTENCE: (Kind.FALSE,),
    Meaning.CLASS: (Kind.FALSE, Kind.WRONG_CLASS),
    Meaning.OUTLINE: (Kind.FALSE, Kind.WRONG_CLASS, Kind.SHIFTED, Kind.MERGED),
}


def catch_rate_limit(caught: int, planted: int, alpha: float) -> float:
    """Lower confidence limit of the catch rate at 1 - alpha, in [0, 1], valid at every look.

    caught   of the planted errors judged so far, how many were called wrong
    planted  judged so far
    """
    if not 0 <= caught <= planted:
        raise ValueError(f"caught is 0 to planted, not {caught} of {planted}")
    if caught == 0:
        return 0.0
    a, b = PRIOR
    prior = betaln(a + caught, b + planted - caught) - betaln(a, b)

    def surplus(rate: float) -> float:
        likelihood = caught * np.log(rate)
        if planted > caught:
            likelihood += (planted - caught) * np.log1p(-rate)
        return float(prior - likelihood + np.log(alpha))

    best = caught / planted
    low = 1e-9
    high = best - 1e-12
    if surplus(low) <= 0:
        return 0.0
    return float(brentq(surplus, low, high))
