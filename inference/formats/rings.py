"""Rings: sorted into polygons, or joined into one, for formats that know only lists of rings or only one ring."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from inference.formats.model import Polygon, Ring


def polygons_of_rings(rings: Sequence[Ring]) -> tuple[Polygon, ...]:
    """Polygons by the even-odd rule: a ring inside an odd number of others is a hole of the smallest around it."""
    import shapely

    areas = [shapely.Polygon(ring).buffer(0) for ring in rings]
    order = sorted(range(len(rings)), key=lambda place: -areas[place].area)
    holes: dict[int, list[Ring]] = {}
    for place in order:
        larger = order[: order.index(place)]
        inside = _a_point_in(areas[place], rings[place])
        around = [other for other in larger if areas[other].contains(inside)]
        shells = [other for other in around if other in holes]
        is_hole = len(around) % 2 == 1
        if is_hole and shells:
            smallest = shells[-1]
            holes[smallest].append(rings[place])
        else:
            holes[place] = []
    return tuple(Polygon(rings[place], tuple(inner)) for place, inner in holes.items())


def _a_point_in(area: Any, ring: Ring) -> Any:
    """A point inside an area; of one without an inside, its first corner."""
    import shapely

    if area.is_empty:
        return shapely.Point(ring[0])
    return area.representative_point()


def one_ring(polygons: Sequence[Polygon]) -> Ring:
    """One ring around the same pixels: cuts of no width, walked both ways, join each hole and each part."""
    rings: list[Ring] = []
    for part in polygons:
        rings += part.rings
    joined, *others = rings
    for other in others:
        joined = _joined(joined, other)
    return joined


def _joined(ring: Ring, other: Ring) -> Ring:
    """Walk the ring to its corner nearest to the other, go round the other, and come back."""
    by_x_then_y = np.lexsort((other[:, 1], other[:, 0]))
    start = int(by_x_then_y[0])
    turned = np.concatenate([other[start:], other[: start + 1]])
    distances = ((ring - turned[0]) ** 2).sum(axis=1)
    at = int(distances.argmin())
    before = ring[: at + 1]
    after = ring[at:]
    return np.concatenate([before, turned, after])
