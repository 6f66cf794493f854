"""Solvers of the energy by name. "cut" is the one in use; the others are oracles and the columns of a comparison."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.fusion import cut
from inference.fusion.certificate import SolverMissing
from inference.fusion.energy import Energy


@dataclass(frozen=True)
class Solution:
    """What a solver answers.

    labels      (n,) bool, True is cell
    bound       no labels cost less than this, integer units
    flow        maximum flow, where the solver finds one
    status      "optimal": it claims that the labels reach the bound; "feasible": it stopped early
    components  4-connected components of the graph
    """

    labels: npt.NDArray[np.bool_]
    bound: int
    flow: int | None
    status: str
    components: int


Solver = Callable[[Energy], Solution]


def by_cut(energy: Energy) -> Solution:
    found = cut.minimise(energy)
    return Solution(found.labels, found.flow, found.flow, "optimal", found.components)


NAMES = ("cut",)


def named(name: str, time_limit: float | None = None) -> Solver:
    """The solver of that name. Raises SolverMissing with what to install."""
    if name == "cut":
        return by_cut
    raise SolverMissing(f"no solver is called {name!r}; there are {', '.join(NAMES)}")
