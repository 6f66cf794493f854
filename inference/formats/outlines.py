"""The outline of a mask along the edges of its pixels, as polygons that are valid in the OGC sense.

Filling the polygons gives the mask back, pixel for pixel: a corner (x, y) is the upper left corner of pixel (x, y).
"""

from collections import defaultdict
from typing import Any, Literal, TypedDict

import numpy as np

from inference.types import BoxMask, Mask

Corner = tuple[int, int]
Ring = list[Corner]


class Geometry(TypedDict):
    """GeoJSON: rings of [x, y], closed; of a MultiPolygon one level more; of a Point x, y."""

    type: Literal["Point", "Polygon", "MultiPolygon"]
    coordinates: list[Any]


# direction of the walk (dy, dx) -> where the pixel's edge starts, from its upper left corner (dy, dx)
EDGES = {(0, 1): (0, 0), (1, 0): (0, 1), (0, -1): (1, 1), (-1, 0): (1, 0)}


def polygons_of(mask: BoxMask) -> list[list[Ring]]:
    """The parts of a mask, each its outer ring and then its holes, in image pixels, x then y, not closed.

    Pixels that touch by a corner alone are two parts. No ring touches itself: where a border passes a corner twice it
    is two rings that share that corner, which OGC allows.
    """
    outer: list[Ring] = []
    holes: list[Ring] = []
    for ring in rings_of(mask.bits):
        (outer if area(ring) > 0 else holes).append(ring)
    parts: list[list[Ring]] = [[ring] for ring in outer]
    for hole in holes:  # into the smallest part around it
        around = [part for part in parts if _is_inside(hole, part[0])]
        min(around, key=lambda part: area(part[0])).append(hole)
    return [[_moved(ring, mask.x, mask.y) for ring in part] for part in parts]


def geometry_of(mask: BoxMask) -> Geometry:
    """GeoJSON's Polygon or MultiPolygon of a mask: image pixels, x then y, rings closed."""
    polygons = [[_closed(ring) for ring in part] for part in polygons_of(mask)]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def rings_of(bits: Mask, *, joins_corners: bool = False) -> list[Ring]:
    """The borders of a mask (h, w) along pixel edges, corners only, not closed, none of which touches itself.

    The mask lies on the right hand of the way (y is down): outer borders have positive `area`, holes negative.
    `joins_corners`: pixels that touch by a corner alone are one part, and its border passes that corner twice.
    """
    leave = _edges(bits)
    rings: list[Ring] = []
    while leave:
        walked = _walk(leave, turns_left=joins_corners)
        for ring in [walked] if joins_corners else _apart(walked):
            rings.append(_corners_only(ring))
    return rings


def area(ring: Ring) -> float:
    """Signed, in pixels: positive for an outer border."""
    x, y = np.array(ring, float).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _edges(bits: Mask) -> dict[Corner, list[Corner]]:
    """Corner -> the directions (dx, dy) in which a border leaves it."""
    padded = np.pad(bits, 1).astype(np.int8)
    leave: dict[Corner, list[Corner]] = defaultdict(list)
    for (dy, dx), (start_y, start_x) in EDGES.items():
        left_y, left_x = -dx, dy  # the neighbour on the left hand, which must be empty
        neighbour = np.roll(padded, (-left_y, -left_x), axis=(0, 1))
        for y, x in np.argwhere((padded == 1) & (neighbour == 0)).tolist():
            leave[x - 1 + start_x, y - 1 + start_y].append((dx, dy))
    return leave


def _walk(leave: dict[Corner, list[Corner]], *, turns_left: bool = False) -> Ring:
    """One closed border, every pixel corner on it, taken out of `leave`."""
    first = next(iter(leave))
    at, way = first, leave[first][0]
    ring: Ring = []
    while True:
        ways = leave[at]
        # Where two borders meet at a corner, the turn to the right stays with the same pixel.
        turn = (way[1], -way[0]) if turns_left else (-way[1], way[0])
        if ring and turn in ways:
            way = turn
        elif way not in ways:
            way = ways[0]
        ways.remove(way)
        if not ways:
            del leave[at]
        ring.append(at)
        at = (at[0] + way[0], at[1] + way[1])
        if at == first and not (turns_left and first in leave):
            return ring


def _apart(ring: Ring) -> list[Ring]:
    """The ring cut wherever it passes a corner twice: simple rings of the same area together."""
    rings: list[Ring] = []
    path: Ring = []
    place: dict[Corner, int] = {}
    for corner in ring:
        if corner in place:
            begin = place[corner]
            rings.append(path[begin:])
            for passed in path[begin + 1 :]:
                del place[passed]
            del path[begin + 1 :]
            continue
        place[corner] = len(path)
        path.append(corner)
    rings.append(path)
    return rings


def _corners_only(ring: Ring) -> Ring:
    """Without the points in the middle of a straight edge."""
    kept: Ring = []
    for index, corner in enumerate(ring):
        before = ring[index - 1]
        after = ring[(index + 1) % len(ring)]
        is_vertical = before[0] == corner[0] == after[0]
        is_horizontal = before[1] == corner[1] == after[1]
        if not is_vertical and not is_horizontal:
            kept.append(corner)
    return kept


def _closed(ring: Ring) -> list[list[int]]:
    return [[x, y] for x, y in [*ring, ring[0]]]


def _moved(ring: Ring, x: int, y: int) -> Ring:
    return [(corner_x + x, corner_y + y) for corner_x, corner_y in ring]


def _is_inside(hole: Ring, ring: Ring) -> bool:
    """Whether a hole lies in a ring: by the middle of its first edge, moved a little into the hole."""
    x0, y0 = hole[0]
    x1, y1 = hole[1]
    step_x = np.sign(x1 - x0)
    step_y = np.sign(y1 - y0)
    # Half a pixel along the way and half a pixel to its left: in the hole.
    x = x0 + (step_x + step_y) / 2
    y = y0 + (step_y - step_x) / 2
    crossings = 0
    for (ax, ay), (bx, _) in zip(ring, [*ring[1:], ring[0]], strict=True):
        crossings += ay < y and ax != bx and min(ax, bx) < x < max(ax, bx)
    return crossings % 2 == 1
