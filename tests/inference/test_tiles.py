"""Tiles of large images: every pixel is answered for once, by a tile that sees around it."""

import numpy as np
import pytest

from inference.tiles import tiles


@pytest.mark.parametrize(("width", "height"), [(16, 16), (1152, 1152), (1153, 300), (20_000, 3_000), (2_500, 2_500)])
def test_cores_partition_the_image_and_lie_inside_a_halo(width, height):
    answered = np.zeros((height, width), np.uint8)
    for tile in tiles(width, height):
        x0, y0, x1, y1 = tile.core
        answered[y0:y1, x0:x1] += 1
        a, b, c, d = tile.outer
        assert a == max(0, x0 - 64) and b == max(0, y0 - 64) and c == min(width, x1 + 64) and d == min(height, y1 + 64)
        assert (c - a) * (d - b) <= 1152 * 1152  # what bounds the memory
    assert (answered == 1).all()
