"""Contours through the centres of border pixels, as OpenCV's findContours gives them: HoVer-Net's JSON and
Cellpose's outlines hold these. Their numbers are pixel indices, so the border pixels belong to the object, and a
contour runs half a pixel inside of our outline.
"""

import numpy as np
import numpy.typing as npt

from inference.formats.geometry import MOST_PIXELS, TooLarge, fill
from inference.formats.outlines import area, rings_of
from inference.masks import tight
from inference.types import BoxMask

Pixels = npt.NDArray[np.int64]  # (n, 2) x, y of pixels
Numbers = npt.NDArray[np.int64]


def mask_of_contour(contour: Pixels) -> BoxMask | None:
    """The pixels inside a contour and on it; None for no point. Raises TooLarge."""
    if not len(contour):
        return None
    corner = contour.min(axis=0)
    width, height = (contour.max(axis=0) + 1 - corner).tolist()
    if width * height > MOST_PIXELS:
        raise TooLarge(f"a mask of {width} x {height} px is larger than {MOST_PIXELS} px")
    left, top = corner.tolist()
    bits = np.zeros((height, width), bool)
    centres = contour + 0.5
    inside = fill([centres])
    if inside is not None:
        rows = slice(inside.y - top, inside.y - top + inside.bits.shape[0])
        columns = slice(inside.x - left, inside.x - left + inside.bits.shape[1])
        bits[rows, columns] = inside.bits
    border = _walked(contour) - corner
    bits[border[:, 1], border[:, 0]] = True
    return tight(BoxMask(left, top, bits))


def _walked(contour: Pixels) -> Pixels:
    """Every pixel on the closed way along the contour."""
    following = np.roll(contour, -1, axis=0)
    way = following - contour
    steps = np.abs(way).max(axis=1)
    steps = np.maximum(steps, 1)
    edge, along = _steps_of_edges(steps)
    share = along / steps[edge]
    walked = contour[edge] + share[:, None] * way[edge]
    return np.rint(walked).astype(np.int64)


def _steps_of_edges(steps: Numbers) -> tuple[Numbers, Numbers]:
    """For each step of all edges: the edge, and how many steps of it were before."""
    edge = np.repeat(np.arange(len(steps)), steps)
    before = np.cumsum(steps) - steps
    along = np.arange(len(edge)) - before[edge]
    return edge, along


def contour_of(mask: BoxMask) -> tuple[Pixels, int]:
    """The contour of the largest part, corners only, and how many other parts there are that it leaves out.

    Parts are 8-connected, as OpenCV sees them.
    """
    from scipy.ndimage import label

    labels, count = label(mask.bits, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    rings = rings_of(labels == largest, joins_corners=True)
    border = max(rings, key=area)
    along = _pixels_along(np.array(border, np.int64))
    corner = np.array([mask.x, mask.y])
    return _corners_only(along) + corner, int(count) - 1


def _pixels_along(ring: Pixels) -> Pixels:
    """The pixels on the right hand of each unit edge of a ring of pixel corners, repeated ones once."""
    following = np.roll(ring, -1, axis=0)
    length = np.abs(following - ring).sum(axis=1)
    way = np.sign(following - ring)
    edge, along = _steps_of_edges(length)
    begin = ring[edge] + along[:, None] * way[edge]
    dx, dy = way[edge].T
    # Right hand, y down: moving right the pixel below, moving down the one to the left, and so on.
    left_of = (dx < 0) | (dy > 0)
    above = (dx < 0) | (dy < 0)
    pixels = begin - np.stack([left_of, above], axis=1)
    before = np.roll(pixels, 1, axis=0)
    is_new = (pixels != before).any(axis=1)
    return pixels[is_new] if is_new.any() else pixels[:1]


def _corners_only(pixels: Pixels) -> Pixels:
    """Without the pixels in the middle of a straight run."""
    if len(pixels) < 3:
        return pixels
    before = pixels - np.roll(pixels, 1, axis=0)
    after = np.roll(pixels, -1, axis=0) - pixels
    turns = (before != after).any(axis=1)
    return pixels[turns]
