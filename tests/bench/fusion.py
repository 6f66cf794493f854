"""The speed of fusion, instances and metrics against their targets and against a peer in the same run.

    python -m tests.bench.fusion [--write] [--quick]

Medians of process time, one thread, real tissue (gbm40 in BOXWISE_DATA) tiled to size, disagreement made by moving the
true border with smooth noise. --write puts the table into docs/benchmarks/fusion.md; --quick leaves the integer
programming solvers out.
"""

import argparse
import os
import platform
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from PIL import Image
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from inference import metrics
from inference.fusion import Parameters, Stroke, colour, comparators, fuse, fuse_with_strokes, solvers
from inference.fusion.certificate import SCALE
from inference.fusion.energy import build, edge_costs, unary_of
from inference.fusion.pipeline import kind_of
from inference.instances import instances
from inference.types import BoxMask
from tests.inference.test_fusion_solvers import DATA, real_scene

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "fusion.md"
MARKS = ("<!-- bench:begin -->", "<!-- bench:end -->")


def milliseconds(work: Callable[[], Any], times: int) -> float:
    work()
    spent = []
    for _ in range(times):
        begin = process_time()
        work()
        spent.append(process_time() - begin)
    return float(np.median(spent)) * 1000


def resident(field: str = "VmRSS", *, reset_peak: bool = False) -> float:
    """Megabytes of this process now, or at its peak since the last reset (VmHWM). Linux."""
    if reset_peak:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith(field))
    return int(line.split()[1]) / 1024


def tiled(side: int) -> tuple[Any, Any, Any, Any]:
    """rgb, m_d, m_s, labels of side x side pixels, tiled from a real image of 500."""
    return tiles_of(real_scene("gbm40", 0, size=500), side)


def crowded(side: int, cells: int) -> tuple[Any, Any, Any, Any]:
    """As tiled, from the image whose number of cells, tiled to side, is the smallest of at least `cells`."""
    wanted = cells / (side / 500) ** 2
    found = []
    for collection in ("gbm40", "monuseg", "consep"):
        for k, path in enumerate(sorted((DATA / collection / "images").glob("*.png"))):
            labels = np.array(Image.open(DATA / collection / "labels" / path.name))[:500, :500]
            if labels.shape == (500, 500):
                found.append((len(np.unique(labels)) - 1, collection, k))
    _, collection, k = min(image for image in found if image[0] >= wanted)
    return tiles_of(real_scene(collection, k, size=500), side)


def tiles_of(scene: tuple[Any, Any, Any, Any], side: int) -> tuple[Any, Any, Any, Any]:
    rgb, m_d, m_s, labels = scene
    n = -(-side // 500)
    ids = np.arange(n * n).reshape(n, n).repeat(500, 0).repeat(500, 1) * int(labels.max())
    wide = np.tile(labels, (n, n))
    noise = np.random.default_rng(0).integers(-2, 3, (n * 500, n * 500, 3))
    image = (np.tile(rgb, (n, n, 1)).astype(np.int16) + noise).clip(0, 255).astype(np.uint8)
    cut = np.s_[:side, :side]
    return (
        np.ascontiguousarray(image[cut]),
        np.tile(m_d, (n, n))[cut].copy(),
        np.tile(m_s, (n, n))[cut].copy(),
        np.where(wide > 0, wide + ids, 0)[cut].astype(np.int32),
    )


def scikit_learn(rgb: Any, kind: Any, parameters: Parameters) -> Any:
    """The peer of the colour models: P over the whole image, from GaussianMixture in every patch."""
    p = np.full(kind.shape, 0.5, np.float32)
    rows, columns = colour.bounds(kind.shape[0], parameters), colour.bounds(kind.shape[1], parameters)
    for i in range(len(rows) - 1):
        for j in range(len(columns) - 1):
            window = np.s_[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            c, k = rgb[window].reshape(-1, 3).astype(float), kind[window].reshape(-1)
            f, b = (GaussianMixture(2, random_state=0).fit(c[k == side]) for side in (1, 0))
            where = k == 2
            odds = f.score_samples(c[where]) - b.score_samples(c[where])
            p[window][where.reshape(p[window].shape)] = 1 / (1 + np.exp(-odds.clip(-500, 500)))
    return p


class NotSolved(Exception):
    """A peer gave no proved optimum; the message is its row."""


def paper_formulation(
    graph: Any, unary: Any, kind: Any, rgb: Any, parameters: Parameters, backend: str, limit: float
) -> tuple[float, float, Any]:
    """Eq. (7) as printed, built and solved through OR-Tools: every pixel a variable, agreed ones fixed by bounds, two
    edge variables a pixel, |x_a - x_b| by four inequalities.

    limit  seconds of wall time for the solver
    ->     milliseconds, minimum found (our energy's units), labels (n,) bool of the ambiguous pixels
    """
    from ortools.linear_solver import pywraplp

    begin = process_time()
    costs = edge_costs(parameters.lam, parameters.theta, parameters.similarity)
    solver = pywraplp.Solver.CreateSolver(backend)
    if solver is None:
        raise NotSolved(f"this OR-Tools has no {backend}")
    solver.SetNumThreads(1)
    solver.SetTimeLimit(int(limit * 1000))
    w = kind.shape[1]
    x = [solver.IntVar(*((0, 1) if k == 2 else (int(k), int(k))), "") for k in kind.reshape(-1).tolist()]
    objective = solver.Objective()
    for pixel, u in zip(graph.pixels.tolist(), unary.tolist()):  # P itself, not the folded terminals
        objective.SetCoefficient(x[pixel], -u / SCALE)
    values = rgb.astype(np.int64)
    for step, across in ((1, np.diff(values, axis=1)), (w, np.diff(values, axis=0))):
        cost = (costs[(across**2).sum(axis=2)] / SCALE).tolist()
        for y, row in enumerate(cost):
            for column, c in enumerate(row):
                a = y * w + column
                b = a + step
                e = solver.BoolVar("")
                objective.SetCoefficient(e, c)
                solver.Add(e >= x[a] - x[b])
                solver.Add(e >= x[b] - x[a])
                solver.Add(e <= x[a] + x[b])
                solver.Add(e <= 2 - x[a] - x[b])
    objective.SetMinimization()
    status = solver.Solve()
    spent = (process_time() - begin) * 1000
    if status != pywraplp.Solver.OPTIMAL:
        names = {pywraplp.Solver.FEASIBLE: "feasible, not proved", pywraplp.Solver.NOT_SOLVED: "nothing found"}
        raise NotSolved(f"{names.get(status, f'status {status}')} after {limit:.0f} s of wall time, {spent:.0f} ms")
    labels = np.array([x[pixel].solution_value() > 0.5 for pixel in graph.pixels.tolist()])
    return spent, objective.Value(), labels


def k_means_loop(mask: Any, detections: Any) -> Any:
    """The peer of instances: scikit-learn's KMeans, piece by piece, with full-image masks, as the paper's code does."""
    from scipy.ndimage import label
    from sklearn.cluster import KMeans

    out = np.where(mask, detections, 0)
    pieces, count = label(mask)
    for k in range(1, count + 1):
        piece = pieces == k
        ids = np.unique(out[piece])
        ids = ids[ids > 0]
        if len(ids) == 1:
            out[piece] = ids[0]
        elif len(ids) > 1:
            points = np.argwhere(piece)
            centres = np.array([np.argwhere(piece & (out == i)).mean(axis=0) for i in ids])
            near = ids[KMeans(len(ids), init=centres, n_init=1).fit_predict(points)]
            fresh = out[piece] == 0
            out[tuple(points[fresh].T)] = near[fresh]
    return out


def add_program(
    add: Callable[[str, str, str], None],
    backend: str,
    solve: Callable[[], tuple[float, float, Any]],
    fused: Any,
    unary: Any,
    alone: float,
    cut: float,
) -> None:
    """The rows of one integer programming solver. What goes wrong in it is its row, not the end of the others."""
    first = f"complete, times faster than {backend} on eq. (7)"
    try:
        spent, value, labels = solve()
    except Exception as error:  # a solver may fail in ways of its own, and has: the row says which
        add(first, ">= 2000", f"none: {error}" if isinstance(error, NotSolved) else f"failed: {error!r}")
        return
    mine = fused.certificate.objective
    constant = (SCALE - unary.astype(np.int64)).sum() / (2 * SCALE)  # value of eq. (7)'s first sum at x = 0
    add(first, ">= 2000", f"{spent / alone:.0f} ({spent:.0f} ms)")
    add("    the cut alone", ">= 5000", f"{spent / cut:.0f}")
    add("    relative difference of the objective", "<= 1e-9", f"{abs(constant - value - mine) / abs(mine):.1e}")
    different = int((labels != fused.mask.reshape(-1)[fused.pixels]).sum())
    add("    labels that differ", "0", f"{different} of {len(labels)}")


def measure(quick: bool, limit: float) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []

    def add(what: str, target: str, found: str) -> None:
        rows.append((what, target, found))
        print(f"{what:<58} {target:>18} {found}", flush=True)

    rgb, m_d, m_s, labels = tiled(500)
    paper = Parameters(minimum_pixels=3)
    kind = kind_of(m_d, m_s)
    whole = milliseconds(lambda: fuse(rgb, m_d, m_s), 15)
    add("500 x 500, complete, ms", "20 (stretch 10)", f"{whole:.1f}")
    alone = milliseconds(lambda: fuse(rgb, m_d, m_s, paper), 15)
    add("500 x 500, complete, every patch its own models, ms", "20", f"{alone:.1f}")
    fused = fuse(rgb, m_d, m_s, paper)
    unary, costs = unary_of(fused.probability), edge_costs(2.0, 25.0, "exponential")
    cutting = milliseconds(lambda: solvers.by_cut(build(rgb, kind, fused.pixels, unary, costs)), 15)
    add("500 x 500, cut with graph building, ms", "5", f"{cutting:.1f}")
    for side, target in ((1000, 80), (2000, 300), (5000, 2000)):
        scene = tiled(side)
        before = resident(reset_peak=True)
        spent = milliseconds(lambda: fuse(*scene[:3]), 3)  # noqa: B023
        grown = resident("VmHWM") - before
        add(f"{side} x {side}, complete, ms", str(target), f"{spent:.0f}")
        if side == 5000:
            add("5000 x 5000, memory above the inputs, MB", "250", f"{grown:.0f}")
    big = tiled(1000)
    state = fuse(*big[:3], keep_state=True).state
    assert state is not None
    pen = Stroke(BoxMask(480, 500, np.ones((7, 40), bool)), True)
    add("one stroke at 1000 x 1000, ms", "20", f"{milliseconds(lambda: fuse_with_strokes(state, [pen]), 15):.1f}")
    add(
        "the same, opening a band of 8 px, ms",
        "20",
        f"{milliseconds(lambda: fuse_with_strokes(state, [pen], band=8), 15):.1f}",
    )

    big = crowded(2000, 2000)
    mask = fuse(*big[:3]).mask
    growing = milliseconds(lambda: instances(mask, np.where(big[1], big[3], 0)), 25)
    add(f"instances, {len(np.unique(big[3])) - 1} cells at 2000 x 2000, ms", "40", f"{growing:.1f}")
    small = crowded(1000, 1000)
    cells = instances(fuse(*small[:3]).mask, np.where(small[1], small[3], 0))

    def table_metrics() -> None:
        table = metrics.contingency(small[3], cells)
        metrics.panoptic(table), metrics.aji(table), metrics.aji_plus(table)
        metrics.dice(small[3] > 0, cells > 0)

    add(
        f"contingency metrics, {len(np.unique(small[3])) - 1} cells at 1000 x 1000, ms",
        "50",
        f"{milliseconds(table_metrics, 5):.1f}",
    )
    warnings.simplefilter("ignore")
    begin = process_time()
    theirs = scikit_learn(rgb, kind, paper)
    spent = (process_time() - begin) * 1000
    bounds = colour.bounds(500, paper)
    pixels, counts = colour.locate(kind, bounds, bounds)

    def ours() -> None:
        colour.fit_models(rgb, kind, counts, bounds, bounds, paper).probability(rgb, pixels)

    mine = milliseconds(ours, 15)
    truth = labels > 0
    other = comparators.cut_with(rgb, m_d, m_s, theirs, paper)
    add("colour models, times faster than scikit-learn", ">= 50", f"{spent / mine:.0f} ({spent:.0f} / {mine:.1f} ms)")
    add("    change of Dice", "<= 0.002", f"{metrics.dice(truth, fused.mask) - metrics.dice(truth, other):+.4f}")
    begin = process_time()
    k_means_loop(mask, np.where(big[1], big[3], 0))
    spent = (process_time() - begin) * 1000
    add("instances, times faster than the k-means loop", ">= 500", f"{spent / growing:.0f} ({spent:.0f} ms)")
    if quick:
        return rows

    graph = build(rgb, kind, fused.pixels, unary, costs)

    for backend in ("SCIP", "CBC"):
        solve = partial(paper_formulation, graph, unary, kind, rgb, Parameters(), backend, limit)
        add_program(add, backend, solve, fused, unary, alone, cutting)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of wall time a solver (%(default)s)")
    given = parser.parse_args()
    with threadpool_limits(1):  # idle threads of a peer's BLAS spin, and process time would count them against it
        rows = measure(given.quick, given.limit)
    if given.write:
        table = [
            "| what | at most | measured |",
            "|---|---|---|",
            *(f"| {a.strip()} | {b} | {c} |" for a, b, c in rows),
        ]
        machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} (5 minutes)"
        block = "\n".join([MARKS[0], f"{machine}, Python {platform.python_version()}", "", *table, MARKS[1]])
        page = PAGE.read_text() if PAGE.exists() else f"# Fusion: what was measured\n\n{MARKS[0]}\n{MARKS[1]}\n"
        head, rest = page.split(MARKS[0])
        PAGE.write_text(head + block + rest.split(MARKS[1])[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
