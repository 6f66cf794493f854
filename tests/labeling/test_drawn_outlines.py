"""Outlines that the server draws into pictures: the colours of the workspace, a casing on both sides of the core."""

import json

import numpy as np
import PIL.Image
import pytest

from inference.masks import pack
from labeling.annotations.outlines import draw_outline, outline_of
from labeling.annotations.state import PackedMask
from labeling.images.crops import Square
from tests.labeling.test_outlines_on_tissue import TABLE, contrast, luminance

SQUARE = Square(10, 20, 16)
PIXELS = 160  # ten for each image pixel
FILLED = np.ones((8, 8), bool)
WHOLE = PackedMask(14, 24, 8, 8, pack(FILLED))
BOX = (14.0, 24.0, 22.0, 32.0)


@pytest.mark.parametrize("row", json.loads(TABLE.read_text()), ids=lambda row: row["colour"])
def test_colours_are_those_of_the_workspace(row):
    found = outline_of(row["colour"])
    assert list(found.core) == row["core"]
    assert list(found.casing) == row["casing"]


@pytest.mark.parametrize("grey", [0, 60, 118, 160, 210, 255])
@pytest.mark.parametrize("mask", [WHOLE, None], ids=["mask", "box"])
def test_an_outline_is_seen_on_tissue_of_any_brightness(grey, mask):
    tissue = (grey, grey, grey)
    picture = PIL.Image.new("RGB", (PIXELS, PIXELS), tissue)
    drawn = draw_outline(picture, SQUARE, BOX, mask, "#e69f00", width=4)
    line = np.asarray(drawn)[80].tolist()
    across = [tuple(pixel) for pixel in line]
    colours = outline_of("#e69f00")
    rim = 40  # the picture pixel where the cell begins
    assert across[rim - 2 : rim + 2] == [colours.core] * 4
    assert across[rim - 4 : rim - 2] == [colours.casing] * 2
    assert across[rim + 2 : rim + 4] == [colours.casing] * 2
    assert across[rim - 5] == tissue
    assert across[rim + 4] == tissue
    of_core = contrast(luminance(colours.core), luminance(tissue))
    of_casing = contrast(luminance(colours.casing), luminance(tissue))
    assert max(of_core, of_casing) >= 3


def test_a_cell_at_the_rim_of_the_picture_is_drawn_as_far_as_it_goes():
    tissue = PIL.Image.new("RGB", (PIXELS, PIXELS))
    bits = np.ones((12, 12), bool)
    mask = PackedMask(20, 30, 12, 12, pack(bits))
    box = (20.0, 30.0, 32.0, 42.0)
    drawn = np.asarray(draw_outline(tissue, SQUARE, box, mask, "#0072b2", width=4))
    core = outline_of("#0072b2").core
    assert tuple(drawn[130, 100]) == core
    assert not drawn[:90].any()
    assert not drawn[130, 110:].any()
