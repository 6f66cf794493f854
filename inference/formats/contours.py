"""Contours through the centres of border pixels, as OpenCV's findContours gives them: HoVer-Net's JSON and
Cellpose's outlines hold these. Their numbers are pixel indices, so the border pixels belong to the object, and a
contour runs half a pixel inside of our outline.
"""

import numpy as np
import numpy.typing as npt

from inference.formats.geometry import fill
from inference.formats.outlines import area, rings_of
from inference.masks import tight
from inference.types import BoxMask

Pixels = npt.NDArray[np.int64]  # (n, 2) x, y of pixels


def mask_of_contour(contour: Pixels) -> BoxMask | None:
    """The pixels inside a contour and on it; None for no point."""
    if not len(contour):
        return None
    left, top = contour.min(axis=0)
    right, bottom = contour.max(axis=0) + 1
    bits = np.zeros((bottom - top, right - left), bool)
    inside = fill([contour + 0.5])
    if inside is not None:
        height, width = inside.bits.shape
        bits[inside.y - top : inside.y - top + height, inside.x - left : inside.x - left + width] |= inside.bits
    border = _walked(contour)
    bits[border[:, 1] - top, border[:, 0] - left] = True
    return tight(BoxMask(int(left), int(top), bits))


def _walked(contour: Pixels) -> Pixels:
    """Every pixel on the closed way along the contour."""
    following = np.roll(contour, -1, axis=0)
    steps = np.maximum(np.abs(following - contour).max(axis=1), 1)
    edge = np.repeat(np.arange(len(contour)), steps)
    share = (np.arange(len(edge)) - np.repeat(np.cumsum(steps) - steps, steps)) / steps[edge]
    way = contour[edge] + share[:, None] * (following - contour)[edge]
    return np.rint(way).astype(np.int64)


def contour_of(mask: BoxMask) -> tuple[Pixels, int]:
    """The contour of the largest part, corners only, and how many other parts there are that it leaves out.

    Parts are 8-connected, as OpenCV sees them.
    """
    from scipy.ndimage import label

    labels, count = label(mask.bits, np.ones((3, 3)))
    largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    bits = labels == largest
    outer = [ring for ring in rings_of(bits, joins_corners=True) if area(ring) > 0]
    ring = max(outer, key=area)
    pixels = _corners_only(_pixels_along(np.array(ring, np.int64)))
    corner = np.array([mask.x, mask.y])
    return pixels + corner, int(count) - 1


def _pixels_along(ring: Pixels) -> Pixels:
    """The pixels on the right hand of each unit edge of a ring of pixel corners, repeated ones once."""
    following = np.roll(ring, -1, axis=0)
    length = np.abs(following - ring).sum(axis=1)
    way = np.sign(following - ring)
    edge = np.repeat(np.arange(len(ring)), length)
    along = np.arange(len(edge)) - np.repeat(np.cumsum(length) - length, length)
    begin = ring[edge] + along[:, None] * way[edge]
    dx, dy = way[edge].T
    # Right hand, y down: moving right the pixel below, moving down the one to the left, and so on.
    x = begin[:, 0] - ((dx < 0) | (dy > 0))
    y = begin[:, 1] - ((dx < 0) | (dy < 0))
    pixels = np.stack([x, y], axis=1)
    is_new = (pixels != np.roll(pixels, 1, axis=0)).any(axis=1)
    return pixels[is_new] if is_new.any() else pixels[:1]


def _corners_only(pixels: Pixels) -> Pixels:
    """Without the pixels in the middle of a straight run."""
    if len(pixels) < 3:
        return pixels
    before = pixels - np.roll(pixels, 1, axis=0)
    after = np.roll(pixels, -1, axis=0) - pixels
    return pixels[(before != after).any(axis=1)]
