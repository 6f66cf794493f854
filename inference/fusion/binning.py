"""Pixels counted into colour bins of 2^bits levels a channel, with exact moments.

A bin keeps the exact number, mean and second moments of its pixels; with 8 bits a bin is one colour. Counting touches
every pixel of an image, so it adds packed numbers: see `low_parts`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

MOMENTS = 10  # n, r, g, b, rr, rg, rb, gg, gb, bb
COLUMNS = 10  # see columns_of
FIELD = 21  # bits of a sum in low_parts: three fit into a number of 64 bits


@njit(cache=True)
def count_colours(
    rgb: Any,
    kind: Any,
    y0: int,
    y1: int,
    x0: int,
    x1: int,
    bits: int,
    low: Any,
    slots: Any,
    places: Any,
    codes: Any,
    packed: Any,
    moments: Any,
    count: int,
) -> int:
    """Bin the agreed pixels (kind 0 or 1) of a region, after `count` bins that are there; returns how many are then.

    low      see `low_parts`
    slots    (2^t,) int32: open hash table from colour bin to 1 + row, kept between calls, all 0 at first; a direct
             table where it has a slot for every bin
    places   (m,) int64, out: the slot of a row
    codes    (m,) uint32, out: class and colour of a row's bin: k, r, g, b, `bits` each but for k
    packed   (m, 4) int64: scratch, all 0 before and after
    moments  (m, MOMENTS) int64, out: exact sums over the pixels of a bin
    """
    shift, depth = np.uint32(8 - bits), np.uint32(bits)
    inner = np.uint32((1 << (8 - bits)) - 1)
    most = ((1 << FIELD) - 1) // max(1, int(inner) * int(inner))  # pixels until a field of `packed` may be full
    direct = _is_direct(slots, bits)
    waiting = 0
    for y in range(np.uint64(y0), np.uint64(y1)):
        begin = x0
        while begin < x1:
            end = min(x1, begin + most)
            if waiting + end - begin > most:
                _unpack(packed, codes, bits, moments, count)
                waiting = 0
            waiting += end - begin
            for x in range(np.uint64(begin), np.uint64(end)):
                k = np.uint32(kind[y, x])
                if k > 1:
                    continue
                r, g, b = np.uint32(rgb[y, x, 0]), np.uint32(rgb[y, x, 1]), np.uint32(rgb[y, x, 2])
                code = ((((k << depth) | (r >> shift)) << depth | (g >> shift)) << depth) | (b >> shift)
                part = np.uint64((((r & inner) << shift | (g & inner)) << shift) | (b & inner))
                place = np.uint64(code) if direct else _probe(code, slots, codes)
                row = np.uint64(slots[place])
                if row == 0:
                    count = _new_bin(code, place, slots, places, codes, moments, count)
                    row = np.uint64(count)
                row -= np.uint64(1)
                # read before written, so that the compiler may take all four at once
                p0, p1, p2, p3 = low[part, 0], low[part, 1], low[part, 2], low[part, 3]
                q0, q1, q2, q3 = packed[row, 0], packed[row, 1], packed[row, 2], packed[row, 3]
                packed[row, 0], packed[row, 1], packed[row, 2], packed[row, 3] = p0 + q0, p1 + q1, p2 + q2, p3 + q3
            begin = end
    _unpack(packed, codes, bits, moments, count)
    return count


@njit(cache=True)
def _is_direct(slots: Any, bits: int) -> bool:
    return len(slots) == 1 << (3 * bits + 1)


@njit(cache=True)
def _probe(code: Any, slots: Any, codes: Any) -> Any:
    """The slot of a bin: where it is, or the free one where it belongs."""
    last = np.uint64(len(slots) - 1)
    place = (np.uint64(code) * np.uint64(2654435761) >> np.uint64(7)) & last
    while slots[place] != 0 and codes[slots[place] - 1] != code:
        place = (place + np.uint64(1)) & last
    return place


@njit(cache=True)
def _new_bin(code: Any, place: Any, slots: Any, places: Any, codes: Any, moments: Any, count: int) -> int:
    places[count], codes[count] = place, code
    for c in range(MOMENTS):
        moments[count, c] = 0
    slots[place] = count + 1
    return count + 1


def low_parts(bits: int) -> npt.NDArray[np.int64]:
    """What a pixel adds to its bin, by the bits of its colour below the bin's: (2^(3 (8 - bits)), 4) int64.

    A row packs ten sums, FIELD bits each: (1, r, g), (b, rr, rg), (rb, gg, gb), (bb), of the low parts of r, g, b.
    One addition of four numbers then counts a pixel, where ten were most of the time of counting.
    """
    r, g, b = np.indices((1 << (8 - bits),) * 3, dtype=np.int64).reshape(3, -1)
    one = np.ones_like(r)
    words = ((one, r, g), (b, r * r, r * g), (r * b, g * g, g * b), (b * b,))
    table = np.zeros((len(r), 4), np.int64)
    for word, fields in enumerate(words):
        for place, values in enumerate(fields):
            table[:, word] |= values << (FIELD * place)
    return table


@njit(cache=True)
def _unpack(packed: Any, codes: Any, bits: int, moments: Any, count: int) -> None:
    """Add the packed sums to the moments, exactly, and leave 0 behind."""
    shift, mask = 8 - bits, (1 << bits) - 1
    field = (1 << FIELD) - 1
    for i in range(count):
        n, r, g = packed[i, 0] & field, (packed[i, 0] >> FIELD) & field, packed[i, 0] >> (2 * FIELD)
        b, rr, rg = packed[i, 1] & field, (packed[i, 1] >> FIELD) & field, packed[i, 1] >> (2 * FIELD)
        rb, gg, gb = packed[i, 2] & field, (packed[i, 2] >> FIELD) & field, packed[i, 2] >> (2 * FIELD)
        bb = packed[i, 3]
        packed[i, 0] = packed[i, 1] = packed[i, 2] = packed[i, 3] = 0
        code = np.int64(codes[i])
        u, v, w = ((code >> (2 * bits)) & mask) << shift, ((code >> bits) & mask) << shift, (code & mask) << shift
        moments[i, 0] += n
        moments[i, 1] += n * u + r
        moments[i, 2] += n * v + g
        moments[i, 3] += n * w + b
        moments[i, 4] += n * u * u + 2 * u * r + rr
        moments[i, 5] += n * u * v + u * g + v * r + rg
        moments[i, 6] += n * u * w + u * b + w * r + rb
        moments[i, 7] += n * v * v + 2 * v * g + gg
        moments[i, 8] += n * v * w + v * b + w * g + gb
        moments[i, 9] += n * w * w + 2 * w * b + bb


@njit(cache=True)
def merge_bins(
    finer_codes: Any, finer_moments: Any, finer_count: int, bits: int, slots: Any, places: Any, codes: Any, moments: Any
) -> int:
    """The bins at `bits` from those at bits + 1, in the order in which counting the pixels would meet them.

    The rest as in `count_colours`, of empty bins; returns how many there are.
    """
    count, depth, fine = 0, np.uint32(bits), np.uint32(bits + 1)
    mask = np.uint32((1 << (bits + 1)) - 1)
    one = np.uint32(1)
    direct = _is_direct(slots, bits)
    for i in range(finer_count):
        was = finer_codes[i]
        k, r, g, b = was >> (fine * np.uint32(3)), (was >> (fine + fine)) & mask, (was >> fine) & mask, was & mask
        code = ((((k << depth) | (r >> one)) << depth | (g >> one)) << depth) | (b >> one)
        place = np.uint64(code) if direct else _probe(code, slots, codes)
        row = np.int64(slots[place])
        if row == 0:
            count = _new_bin(code, place, slots, places, codes, moments, count)
            row = np.int64(count)
        for c in range(MOMENTS):
            moments[row - 1, c] += finer_moments[i, c]
    return count


@njit(cache=True)
def clear_bins(slots: Any, places: Any, count: int) -> None:
    for i in range(count):
        slots[places[i]] = 0


@njit(cache=True, error_model="numpy")
def columns_of(moments: Any, owner: Any, count: int, wanted: int) -> Any:
    """Bins of one class as columns for EM.

    -> centre (3,): mean colour; columns (10, m): n, mean r g b, mean second moments (rr, rg, rb, gg, gb, bb), all but
       n relative to the centre, so that nothing large cancels
    """
    m = 0
    total = np.zeros(4)
    for i in range(count):
        if owner[i] == wanted:
            m += 1
            for c in range(4):
                total[c] += moments[i, c]
    columns = np.empty((COLUMNS, m))
    centre = total[1:] / max(total[0], 1.0)
    j = 0
    for i in range(count):
        if owner[i] != wanted:
            continue
        n = float(moments[i, 0])
        columns[0, j] = n
        for c in range(3):
            columns[1 + c, j] = (moments[i, 1 + c] - n * centre[c]) / n
        place = 4
        for c in range(3):
            for d in range(c, 3):
                # sum (u - a)(v - b) = sum uv - a sum v - b sum u + n a b
                columns[place, j] = (
                    moments[i, place]
                    - centre[c] * moments[i, 1 + d]
                    - centre[d] * moments[i, 1 + c]
                    + n * centre[c] * centre[d]
                ) / n
                place += 1
        j += 1
    return centre, columns
