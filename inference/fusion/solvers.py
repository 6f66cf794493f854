"""Solvers of the energy by name. "cut" is the one in use; the others are oracles and the columns of a comparison.

All get the same integer energy and answer for it, so their objectives may be compared to the last unit. The flow
solvers read canonical labels off the residual graph and must agree with the cut pixel by pixel; the integer programs
may choose otherwise among equals. A solver that runs out of time says so (status, bound); nothing answers in its place.

    cut            Boykov-Kolmogorov in numba, this package
    ortools-flow   OR-Tools' SimpleMaxFlow (push-relabel)
    scipy-flow     SciPy's maximum_flow (Dinic), 32-bit capacities: components that do not fit are refused
    cp-sat         OR-Tools' CP-SAT
    glop           the linear relaxation, by OR-Tools' GLOP: integral, since the constraints are totally unimodular
    scip, cbc      the paper's eq. (7) as an integer program, by the solver named
    gurobi         the same through gurobipy, where that and its licence are present (the paper's own)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.fusion import cut
from inference.fusion.certificate import SCALE, SolverMissing
from inference.fusion.energy import Energy, cut_of
from inference.fusion.fused import StoppedEarly


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


def _count(energy: Energy) -> int:
    return len(cut.components(energy.right, energy.below)[1]) - 1


def by_ortools_flow(energy: Energy) -> Solution:
    try:
        from ortools.graph.python import max_flow
    except ImportError as error:
        raise _missing("ortools-flow", "ortools") from error
    n = len(energy)
    source, sink = n, n + 1
    up, down = np.flatnonzero(energy.terminal > 0), np.flatnonzero(energy.terminal < 0)
    i, j, w = energy.edges()
    solver = max_flow.SimpleMaxFlow()
    solver.add_arcs_with_capacity(
        np.concatenate([np.full(len(up), source), down, i, j]).astype(np.int32),
        np.concatenate([up, np.full(len(down), sink), j, i]).astype(np.int32),
        np.concatenate([energy.terminal[up], -energy.terminal[down], w, w]),
    )
    if len(up) == 0 or len(down) == 0:
        # SimpleMaxFlow answers BAD_INPUT or an empty source side when a terminal has no arc: closed form
        return Solution(_one_sided(energy), 0, 0, "optimal", _count(energy))
    status = solver.solve(source, sink)
    if status != solver.OPTIMAL:
        raise RuntimeError(f"SimpleMaxFlow answered {status}")
    reached = np.array(solver.get_source_side_min_cut(), np.int64)
    labels = np.zeros(n + 2, np.bool_)
    labels[reached] = True
    flow = int(solver.optimal_flow())
    return Solution(labels[:n], flow, flow, "optimal", _count(energy))


def _one_sided(energy: Energy) -> npt.NDArray[np.bool_]:
    """Labels when nothing pulls one of the two ways: cell is what a positive pixel reaches through open edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    i, j, w = energy.edges()
    open_ = w > 0
    links = coo_array((np.ones(open_.sum()), (i[open_], j[open_])), shape=(len(energy), len(energy)))
    of = connected_components(links, directed=False)[1]
    pulled = np.zeros(len(energy) + 1, np.bool_)
    pulled[of[energy.terminal > 0]] = True
    labels: npt.NDArray[np.bool_] = pulled[of]
    return labels


def by_scipy_flow(energy: Energy) -> Solution:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    n = len(energy)
    source, sink = n, n + 1
    # its 32-bit capacities do not hold SCALE = 2^24 of any strength; dividing would change the problem, so it is scaled
    # only by what divides everything, and refused otherwise
    i, j, w = energy.edges()
    common = int(np.gcd.reduce(np.concatenate([np.abs(energy.terminal), w]), initial=0)) or 1
    largest = max(int(np.abs(energy.terminal).max(initial=0)), int(w.max(initial=0))) // common
    if largest * 2 >= 2**31:
        raise ValueError(
            f"scipy-flow has 32-bit capacities and this energy needs {largest}; take another solver or a smaller lam"
        )
    up, down = np.flatnonzero(energy.terminal > 0), np.flatnonzero(energy.terminal < 0)
    capacity = np.concatenate([energy.terminal[up], -energy.terminal[down], w, w]) // common
    graph = csr_array(
        (
            capacity.astype(np.int32),
            (
                np.concatenate([np.full(len(up), source), down, i, j]),
                np.concatenate([up, np.full(len(down), sink), j, i]),
            ),
        ),
        shape=(n + 2, n + 2),
    )
    result = maximum_flow(graph, source, sink)
    residual = csr_array(graph - result.flow)
    residual.data = (residual.data > 0).astype(np.int8)
    residual.eliminate_zeros()
    labels = np.zeros(n + 2, np.bool_)
    labels[breadth_first_order(residual, source, return_predecessors=False)] = True
    # the summed flow may pass 2^31 even where no arc does: add it up again in 64 bits
    flow = int(result.flow[[source]].toarray().astype(np.int64).sum()) * common
    return Solution(labels[:n], flow, flow, "optimal", _count(energy))


def by_cp_sat(energy: Energy, time_limit: float | None) -> Solution:
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise _missing("cp-sat", "ortools") from error
    i, j, w = energy.edges()
    model = cp_model.CpModel()
    x = [model.new_bool_var("") for _ in range(len(energy))]
    e = [model.new_bool_var("") for _ in range(len(w))]
    for a, b, edge in zip(i.tolist(), j.tolist(), e):
        model.add_bool_or([x[a].Not(), x[b], edge])  # e >= |x_a - x_b|; the objective keeps it no larger
        model.add_bool_or([x[a], x[b].Not(), edge])
    model.minimize(
        cp_model.LinearExpr.weighted_sum(x + e, [*(-energy.terminal).tolist(), *w.tolist()])
        + int(energy.terminal[energy.terminal > 0].sum())
    )
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.linearization_level = 2  # its relaxation is integral; without it 57 pixels are not proved in 4 s
    if time_limit is not None:
        solver.parameters.max_time_in_seconds = time_limit
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise StoppedEarly(f"cp-sat answered {solver.status_name(status)}: it found no labels in time")
    labels = np.array([solver.boolean_value(v) for v in x], np.bool_).reshape(len(energy))
    optimal = status == cp_model.OPTIMAL
    bound = cut_of(energy, labels) if optimal else int(np.ceil(solver.best_objective_bound))
    return Solution(labels, bound, None, "optimal" if optimal else "feasible", _count(energy))


def by_linear_program(energy: Energy, time_limit: float | None, *, backend: str, integer: bool) -> Solution:
    """Eq. (7) with a variable for every ambiguous pixel and every edge, and two inequalities an edge."""
    try:
        from ortools.linear_solver import pywraplp
    except ImportError as error:
        raise _missing(backend.lower(), "ortools") from error
    solver = pywraplp.Solver.CreateSolver(backend)
    if solver is None:
        raise SolverMissing(f"this build of OR-Tools has no {backend}; pip install ortools brings one that has")
    if time_limit is not None:
        solver.SetTimeLimit(int(time_limit * 1000))
    solver.SetNumThreads(1)
    variable = solver.BoolVar if integer else partial(solver.NumVar, 0, 1)
    i, j, w = energy.edges()
    x = [variable("") for _ in range(len(energy))]
    objective = solver.Objective()
    for v, t in zip(x, energy.terminal.tolist()):
        objective.SetCoefficient(v, -t)  # in integer units: divided by SCALE, one unit is below CBC's tolerance
    for a, b, cost in zip(i.tolist(), j.tolist(), w.tolist()):
        e = variable("")
        objective.SetCoefficient(e, cost)
        for p, q in ((a, b), (b, a)):  # e >= x_p - x_q
            row = solver.Constraint(0, solver.infinity())
            row.SetCoefficient(e, 1)
            row.SetCoefficient(x[p], -1)
            row.SetCoefficient(x[q], 1)
    objective.SetMinimization()
    status = solver.Solve()
    if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
        raise StoppedEarly(f"{backend} answered status {status}: it found no labels in time")
    labels = np.array([v.solution_value() > 0.5 for v in x], np.bool_).reshape(len(energy))
    constant = int(energy.terminal[energy.terminal > 0].sum())
    optimal = status == pywraplp.Solver.OPTIMAL
    value = objective.Value() if optimal else objective.BestBound()
    return _proved(energy, labels, value + constant, optimal)


def by_gurobi(energy: Energy, time_limit: float | None) -> Solution:
    try:
        import gurobipy
    except ImportError as error:
        raise _missing("gurobi", "gurobipy", " and a Gurobi licence: the free one stops at 2,000 variables") from error
    i, j, w = energy.edges()
    n = len(energy)
    try:
        model = gurobipy.Model(env=gurobipy.Env(params={"OutputFlag": 0}))
        model.Params.Threads = 1
        model.Params.MIPGap = 0
        if time_limit is not None:
            model.Params.TimeLimit = time_limit
        x, e = model.addMVar(n, vtype="B"), model.addMVar(len(w), vtype="B")
        model.addConstr(e >= x[i] - x[j])
        model.addConstr(e >= x[j] - x[i])
        model.setObjective((-energy.terminal / SCALE) @ x + (w / SCALE) @ e)
        model.optimize()
    except gurobipy.GurobiError as error:
        raise SolverMissing(f"gurobi refused: {error}") from error
    if model.SolCount == 0:
        raise StoppedEarly(f"gurobi answered status {model.Status}: it found no labels in time")
    labels = x.X > 0.5
    constant = int(energy.terminal[energy.terminal > 0].sum())
    return _proved(energy, labels, model.ObjBound * SCALE + constant, model.Status == gurobipy.GRB.OPTIMAL)


def _proved(energy: Energy, labels: npt.NDArray[np.bool_], bound: float, optimal: bool) -> Solution:
    """A floating-point solver's claim, in integers.

    It proves its bound to about 1e-9 of the value, not to the unit: within that, labels that cost no more than its
    claim are what it claims; labels that cost more are not, and the certificate will not close.
    """
    cost = cut_of(energy, labels)
    close = abs(cost - bound) <= 1e-9 * max(abs(cost), float(SCALE))
    whole = cost if optimal and close else min(cost, int(np.floor(bound)))
    return Solution(labels, whole, None, "optimal" if optimal else "feasible", _count(energy))


def _missing(name: str, package: str, more: str = "") -> SolverMissing:
    return SolverMissing(f"solver {name!r} needs the package {package}: pip install {package}{more}")


_TIMED: dict[str, Any] = {
    "cp-sat": by_cp_sat,
    "glop": partial(by_linear_program, backend="GLOP", integer=False),
    "scip": partial(by_linear_program, backend="SCIP", integer=True),
    "cbc": partial(by_linear_program, backend="CBC", integer=True),
    "gurobi": by_gurobi,
}
_UNTIMED: dict[str, Solver] = {"cut": by_cut, "ortools-flow": by_ortools_flow, "scipy-flow": by_scipy_flow}
NAMES = (*_UNTIMED, *_TIMED)


def named(name: str, time_limit: float | None = None) -> Solver:
    """The solver of that name; time_limit in seconds, for those that can stop early.

    Raises SolverMissing for a name that nobody has (a package that is missing shows when the solver is called).
    """
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit must be above 0 seconds, not {time_limit}")
    if name in _UNTIMED:
        return _UNTIMED[name]
    if name in _TIMED:
        return partial(_TIMED[name], time_limit=time_limit)
    raise SolverMissing(f"no solver is called {name!r}; there are {', '.join(NAMES)}")
