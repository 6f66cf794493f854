"""From one kind of geometry to another: masks, outlines, boxes, COCO's run lengths."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.formats.model import Area, Box, Geometry, Line, Outline, Pixels, Points, Polygon, Rectangle, Ring
from inference.formats.model import RunLengths as Runs
from inference.formats.outlines import polygons_of
from inference.masks import clip, run_lengths, tight
from inference.types import BoxMask

MOST_PIXELS = 2**28  # of one mask: 16,384 x 16,384


class TooLarge(ValueError):
    """A mask of this size is not painted."""


def mask_of(geometry: Geometry, size: tuple[int, int] | None = None) -> BoxMask | None:
    """The pixels of an area, tight and, with a size, inside the image; None when there is no pixel or no area.

    A pixel belongs to an outline when its centre does. Raises TooLarge.
    """
    if isinstance(geometry, Pixels):
        found: BoxMask | None = geometry.mask
    elif isinstance(geometry, Runs):
        found = decode(geometry)
    elif isinstance(geometry, Outline):
        found = union([mask for part in geometry.polygons if (mask := fill(part.rings, size)) is not None])
    else:
        found = None
    if found is None or size is None:
        return found
    return clip(found, *size)


def fill(rings: Sequence[npt.NDArray[np.floating[Any]]], size: tuple[int, int] | None = None) -> BoxMask | None:
    """The pixels whose centres lie in the rings by the even-odd rule, tight; None when there are none.

    Each row of pixels is crossed by edges; between the first and the second crossing is inside.
    """
    begin = np.concatenate(rings)
    end = np.concatenate([np.roll(one, -1, axis=0) for one in rings])
    if not len(begin):
        return None
    left, top = np.floor(begin.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(begin.max(axis=0)).astype(int).tolist()
    if size is not None:
        left = max(left, 0)
        top = max(top, 0)
        right = min(right, size[0])
        bottom = min(bottom, size[1])
    width = right - left
    height = bottom - top
    if width <= 0 or height <= 0:
        return None
    if width * height > MOST_PIXELS:
        raise TooLarge(f"a mask of {width} x {height} px is larger than {MOST_PIXELS} px")
    rows, columns = _crossings(begin, end, top, height)
    columns = np.clip(columns - left, 0, width).astype(np.int64)
    stride = width + 1
    toggles = np.bincount(rows * stride + columns, minlength=height * stride)
    odd = (toggles & 1).astype(np.uint8)
    odd = odd.reshape(height, stride)
    inside = np.bitwise_xor.accumulate(odd, axis=1)
    bits = inside[:, :width].astype(bool)
    return tight(BoxMask(left, top, bits))


def _crossings(
    begin: Ring,
    end: Ring,
    top: int,
    height: int,
) -> tuple[npt.NDArray[np.int64], Ring]:
    """For every edge and every row whose centre it crosses: the row, from `top`, and the first column right of it."""
    bottom = top + height
    low = np.minimum(begin[:, 1], end[:, 1])
    high = np.maximum(begin[:, 1], end[:, 1])
    first = np.ceil(low - 0.5)
    last = np.ceil(high - 0.5)
    first = np.clip(first, top, bottom).astype(np.int64)
    last = np.clip(last, top, bottom).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(begin)), count)
    skipped = np.cumsum(count) - count
    rows = first[edge] + np.arange(len(edge)) - skipped[edge]
    rise = end[edge, 1] - begin[edge, 1]
    along = (rows + 0.5 - begin[edge, 1]) / rise
    x = begin[edge, 0] + along * (end[edge, 0] - begin[edge, 0])
    return rows - top, np.ceil(x - 0.5)


def union(masks: Sequence[BoxMask]) -> BoxMask | None:
    """All pixels of the masks; None without masks."""
    if len(masks) < 2:
        return masks[0] if masks else None
    left = min(mask.x for mask in masks)
    top = min(mask.y for mask in masks)
    right = max(mask.x + mask.bits.shape[1] for mask in masks)
    bottom = max(mask.y + mask.bits.shape[0] for mask in masks)
    if (right - left) * (bottom - top) > MOST_PIXELS:
        raise TooLarge(f"a mask of {right - left} x {bottom - top} px is larger than {MOST_PIXELS} px")
    bits = np.zeros((bottom - top, right - left), bool)
    for mask in masks:
        height, width = mask.bits.shape
        y = mask.y - top
        x = mask.x - left
        bits[y : y + height, x : x + width] |= mask.bits
    return BoxMask(left, top, bits)


def outline_of(geometry: Area) -> tuple[Polygon, ...]:
    """The polygons of an area. Those of a mask run along the edges of its pixels, so filling gives the mask back."""
    if isinstance(geometry, Outline):
        return geometry.polygons
    mask = mask_of(geometry)
    if mask is None:
        return ()
    made = []
    for part in polygons_of(mask):
        rings = [np.array(one, np.float64) for one in part]
        made.append(Polygon(rings[0], tuple(rings[1:])))
    return tuple(made)


def box_of(geometry: Geometry) -> Box:
    """The smallest box around it, half-open; of a mask, of its pixels. (0, 0, 0, 0) for an empty mask."""
    if isinstance(geometry, Rectangle):
        return geometry.box
    if isinstance(geometry, Pixels | Runs):
        mask = mask_of(geometry)
        if mask is None:
            return (0.0, 0.0, 0.0, 0.0)
        height, width = mask.bits.shape
        return (float(mask.x), float(mask.y), float(mask.x + width), float(mask.y + height))
    xy = points_of(geometry)
    x0, y0 = xy.min(axis=0)
    x1, y1 = xy.max(axis=0)
    return (float(x0), float(y0), float(x1), float(y1))


def points_of(geometry: Outline | Points | Line) -> Ring:
    if isinstance(geometry, Outline):
        return np.concatenate([part.shell for part in geometry.polygons])
    return geometry.xy


def corners(box: Box) -> Ring:
    """The rectangle as a ring, clockwise from the top left."""
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def ellipse(
    cx: float,
    cy: float,
    rx: float,
    ry: float,
    turned: float = 0.0,
) -> Outline:
    """An ellipse as a polygon of 72 corners. `turned` in degrees, clockwise on the screen."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x, y = rx * np.cos(angle), ry * np.sin(angle)
    turn = np.deg2rad(turned)
    xy = np.stack([cx + x * np.cos(turn) - y * np.sin(turn), cy + x * np.sin(turn) + y * np.cos(turn)], axis=1)
    return Outline((Polygon(xy),), is_ellipse=True)


# -- COCO's run lengths: down the columns, beginning with a (maybe empty) run of background


def encode(mask: BoxMask, size: tuple[int, int]) -> Runs:
    """A mask that lies inside an image of this size (width, height) as compressed run lengths."""
    from pycocotools import mask as coco_mask

    width, height = size
    counts = run_lengths(mask, width, height)
    made = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return Runs(width, height, made["counts"])


def decode(runs: Runs) -> BoxMask | None:
    """The mask, tight; costs what the object is large, not what the image is.

    Raises ValueError for runs that do not fit the size, TooLarge for a mask that is not painted.
    """
    return mask_of_counts(counts_of(runs.counts), runs.width, runs.height)


def counts_of(text: bytes) -> npt.NDArray[np.int64]:
    """The lengths in COCO's compressed text: 6 bits a character from "0" on, the highest says that more follow, and
    from the fourth length on the difference to the length two before.

    Raises ValueError for what is no such text.
    """
    characters = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(characters):
        raise ValueError("the run lengths are empty")
    if characters.min() < 0 or characters.max() > 63 or characters[-1] & 0x20:
        raise ValueError("the run lengths hold characters that compressed run lengths do not have")
    ends = np.flatnonzero((characters & 0x20) == 0)
    begins = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(characters)) - np.repeat(begins, ends - begins + 1)
    if place.max() > 10:
        raise ValueError("a run length has too many digits")
    values = np.add.reduceat((characters & 0x1F) << (5 * place), begins)
    is_negative = (characters[ends] & 0x10) != 0
    values -= np.where(is_negative, np.int64(1) << (5 * (ends - begins + 1)), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def mask_of_counts(counts: npt.NDArray[np.int64], width: int, height: int) -> BoxMask | None:
    """The mask of uncompressed run lengths, tight; None when they hold no pixel."""
    if (counts < 0).any() or int(counts.sum()) > width * height:
        raise ValueError(f"the runs do not fit an image of {width} x {height} px")
    ends = np.cumsum(counts)
    lengths = counts[1::2]
    starts = ends[1::2] - lengths
    total = int(lengths.sum())
    if total > MOST_PIXELS:
        raise TooLarge(f"a mask of {total} px is larger than {MOST_PIXELS} px")
    if total == 0:
        return None
    before = np.cumsum(lengths) - lengths
    at = np.arange(total) - np.repeat(before - starts, lengths)
    columns, rows = np.divmod(at, height)
    left, top = int(columns.min()), int(rows.min())
    shape = (int(rows.max()) - top + 1, int(columns.max()) - left + 1)
    if shape[0] * shape[1] > MOST_PIXELS:
        raise TooLarge(f"a mask of {shape[1]} x {shape[0]} px is larger than {MOST_PIXELS} px")
    bits = np.zeros(shape, bool)
    bits[rows - top, columns - left] = True
    return BoxMask(left, top, bits)
