"""Fusion of images that do not fit in memory, band by band: the same answer as for the whole image, bit for bit.

Colours are counted tile by tile, since bins add up. The graph is then built a band of rows at a time. Components are
joined across bands by union-find over the band's nodes and whatever was still open above it, and each is solved as soon
as no edge leads out of it downwards. Memory holds one band of full width and the components open at its lower edge.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.fusion import colour, cut, energy
from inference.fusion.certificate import SCALE, Certificate, CertificateError, Clock, Parameters
from inference.fusion.energy import Energy
from inference.fusion.pipeline import checked_image, checked_mask, kind_of
from inference.types import RGB, Cancelled, Mask, Progress, Report, Stop

Read = Callable[[int, int], tuple[RGB, Mask, Mask]]
Ints = npt.NDArray[np.int64]


def fuse_tiled(
    read: Read,
    out: Any,
    shape: tuple[int, int],
    parameters: Parameters | None = None,
    *,
    band: int = 512,
    report: Report | None = None,
    stop: Stop | None = None,
) -> Certificate:
    """As `fuse` with the cut, for any size.

    read    (y0, y1) -> rgb (y1 - y0, W, 3) uint8, m_d, m_s (y1 - y0, W) bool of those rows; asked two or three times
    out     (H, W) bool, written to: an array or a numpy.memmap
    shape   (H, W)
    band    rows read at a time
    report  called after every band of every pass
    stop    asked before each; True raises Cancelled

    Raises ValueError when rows come back in another shape, CertificateError as `fuse`.
    """
    parameters = parameters or Parameters()
    h, w = shape
    if min(h, w, band) < 1 or out.shape != shape:
        raise ValueError(f"shape and band must be at least 1 and out of that shape, not {shape}, {band}, {out.shape}")
    clock = Clock()
    starts = range(0, h, band)
    done, passes = 0, 3

    def turn() -> None:
        nonlocal done
        if stop is not None and stop():
            raise Cancelled("stopped between two bands")
        done += 1
        if report is not None:
            report(Progress(done, passes * len(starts)))

    def rows_of(y0: int, y1: int) -> tuple[RGB, colour.Kind]:
        rgb, m_d, m_s = read(y0, y1)
        rgb = checked_image(rgb)
        if rgb.shape[:2] != (y1 - y0, w):
            raise ValueError(f"read({y0}, {y1}) must give {y1 - y0} rows of {w} pixels, not {rgb.shape[:2]}")
        return rgb, kind_of(checked_mask("m_d", m_d, rgb.shape[:2]), checked_mask("m_s", m_s, rgb.shape[:2]))

    rows, columns = colour.bounds(h, parameters), colour.bounds(w, parameters)
    counts = np.zeros((len(rows) - 1, len(columns) - 1, 3), np.int64)
    for y0 in starts:
        turn()
        kind = rows_of(y0, min(h, y0 + band))[1]
        first, last, local = _patch_rows(rows, y0, y0 + len(kind))
        counts[first:last] += colour.locate(kind, local, columns)[1]
    clock.lap("split")
    models = _fit(rows_of, counts, rows, columns, parameters, starts, band, turn)
    clock.lap("colour_models")

    costs = energy.edge_costs(parameters.lam, parameters.theta, parameters.similarity)
    carried = _Nodes(*(np.empty(0, np.int64) for _ in range(4)))
    doubled = flow = cost = components = 0
    for y0 in starts:
        turn()
        y1 = min(h, y0 + band)
        top, bottom = max(0, y0 - 1), min(h, y1 + 1)
        rgb, kind = rows_of(top, bottom)
        core = np.s_[y0 - top : y1 - top]
        pixels = np.flatnonzero(kind == colour.AMBIGUOUS).astype(np.int32)
        mine = (pixels >= (y0 - top) * w) & (pixels < (y1 - top) * w)
        unary = np.zeros(len(pixels), np.int32)
        first, last, local = _patch_rows(rows, y0, y1)
        here = colour.ColourModels(local, columns, models.table[first:last], models.known)
        inside = (pixels[mine] - (y0 - top) * w).astype(np.int32)
        unary[mine] = energy.unary_of(here.probability(rgb[core], inside))
        graph = energy.build(rgb, kind, pixels, unary, costs)  # its halo rows are only there for their edges
        agreed = kind == colour.FOREGROUND
        doubled += int(energy.doubled_objective(rgb[core], agreed[core], inside, unary[mine], costs))
        if bottom > y1:  # the edges to the row below: those of both rows together, less those within each
            seam, none = np.s_[y1 - top - 1 : y1 - top + 1], np.empty(0, np.int32)
            doubled += int(energy.doubled_objective(rgb[seam], agreed[seam], none, none, costs))
            for row in (y1 - top - 1, y1 - top):
                alone = np.s_[row : row + 1]
                doubled -= int(energy.doubled_objective(rgb[alone], agreed[alone], none, none, costs))
        out[y0:y1] = agreed[core]

        nodes = _Nodes(pixels[mine] + np.int64(top) * w, graph.terminal[mine], graph.right[mine], graph.down[mine])
        nodes = carried.followed_by(nodes)
        whole = nodes.energy(shape)
        order, begins = cut.components(whole.right, whole.below)
        of = np.empty(len(nodes.pixels), np.int64)
        of[order] = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
        leads_on = (nodes.down >= 0) & (nodes.pixels // w == y1 - 1)
        still = np.zeros(len(begins), np.bool_)
        still[of[leads_on]] = True
        closed = nodes.where(~still[of])
        solvable = closed.energy(shape)
        found = cut.minimise(solvable)
        out[closed.pixels // w, closed.pixels % w] = found.labels
        doubled += 2 * int(closed.terminal[closed.terminal > 0].sum())  # from all background to the best
        flow, components = flow + found.flow, components + found.components
        cost += energy.cut_of(solvable, found.labels)
        carried = nodes.where(still[of])
    clock.lap("solve")
    if flow != cost:
        raise CertificateError(f"the flow is {flow}, but the labels cost {cost}")
    free = int(counts[:, :, 2].sum())
    return Certificate(
        objective=(doubled - 2 * cost) / (2 * SCALE),
        flow=flow,
        cut=cost,
        closed=True,
        free_pixels=free,
        components=components,
        ambiguous_share=free / (h * w),
        milliseconds=clock.laps(),
        parameters=parameters,
    )


class _Nodes:
    """Nodes by their place in the whole image (64 bits: it may have more than 2^31 pixels), ascending."""

    def __init__(self, pixels: Ints, terminal: Ints, right: Ints, down: Ints) -> None:
        self.pixels, self.terminal, self.right, self.down = pixels, terminal, right, down

    def where(self, chosen: Mask) -> "_Nodes":
        return _Nodes(self.pixels[chosen], self.terminal[chosen], self.right[chosen], self.down[chosen])

    def followed_by(self, other: "_Nodes") -> "_Nodes":
        names = ("pixels", "terminal", "right", "down")
        return _Nodes(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))

    def energy(self, shape: tuple[int, int]) -> Energy:
        below = np.full(len(self.pixels), -1, np.int32)
        has = np.flatnonzero(self.down >= 0)
        target = self.pixels[has] + shape[1]
        place = np.searchsorted(self.pixels, target)
        there = place < len(self.pixels)
        there[there] = self.pixels[place[there]] == target[there]
        below[has[there]] = place[there]
        return Energy(shape, np.empty(0, np.int32), self.terminal, self.right, self.down, below)


def _patch_rows(rows: Ints, y0: int, y1: int) -> tuple[int, int, Ints]:
    """First and one past the last row of patches that rows y0 to y1 touch, and their bounds counted from y0."""
    first = int(np.searchsorted(rows, y0, side="right")) - 1
    last = int(np.searchsorted(rows, y1, side="left"))
    return first, last, np.clip(rows[first : last + 1], y0, y1) - y0


def _fit(
    rows_of: Callable[[int, int], tuple[RGB, colour.Kind]],
    counts: Ints,
    rows: Ints,
    columns: Ints,
    parameters: Parameters,
    starts: range,
    band: int,
    turn: Callable[[], None],
) -> colour.ColourModels:
    """colour.fit_models with one counter per patch of the current row of patches, and one for the whole image."""
    n, h = parameters.components, int(rows[-1])
    agreed, needed = counts[:, :, :2], counts[:, :, 2] > 0
    known = agreed.sum(axis=(0, 1)) > 0
    table = np.full((*counts.shape[:2], 2, n, 10), np.nan)
    enough = agreed >= max(parameters.minimum_pixels, 1)
    own, missing = enough & needed[:, :, None], ~enough & needed[:, :, None]
    whole = colour.Counter(parameters.bits, int(agreed.sum())) if known.all() and missing.any() else None
    counters: dict[tuple[int, int], colour.Counter] = {}
    for y0 in starts:
        turn()
        if not known.all():
            continue
        y1 = min(h, y0 + band)
        rgb, kind = rows_of(y0, y1)
        if whole is not None:
            whole.count(rgb, kind, 0, y1 - y0, 0, kind.shape[1])
        first, last, local = _patch_rows(rows, y0, y1)
        for i in range(first, last):
            for j in np.flatnonzero(own[i].any(axis=1)).tolist():
                if (i, j) not in counters:
                    counters[i, j] = colour.Counter(parameters.bits, int(agreed[i, j].sum()))
                counter = counters[i, j]
                counter.count(rgb, kind, local[i - first], local[i - first + 1], columns[j], columns[j + 1])
                if rows[i + 1] <= y1:
                    for side in np.flatnonzero(own[i, j]).tolist():
                        table[i, j, side] = counter.fit(side, n)
                    del counters[i, j]
    if whole is not None:
        for side in (colour.BACKGROUND, colour.FOREGROUND):
            if missing[:, :, side].any():
                table[missing[:, :, side], side] = whole.fit(side, n)
    return colour.ColourModels(rows, columns, table, known)
