"""Telling a label map (a whole number a cell, 0 elsewhere) from a picture that has one channel.

Three things hold together in a label map and hardly ever in a picture: whole numbers from 0 on with few left out, the
same number at neighbouring pixels of an object, and jumps of any size between objects.
"""

from typing import Any

import numpy as np

from inference.reading.types import Samples

SIDE = 2048  # px of a large picture's middle that is looked at
DENSE = 0.5  # least share of the numbers from 0 to the largest that occur
SAME = 0.7  # least share of the pixels of objects whose next pixel, to the right and below, is of the same object
BACKGROUND = 0.01  # least share of pixels that are 0


def largest_label(grey: Samples) -> int | None:
    """The largest number when `grey` is a label map, else None.

    grey  (h, w, 1) samples of any real type, black is 0
    """
    height, width = grey.shape[:2]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    part = grey[top : top + SIDE, left : left + SIDE, 0]
    if min(part.shape) < 2 or not _whole(part):
        return None
    numbers = np.unique(part)
    largest = int(numbers[-1])
    if numbers[0] != 0 or not 1 <= largest < 2**31:
        return None
    if len(numbers) < DENSE * (largest + 1) or (part == 0).mean() < BACKGROUND:
        return None
    if largest == 1 and grey.dtype.kind == "f":
        return None  # black and white as 0.0 and 1.0, as image programs write them
    if min(_constant(part, axis) for axis in (0, 1)) < SAME:
        return None
    return None if _in_steps_of_one(part, len(numbers)) else largest


def _constant(part: np.ndarray[Any, Any], axis: int) -> float:
    """Share of the pixels of objects whose next pixel along an axis has the same number."""
    here, there = (part[:-1], part[1:]) if axis == 0 else (part[:, :-1], part[:, 1:])
    objects = here != 0
    return float((here == there)[objects].mean()) if objects.any() else 0.0


def _whole(part: np.ndarray[Any, Any]) -> bool:
    return part.dtype.kind in "ui" or bool(np.isfinite(part).all() and (part == np.rint(part)).all())


def _in_steps_of_one(part: np.ndarray[Any, Any], numbers: int) -> bool:
    """Whether nearly all changes between neighbours are by one, as in a smooth dark picture of many greys."""
    if numbers < 6:
        return False
    values = part.astype(np.float64)
    steps = np.concatenate([np.abs(np.diff(values, axis=axis)).ravel() for axis in (0, 1)])
    return bool((steps[steps > 0] == 1).mean() > 0.8)
