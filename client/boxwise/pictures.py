"""Masks as arrays and pictures, for notebooks. Coordinates are image pixels: origin top left, y down."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageDraw

LONGEST_SIDE = 1024  # px of what a notebook shows
OUTLINE = (0, 114, 178)  # where a class has no colour
Bits = npt.NDArray[np.bool_]


def bits_of(mask: Any) -> Bits:
    """The packed mask of a cell as (height, width) of its own box: row by row, high bit first."""
    width, height = int(mask["width"]), int(mask["height"])
    packed = np.frombuffer(base64.b64decode(mask["bits"]), np.uint8)
    return np.unpackbits(packed, count=width * height).reshape(height, width).astype(bool)


def label_map(cells: Sequence[Any], width: int, height: int) -> npt.NDArray[np.int32]:
    """(height, width): 0 is background, i + 1 the i-th of `cells`; where cells overlap, the later one."""
    labels = np.zeros((height, width), np.int32)
    for number, cell in enumerate(cells, start=1):
        mask = cell["mask"]
        if mask is None:
            continue
        bits = bits_of(mask)
        mask_height, mask_width = bits.shape
        x, y = int(mask["x"]), int(mask["y"])
        part = labels[y : y + mask_height, x : x + mask_width]
        part[bits] = number
    return labels


def drawn(rgb: npt.NDArray[np.uint8], cells: Sequence[Any], colours: dict[int | None, tuple[int, int, int]]) -> bytes:
    """A PNG of the tissue with the outlines of its cells; at most LONGEST_SIDE pixels long.

    rgb      (H, W, 3)
    colours  class id -> RGB
    """
    height, width, _channels = rgb.shape
    labels = label_map(cells, width, height)
    shown = rgb.copy()
    edge = _edges(labels)
    for number, cell in enumerate(cells, start=1):
        colour = colours.get(cell["label_class"], OUTLINE)
        if cell["mask"] is not None:
            shown[edge & (labels == number)] = colour
    picture = Picture.fromarray(shown)
    pen = ImageDraw.Draw(picture)
    boxes = [cell for cell in cells if cell["mask"] is None]
    for cell in boxes:
        colour = colours.get(cell["label_class"], OUTLINE)
        x0, y0, x1, y1 = cell["box"]
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _edges(labels: npt.NDArray[np.int32]) -> Bits:
    """Pixels of a cell that have a 4-neighbour of another label."""
    edge = np.zeros(labels.shape, bool)
    differs_right = labels[:, 1:] != labels[:, :-1]
    differs_down = labels[1:] != labels[:-1]
    edge[:, 1:] |= differs_right
    edge[:, :-1] |= differs_right
    edge[1:] |= differs_down
    edge[:-1] |= differs_down
    return edge & (labels > 0)
