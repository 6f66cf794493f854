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

Plane = np.ndarray[Any, Any]  # (h, w) samples


def largest_label(grey: Samples) -> int | None:
    """The largest number when `grey` is a label map, else None.

    grey  (h, w, 1) samples of any real type, black is 0
    """
    height, width = grey.shape[:2]
    top = max(0, (height - SIDE) // 2)
    left = max(0, (width - SIDE) // 2)
    part = grey[top : top + SIDE, left : left + SIDE, 0]
    if min(part.shape) < 2 or not _whole(part):
        return None
    numbers = np.unique(part)
    largest = int(numbers[-1])
    if numbers[0] != 0 or not 1 <= largest < 2**31:
        return None
    if largest == 1 and grey.dtype.kind == "f":
        return None  # black and white as 0.0 and 1.0, as image programs write them
    possible = largest + 1
    if len(numbers) < DENSE * possible:
        return None
    if _is_picture(part, len(numbers)):
        return None
    return largest


def _is_picture(part: Plane, numbers: int) -> bool:
    """Whether the pixels lie as in a picture: hardly any background, changes within objects, or smooth greys."""
    background = (part == 0).mean()
    if background < BACKGROUND:
        return True
    if _same_as_next(part[:-1], part[1:]) < SAME:
        return True
    if _same_as_next(part[:, :-1], part[:, 1:]) < SAME:
        return True
    return _in_steps_of_one(part, numbers)


def _same_as_next(here: Plane, following: Plane) -> float:
    """Share of the pixels of objects whose next pixel has the same number; 0 without objects."""
    objects = here != 0
    if not objects.any():
        return 0.0
    same = here == following
    return float(same[objects].mean())


def _whole(part: Plane) -> bool:
    """Whether all samples are whole numbers."""
    if part.dtype.kind in "ui":
        return True
    if not np.isfinite(part).all():
        return False
    return bool((part == np.rint(part)).all())


def _in_steps_of_one(part: Plane, numbers: int) -> bool:
    """Whether nearly all changes between neighbours are by one, as in a smooth dark picture of many greys."""
    if numbers < 6:
        return False
    values = part.astype(np.float64)
    down = np.diff(values, axis=0)
    across = np.diff(values, axis=1)
    steps = np.abs(np.concatenate([down.ravel(), across.ravel()]))
    changes = steps[steps > 0]
    by_one = (changes == 1).mean()
    return bool(by_one > 0.8)
