"""Rings: sorted into polygons, or joined into one, for formats that know only lists of rings or only one ring."""

from collections.abc import Sequence

import numpy as np

from inference.formats.model import Polygon, Ring


def polygons_of_rings(rings: Sequence[Ring]) -> tuple[Polygon, ...]:
    """Polygons by the even-odd rule: a ring inside an odd number of others is a hole of the smallest around it."""
    import shapely

    areas = [shapely.Polygon(ring) for ring in rings]
    order = sorted(range(len(rings)), key=lambda place: -areas[place].area)
    shells: dict[int, list[Ring]] = {}
    for place in order:
        inside = areas[place].representative_point() if areas[place].is_valid else shapely.Point(rings[place][0])
        around = [other for other in order if other != place and areas[other].area > areas[place].area]
        around = [other for other in around if areas[other].buffer(0).contains(inside)]
        holder = [other for other in around if other in shells]
        if len(around) % 2 and holder:
            shells[holder[-1]].append(rings[place])
        else:
            shells[place] = []
    return tuple(Polygon(rings[place], tuple(holes)) for place, holes in shells.items())


def one_ring(polygons: Sequence[Polygon]) -> Ring:
    """One ring around the same pixels: cuts of no width, walked both ways, join each hole and each part."""
    joined = polygons[0].shell
    for extra in (*polygons[0].holes, *(ring for part in polygons[1:] for ring in part.rings)):
        joined = _joined(joined, extra)
    return joined


def _joined(ring: Ring, other: Ring) -> Ring:
    start = int(np.lexsort((other[:, 1], other[:, 0]))[0])
    turned = np.concatenate([other[start:], other[: start + 1]])
    at = int(((ring - turned[0]) ** 2).sum(axis=1).argmin())
    return np.concatenate([ring[: at + 1], turned, ring[at:]])
