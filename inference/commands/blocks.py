"""Instances of an image that is too large to be fused at once."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.ndimage import find_objects

from inference.tiles import Tile, tiles
from inference.types import RGB, Labels

SIDE, HALO = 4096, 128  # a block takes some 3 GB in the fusion; the halo is wider than the largest cell
LARGEST = 64_000_000  # pixels that are done at once


def in_blocks(predict: Callable[[RGB], Labels], rgb: RGB, *, side: int = SIDE, halo: int = HALO) -> Labels:
    """One label map of the whole image from overlapping blocks: a cell belongs to the block that holds its middle.

    predict  a block -> its instances
    ->       (H, W) int32; where cells of two blocks meet, the earlier keeps the pixel
    """
    height, width = rgb.shape[:2]
    labels = np.zeros((height, width), np.int32)
    count = 0
    for tile in tiles(width, height, side, halo):
        x0, y0, x1, y1 = tile.outer
        for y, x, bits in cells(predict(rgb[y0:y1, x0:x1]), tile):
            window = labels[y : y + bits.shape[0], x : x + bits.shape[1]]
            free = bits & (window == 0)
            if free.any():
                count += 1
                window[free] = count
    return labels


def cells(found: Labels, tile: Tile) -> Iterator[tuple[int, int, np.ndarray]]:
    """Top, left and bits, in pixels of the whole image, of the cells whose middle lies in the tile's core."""
    left, top, right, bottom = tile.core
    for number, place in enumerate(find_objects(found), start=1):
        if place is None:
            continue
        rows, columns = place
        y, x = rows.start + tile.outer[1], columns.start + tile.outer[0]
        middle_y, middle_x = y + (rows.stop - rows.start) / 2, x + (columns.stop - columns.start) / 2
        if left <= middle_x < right and top <= middle_y < bottom:
            yield y, x, found[place] == number
