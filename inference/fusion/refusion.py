"""Interactive re-fusion: what a person paints becomes a hard constraint, and the rest is optimal again.

Given its fixed neighbours a component of optimised pixels does not depend on any other, so only those that a stroke
touches are solved again, with the colour models frozen: the result is exactly that of a fusion from the beginning with
the same models and all strokes as constraints (a test).
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from inference.documents.interactive import StrokeJson
from inference.fusion import cut, energy
from inference.fusion.certificate import SCALE, Certificate, CertificateError, Clock, Parameters
from inference.fusion.colour import AMBIGUOUS, BACKGROUND, FOREGROUND, ColourModels, Kind
from inference.masks import clip, pack, unpack
from inference.types import RGB, BoxMask, Mask


@dataclass(frozen=True)
class Stroke:
    """What one movement of the pen fixes.

    pixels      where; parts outside the image are ignored
    foreground  True: these pixels are cell, False: they are background
    """

    pixels: BoxMask
    foreground: bool


@dataclass(frozen=True)
class FusionState:
    """Everything that a fusion knows, for the next stroke. `fuse_with_strokes` leaves it alone and returns a new one,
    so keeping the old one is undo.

    kind     (H, W) uint8: 0 and 1 are fixed, 2 is optimised
    unary    (H, W) int32: 2 P - 1 in integer units at the optimised pixels
    by_hand  (H, W) bool: fixed by a person, so no band opens it again
    """

    rgb: RGB
    kind: Kind
    unary: npt.NDArray[np.int32]
    mask: Mask
    by_hand: Mask
    models: ColourModels
    parameters: Parameters
    certificate: Certificate


@dataclass(frozen=True)
class Refusion:
    """The mask after the strokes.

    changed      (x0, y0, x1, y1), half-open: all pixels whose label changed lie inside; None when none did
    certificate  its objective is that of the whole image; its flow and cut, free pixels and components are those that
                 this call optimised, and it lists every stroke so far
    """

    mask: Mask
    changed: tuple[int, int, int, int] | None
    certificate: Certificate
    state: FusionState


def fuse_with_strokes(state: FusionState, strokes: Sequence[Stroke], *, band: int = 0) -> Refusion:
    """Fuse again, with the pixels of the strokes fixed by hand.

    state    of `fuse(..., keep_state=True)` or of the last `fuse_with_strokes`
    strokes  applied in this order: a later one wins
    band     pixels; agreed pixels up to this far (in rows and columns) from a stroke are optimised too, so that a
             stroke can move a border that both models had wrong. What a person fixed stays fixed

    Raises ValueError for a negative band or a stroke whose pixels are not (h, w) bool, CertificateError as `fuse`.
    """
    if band < 0:
        raise ValueError(f"band must be at least 0 pixels, not {band}")
    clock = Clock()
    h, w = state.kind.shape
    kind, by_hand, mask = state.kind.copy(), state.by_hand.copy(), state.mask.copy()
    painted = []
    for stroke in strokes:
        if stroke.pixels.bits.ndim != 2 or stroke.pixels.bits.dtype != np.bool_:
            raise ValueError(f"a stroke's pixels must be (h, w) bool, not {stroke.pixels.bits.dtype}")
        part = clip(stroke.pixels, w, h)
        if part is not None:
            window = _window(part, 0, h, w)
            kind[window][part.bits] = FOREGROUND if stroke.foreground else BACKGROUND
            mask[window][part.bits] = stroke.foreground
            by_hand[window] |= part.bits
            painted.append(part)
    unary = state.unary
    if band and painted:
        opened = np.zeros((h, w), bool)
        for part in painted:
            opened[_window(part, band, h, w)] |= _grown(part, band, h, w)
        opened &= ~by_hand & (kind != AMBIGUOUS)
        kind[opened] = AMBIGUOUS
        where = np.flatnonzero(opened).astype(np.int32)
        unary = unary.copy()
        unary.reshape(-1)[where] = energy.unary_of(state.models.probability(state.rgb, where))
    clock.lap("strokes")

    seeds = [np.empty(0, np.int64)]
    for part in painted:
        reach = max(band, 1)  # beside a stroke, or opened by it
        window = _window(part, reach, h, w)
        y, x = np.nonzero(_grown(part, reach, h, w) & (kind[window] == AMBIGUOUS))
        seeds.append((y + window[0].start) * w + x + window[1].start)
    pixels = np.sort(_connected(kind, np.concatenate(seeds)))
    costs = energy.edge_costs(state.parameters.lam, state.parameters.theta, state.parameters.similarity)
    graph = energy.build(state.rgb, kind, pixels, unary.reshape(-1)[pixels], costs)
    clock.lap("graph")
    found = cut.minimise(graph)
    mask.reshape(-1)[pixels] = found.labels
    clock.lap("solve")

    everything = np.flatnonzero(kind == AMBIGUOUS).astype(np.int32)
    doubled = int(energy.doubled_objective(state.rgb, mask, everything, unary.reshape(-1)[everything], costs))
    cost = energy.cut_of(graph, found.labels)
    changed = _rectangle(mask != state.mask)
    clock.lap("certificate")
    certificate = Certificate(
        objective=doubled / (2 * SCALE),
        flow=found.flow,
        cut=cost,
        closed=found.flow == cost,
        free_pixels=len(pixels),
        components=found.components,
        ambiguous_share=len(everything) / kind.size,
        milliseconds=clock.laps(),
        parameters=state.parameters,
        strokes=(*state.certificate.strokes, *(as_record(stroke, band) for stroke in strokes)),
    )
    if not certificate.closed:
        raise CertificateError(f"the flow is {found.flow}, but the labels cost {cost}")
    new = FusionState(state.rgb, kind, unary, mask, by_hand, state.models, state.parameters, certificate)
    return Refusion(mask, changed, certificate, new)


def as_record(stroke: Stroke, band: int) -> StrokeJson:
    """A stroke for JSON, complete, so that a certificate is enough to paint it again."""
    h, w = stroke.pixels.bits.shape
    bits = b64encode(pack(stroke.pixels.bits)).decode()
    return {
        "x": stroke.pixels.x,
        "y": stroke.pixels.y,
        "width": w,
        "height": h,
        "bits": bits,
        "foreground": stroke.foreground,
        "band": band,
    }


def from_record(record: StrokeJson) -> Stroke:
    """The inverse of as_record, without the band. Raises ValueError when the bits do not fit the box."""
    bits = unpack(b64decode(record["bits"]), record["width"], record["height"])
    return Stroke(BoxMask(record["x"], record["y"], bits), record["foreground"])


def _window(part: BoxMask, margin: int, h: int, w: int) -> tuple[slice, slice]:
    height, width = part.bits.shape
    return (
        slice(max(0, part.y - margin), min(h, part.y + height + margin)),
        slice(max(0, part.x - margin), min(w, part.x + width + margin)),
    )


def _grown(part: BoxMask, margin: int, h: int, w: int) -> Mask:
    """The part grown by `margin` rows and columns, within its `_window`."""
    from scipy.ndimage import maximum_filter

    rows, columns = _window(part, margin, h, w)
    local = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    top, left = part.y - rows.start, part.x - columns.start
    local[top : top + part.bits.shape[0], left : left + part.bits.shape[1]] = part.bits
    grown: Mask = maximum_filter(local, 2 * margin + 1, mode="constant")
    return grown


def _rectangle(where: Mask) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else None


@njit(cache=True)
def _connected(kind: Any, seeds: Any) -> Any:
    """Flat indices, in no order, of the components of kind 2 that hold a seed (all seeds are of kind 2)."""
    h, w = kind.shape
    seen = np.zeros(h * w, np.uint8)
    flat = kind.reshape(-1)
    reached = np.empty(max(64, 2 * len(seeds)), np.int32)
    end = 0
    for s in seeds:
        if not seen[s]:
            seen[s] = 1
            reached[end] = s
            end += 1
    at = 0
    while at < end:
        if end + 4 > len(reached):
            larger = np.empty(2 * len(reached), np.int32)
            larger[:end] = reached[:end]
            reached = larger
        i = reached[at]
        at += 1
        x = i % w
        for d in range(4):
            if (d == 0 and x + 1 == w) or (d == 1 and x == 0):
                continue
            j = i + (1 if d == 0 else -1 if d == 1 else w if d == 2 else -w)
            if 0 <= j < h * w and flat[j] == 2 and not seen[j]:
                seen[j] = 1
                reached[end] = j
                end += 1
    return reached[:end]
