"""Outlines of cells that the server draws into pictures, in the colours of the workspace.

The rule is frontend/render/outline_colour.ts; tests/labeling/test_drawn_outlines.py reads the table that its own test
holds, so both say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageChops
import PIL.ImageFilter

from inference.masks import unpack
from labeling.annotations.state import PackedMask
from labeling.images.crops import Picture, Square

UNCLASSIFIED = "#f0e442"
LEAST_LIGHT = 0.4 + 0.006
MOST_DARK = 1.05 / 9 - 0.05 - 0.002
DARK_BELOW = 0.24
WHITE = (255, 255, 255)
BLACK = (0, 0, 0)
Colour: TypeAlias = tuple[int, int, int]
Bits: TypeAlias = npt.NDArray[np.bool_]
Linear: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OutlineColours:
    """RGB, 0..255: of the line itself, and of the black or white beside it."""

    core: Colour
    casing: Colour


def outline_of(colour: str) -> OutlineColours:
    """How a class colour "#rrggbb" is drawn, so that it is seen on any tissue."""
    linear = _linear(colour)
    if _luminance(linear) < DARK_BELOW:
        luminance = max(_luminance(linear), 1e-9)
        factor = min(1.0, MOST_DARK / luminance)
        return OutlineColours(_eight_bit(linear * factor), WHITE)
    return OutlineColours(_eight_bit(_lightened(linear)), BLACK)


def draw_outline(
    picture: Picture, square: Square, box: Sequence[float], mask: PackedMask | None, colour: str, *, width: int
) -> Picture:
    """The picture with the outline of one cell: of its mask, else of its box.

    picture  the square, as Cutter.cut gives it
    box      x0, y0, x1, y1 in image pixels
    width    of the core, picture pixels, even; the casing is half as wide on each side
    """
    inside = PIL.Image.fromarray(_inside(picture.width, square, box, mask))
    colours = outline_of(colour)
    drawn = picture.copy()
    drawn.paste(colours.casing, mask=_band(inside, width))
    drawn.paste(colours.core, mask=_band(inside, width // 2))
    return drawn


def _inside(pixels: int, square: Square, box: Sequence[float], mask: PackedMask | None) -> npt.NDArray[np.uint8]:
    """255 where the middle of a picture's pixel lies in the cell."""
    along = (np.arange(pixels) + 0.5) * (square.side / pixels)
    xs = square.x + along
    ys = square.y + along
    if mask is None:
        x0, y0, x1, y1 = box
        is_across: Bits = (xs >= x0) & (xs < x1)
        is_down: Bits = (ys >= y0) & (ys < y1)
        return np.outer(is_down, is_across).astype(np.uint8) * 255
    # A ring of empty pixels around the mask stands for everything outside it.
    ringed = np.pad(unpack(mask.bits, mask.width, mask.height), 1)
    columns = np.floor(xs).astype(int) - mask.x + 1
    columns = columns.clip(0, mask.width + 1)
    rows = np.floor(ys).astype(int) - mask.y + 1
    rows = rows.clip(0, mask.height + 1)
    bits = ringed[np.ix_(rows, columns)]
    return np.asarray(bits, np.uint8) * 255


def _band(inside: PIL.Image.Image, reach: int) -> PIL.Image.Image:
    """What lies within `reach` pixels of the cell's border, on both sides of it."""
    width = 2 * reach + 1
    grown = inside.filter(PIL.ImageFilter.MaxFilter(width))
    shrunk = inside.filter(PIL.ImageFilter.MinFilter(width))
    return PIL.ImageChops.subtract(grown, shrunk)


def _linear(colour: str) -> Linear:
    red, green, blue = bytes.fromhex(colour[1:])
    share = np.array([red, green, blue]) / 255
    curved = ((share + 0.055) / 1.055) ** 2.4
    return np.asarray(np.where(share <= 0.04045, share / 12.92, curved))


def _luminance(linear: Linear) -> float:
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _lightened(linear: Linear) -> Linear:
    """As light as its hue goes, and on from there towards white."""
    wanted = LEAST_LIGHT / _luminance(linear)
    brightest = 1 / float(linear.max())
    factor = max(1.0, min(wanted, brightest))
    brighter = linear * factor
    reached = _luminance(brighter)
    white = max(0.0, (LEAST_LIGHT - reached) / (1 - reached))
    return brighter + (1 - brighter) * white


def _eight_bit(linear: Linear) -> Colour:
    lit = linear.clip(0, 1)
    curved = 1.055 * lit ** (1 / 2.4) - 0.055
    share = np.where(lit <= 0.0031308, 12.92 * lit, curved)
    red, green, blue = np.floor(255 * share + 0.5).astype(int).tolist()
    return red, green, blue
