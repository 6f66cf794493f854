"""Large images in tiles with a halo, so that memory is bounded and no seam shows."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """`outer` (x0, y0, x1, y1) is what the model sees; `core` the part it answers for. Cores partition the image."""

    outer: tuple[int, int, int, int]
    core: tuple[int, int, int, int]


def tiles(width: int, height: int, side: int = 1024, halo: int = 64) -> Iterator[Tile]:
    """Row by row. An image not larger than side + 2 * halo is one tile."""
    for y0, y1 in spans(height, side, halo):
        for x0, x1 in spans(width, side, halo):
            outer = (max(0, x0 - halo), max(0, y0 - halo), min(width, x1 + halo), min(height, y1 + halo))
            yield Tile(outer, (x0, y0, x1, y1))


def spans(length: int, side: int, halo: int) -> list[tuple[int, int]]:
    if length <= side + 2 * halo:
        return [(0, length)]
    count = -(-length // side)
    edges = [round(i * length / count) for i in range(count + 1)]
    return list(itertools.pairwise(edges))
