"""Deep samples as 8 bit: the range that a picture really uses is spread, the same for all its channels.

    shown = 255 * (sample - low) / (high - low), cut to 0..255

`low` and `high` are stored with the image, so a shown value can be turned back into a sample to within one step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.reading.types import Samples, Unreadable
from inference.types import RGB

ROWS = 512  # of a picture that are worked on at once, so that memory stays near the size of the picture
TAIL = 0.001  # share of the samples at either end that may be cut off
FLOATS = 4_000_000  # samples of a float picture that its range is taken from
# A camera of n bits writes 0 to 2^n - 1, and its exposure sets the white of a bright-field picture. A picture whose
# bright end reaches three quarters of that is shown as the camera meant it: colours and optical densities keep their
# meaning, as they do in 8-bit files. It is stretched only where what it shows is less than a quarter of the range.
FULL = 0.75
CONTRAST = 0.25
NEAR_ZERO = 0.5  # of `high`: in a picture that reaches no camera's white, a low end below it is black


@dataclass(frozen=True)
class Range:
    """The samples that are shown as black and as white. `low` equals `high` for a picture of one value."""

    low: float
    high: float


def blocks(height: int) -> Iterator[slice]:
    for start in range(0, height, ROWS):
        end = min(height, start + ROWS)
        yield slice(start, end)


def used_range(colours: Samples, shown: npt.NDArray[np.bool_] | None = None) -> Range:
    """The range that a picture uses, without its hot pixels.

    colours  (h, w, n) samples of any real type, alpha not among them
    shown    (h, w) pixels that count; None for all

    Hot and dead pixels, rows and columns differ from their neighbours on both sides, so the median of three, along rows
    and then along columns, takes them out however bright they are; of what is left a thousandth at either end may be
    cut. Raises Unreadable when no sample is finite.
    """
    values, counts = _histogram(colours, shown)
    if not len(values):
        raise Unreadable("not_finite")
    low = _at(values, counts, TAIL)
    high = _at(values, counts, 1 - TAIL)
    if high <= low:  # nearly flat: what little there is must still be seen
        low = float(values[0])
        high = float(values[-1])
    return _snapped(low, high, colours.dtype)


def _histogram(colours: Samples, shown: npt.NDArray[np.bool_] | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Distinct values in order and how often each is there, after the medians of three."""
    whole = colours.dtype.kind in "ui" and colours.dtype.itemsize <= 2
    offset = int(np.iinfo(colours.dtype).min) if whole else 0
    counts = np.zeros(65_536, np.int64)
    kept: list[npt.NDArray[Any]] = []
    stride = max(1, colours.size // FLOATS)
    for rows in blocks(colours.shape[0]):
        middle = _median_of_three(_median_of_three(colours[rows], 1), 0)
        if shown is not None:
            middle = middle[shown[rows]]
        samples = middle.ravel()
        if whole:
            places = samples.astype(np.int64) - offset
            counts += np.bincount(places, minlength=65_536)
        else:
            part = samples[::stride]
            finite = part[np.isfinite(part)]
            kept.append(finite.astype(np.float64))
    if whole:
        found = np.flatnonzero(counts)
        return found + offset, counts[found]
    return np.unique(np.concatenate(kept), return_counts=True)


def _median_of_three(block: Samples, axis: int) -> Samples:
    """(h, w, n): each sample's median with its two neighbours along an axis.

    The first and the last have one neighbour, so nothing tells a hot one there: they get the next one's median.
    """
    if block.shape[axis] < 3:
        return block
    block = np.moveaxis(block, axis, 0)
    before, here, after = block[:-2], block[1:-1], block[2:]
    smaller = np.minimum(before, here)
    larger = np.maximum(before, here)
    middle = np.maximum(smaller, np.minimum(larger, after))
    whole = np.concatenate([middle[:1], middle, middle[-1:]])
    return np.moveaxis(whole, 0, axis)


def _at(values: npt.NDArray[Any], counts: npt.NDArray[Any], share: float) -> float:
    """The smallest value that at least `share` of the samples do not exceed."""
    reached = np.searchsorted(np.cumsum(counts), share * counts.sum())
    last = len(values) - 1
    return float(values[min(int(reached), last)])


def _snapped(low: float, high: float, dtype: np.dtype[Any]) -> Range:
    if low < 0:
        return Range(low, high)
    tops = [float(2**bits - 1) for bits in range(7, 17)]
    if dtype.kind == "f":
        tops.insert(0, 1.0)
    for top in tops:
        reaches_white = FULL * top <= high <= top
        has_contrast = high - low >= CONTRAST * top
        if reaches_white and has_contrast:
            return Range(0.0, top)
    if low < NEAR_ZERO * high:
        return Range(0.0, high)
    return Range(low, high)


def as_bytes(colours: Samples, used: Range) -> npt.NDArray[np.uint8]:
    """(h, w, n) samples -> uint8 of the same shape. NaN is black, infinite samples are the ends."""
    width = used.high - used.low
    made = np.empty(colours.shape, np.uint8)
    for rows in blocks(colours.shape[0]):
        values = colours[rows].astype(np.float64)
        if width > 0:
            values = (values - used.low) * (255 / width)
        else:  # of one value: nothing to spread
            values = np.where(values > 0, 128.0, 0.0)
        values = np.nan_to_num(values, nan=0, posinf=255, neginf=0)
        made[rows] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return made


def as_rgb(shown: npt.NDArray[np.uint8]) -> RGB:
    """(h, w, 1|3) -> (h, w, 3), contiguous."""
    return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))
