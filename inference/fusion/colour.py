"""Patch-wise colour models: P of eq. (2), where the masks disagree.

Patch k of K covers rows k * H // K to (k + 1) * H // K: every pixel lies in one (the paper's public code leaves a rim
uncovered when K does not divide H). Only patches that hold ambiguous pixels are fitted. A patch with fewer than
`minimum_pixels` agreed pixels of a class, or none, uses the whole image's model of that class; when the image has
none either, P is 0.5 and the neighbours decide.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from inference.fusion import binning, mixtures
from inference.fusion.certificate import Parameters
from inference.types import RGB

Kind = npt.NDArray[np.uint8]  # (H, W): 0 agreed background, 1 agreed cell, 2 ambiguous
BACKGROUND, FOREGROUND, AMBIGUOUS = 0, 1, 2

FEW = 400  # bins of a patch, both classes, up to which it is binned a bit finer
DIRECT = 6  # bits a channel up to which every bin has a slot of its own
CHUNK = 512  # ambiguous pixels evaluated at a time: the working columns stay in the first-level cache


def bounds(length: int, parameters: Parameters) -> npt.NDArray[np.int64]:
    """Where patches begin and end along one side, (k + 1,), first 0, last `length`, no patch empty."""
    if parameters.patch_px is not None:
        return np.append(np.arange(0, length, parameters.patch_px), length)
    k = parameters.grid
    return np.unique(np.arange(k + 1) * length // k)


@dataclass(frozen=True)
class ColourModels:
    """Frozen mixtures of an image.

    rows, columns  patch bounds, see `bounds`
    table          (patches down, patches across, 2, N, 10): background then foreground, rows of mixtures.fit
    known          (2,) bool: whether the image has agreed pixels of the class at all; if not, P is 0.5 everywhere
    """

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    table: npt.NDArray[np.float64]
    known: npt.NDArray[np.bool_]

    def probability(self, rgb: RGB, pixels: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """P at flat indices `pixels`, ascending. NaN in a patch that was not fitted (see fit_models)."""
        if not self.known.all():
            return np.full(len(pixels), 0.5, np.float32)
        out = np.empty(len(pixels), np.float32)
        _evaluate(rgb, pixels, self.rows, self.columns, self.table, out)
        return out


@njit(cache=True)
def locate(kind: Any, rows: Any, columns: Any) -> Any:
    """-> pixels (n,) int32 flat indices of kind 2, ascending; counts (down, across, 3) of every kind in every patch."""
    h, w = kind.shape
    down, across = len(rows) - 1, len(columns) - 1
    counts = np.zeros((down, across, 3), np.int64)
    for i in range(down):
        for y in range(rows[i], rows[i + 1]):
            for j in range(across):
                ones = twos = 0
                for x in range(columns[j], columns[j + 1]):
                    k = kind[y, x]
                    ones += k & 1
                    twos += k >> 1
                counts[i, j, 0] += columns[j + 1] - columns[j] - ones - twos
                counts[i, j, 1] += ones
                counts[i, j, 2] += twos
    pixels = np.empty(counts[:, :, 2].sum(), np.int32)
    n = 0
    for y in range(h):
        for x in range(w):
            if kind[y, x] == 2:
                pixels[n] = y * w + x
                n += 1
    return pixels, counts


@njit(cache=True)
def _evaluate(rgb: Any, pixels: Any, rows: Any, columns: Any, table: Any, out: Any) -> None:
    w = rgb.shape[1]
    x, y, z = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    found, place = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.int64)
    scratch = np.empty((2 * table.shape[3] + 3, CHUNK))
    at = 0
    for i in range(len(rows) - 1):
        height = rows[i + 1] - rows[i]
        cursor, stop = np.empty(height, np.int64), np.empty(height, np.int64)
        for r in range(height):  # scan order crosses patches, so every row keeps its place
            cursor[r] = at
            while at < len(pixels) and pixels[at] < (rows[i] + r + 1) * w:
                at += 1
            stop[r] = at
        if cursor[0] == at:
            continue
        for j in range(len(columns) - 1):
            n = 0
            for r in range(height):
                row = rows[i] + r
                while cursor[r] < stop[r]:
                    column = pixels[cursor[r]] - row * w
                    if column >= columns[j + 1]:
                        break
                    x[n], y[n], z[n] = rgb[row, column, 0], rgb[row, column, 1], rgb[row, column, 2]
                    place[n] = cursor[r]
                    cursor[r] += 1
                    n += 1
                    if n == CHUNK:
                        _flush(table[i, j], x, y, z, place, n, scratch, found, out)
                        n = 0
            _flush(table[i, j], x, y, z, place, n, scratch, found, out)


@njit(cache=True)
def _flush(models: Any, x: Any, y: Any, z: Any, place: Any, n: int, scratch: Any, found: Any, out: Any) -> None:
    mixtures.foreground_probability(models[0], models[1], x[:n], y[:n], z[:n], scratch, found[:n])
    for k in range(n):
        out[place[k]] = found[k]


class Counter:
    """Bins the agreed pixels of a region, reusing its scratch, and as finely as its colours are few.

    Bins are a bit a channel finer than `bits` while those of the level above number at most FEW. A patch of narrow
    colours has few bins, so EM has time for finer ones; and it needs them, since its Gaussians are narrower than a bin.
    """

    def __init__(self, bits: int, most_pixels: int) -> None:
        self._levels = [_Bins(level, min(most_pixels, 1 << (3 * level + 1))) for level in range(bits, 9)]
        self._first = 0
        self._used = len(self._levels)

    def clear(self) -> None:
        """Forget what was counted.

        Neighbouring patches need the same level as a rule, so the next count begins there; coarser bins are merged
        from finer ones where they are wanted after all. So this saves time and changes no bin.
        """
        if self._levels[self._first].found:
            self._first = min(self._settle(), 1)
        for level in self._levels:
            level.clear()
        self._used = len(self._levels)

    def count(self, rgb: RGB, kind: Kind, y0: int, y1: int, x0: int, x1: int) -> None:
        """Add the agreed pixels of a region to what was counted since the last `clear`."""
        for k in range(self._first, self._used):
            self._levels[k].count(rgb, kind, y0, y1, x0, x1)
            if self._levels[k].found > FEW:
                for finer in self._levels[k + 1 : self._used]:
                    finer.clear()
                self._used = k + 1
                break

    def fit(self, side: int, components: int) -> npt.NDArray[np.float64]:
        """The mixture of class `side` of what was counted."""
        bins = self._levels[self._settle()]
        centre, columns = binning.columns_of(bins.moments, bins.owner, bins.found, side)
        model: npt.NDArray[np.float64] = mixtures.fit(centre, columns, components)
        return model

    def _settle(self) -> int:
        """The coarsest level with more than FEW bins, or the finest: the level that counts."""
        level = self._used - 1
        while level > 0 and level == self._first:
            coarser = self._levels[level - 1]
            if not coarser.found:
                coarser.merge(self._levels[level])
            if coarser.found <= FEW:
                break
            level -= 1
        return level


class _Bins:
    """Colour bins of both classes at one level, at most `capacity`. Scratch is allocated when first used."""

    def __init__(self, bits: int, capacity: int) -> None:
        self._bits, self._capacity = bits, max(1, capacity)
        self.found = 0

    @property
    def owner(self) -> npt.NDArray[np.uint8]:
        """(found,): the class a bin belongs to."""
        return (self._codes[: self.found] >> (3 * self._bits)).astype(np.uint8)

    def clear(self) -> None:
        if self.found:
            binning.clear_bins(self._slots, self._places, self.found)
            self.found = 0

    def count(self, rgb: RGB, kind: Kind, y0: int, y1: int, x0: int, x1: int) -> None:
        self._allocate()
        self.found = binning.count_colours(
            rgb, kind, y0, y1, x0, x1, self._bits,
            self._low, self._slots, self._places, self._codes, self._packed, self.moments, self.found,
        )  # fmt: skip

    def merge(self, finer: "_Bins") -> None:
        """The bins of this level, empty before, from those of the level that is a bit finer."""
        self._allocate()
        self.found = binning.merge_bins(
            finer._codes, finer.moments, finer.found, self._bits, self._slots, self._places, self._codes, self.moments
        )

    def _allocate(self) -> None:
        if hasattr(self, "_slots"):
            return
        every = 1 << (3 * self._bits + 1)
        hashed = 1 << (2 * self._capacity - 1).bit_length()
        self._slots = np.zeros(every if self._bits <= DIRECT else min(hashed, every), np.int32)
        self._places = np.empty(self._capacity, np.int64)
        self._codes = np.empty(self._capacity, np.uint32)
        self._packed = np.zeros((self._capacity, 4), np.int64)
        self._low = _low_parts(self._bits)
        self.moments = np.empty((self._capacity, binning.MOMENTS), np.int64)


@cache
def _low_parts(bits: int) -> npt.NDArray[np.int64]:
    return binning.low_parts(bits)


def fit_models(
    rgb: RGB,
    kind: Kind,
    counts: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    parameters: Parameters,
    *,
    everywhere: bool = False,
) -> ColourModels:
    """Fit the mixtures that the ambiguous pixels need, or those of every patch.

    counts  (down, across, 3) as from `locate`
    """
    n = parameters.components
    agreed = counts[:, :, :2]
    known = agreed.sum(axis=(0, 1)) > 0
    table = np.full((*counts.shape[:2], 2, n, 10), np.nan)  # NaN where nothing asks
    if not known.all():
        return ColourModels(rows, columns, table, known)
    needed = np.ones(counts.shape[:2], bool) if everywhere else counts[:, :, 2] > 0
    enough = agreed >= max(parameters.minimum_pixels, 1)
    own = enough & needed[:, :, None]
    counter = Counter(parameters.bits, int(agreed.sum(axis=2)[needed].max(initial=0)))
    for i, j in np.argwhere(own.any(axis=2)):
        counter.clear()
        counter.count(rgb, kind, rows[i], rows[i + 1], columns[j], columns[j + 1])
        for side in np.flatnonzero(own[i, j]).tolist():
            table[i, j, side] = counter.fit(side, n)
    missing = ~enough & needed[:, :, None]
    if missing.any():
        whole = Counter(parameters.bits, int(agreed.sum()))
        whole.count(rgb, kind, 0, kind.shape[0], 0, kind.shape[1])
        for side in (BACKGROUND, FOREGROUND):
            if missing[:, :, side].any():
                table[missing[:, :, side], side] = whole.fit(side, n)
    return ColourModels(rows, columns, table, known)
