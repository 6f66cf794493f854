"""Foreground and detections -> one id per cell.

Rules, the same for every method that knows the detections:
- a detected pixel inside the mask keeps its detector's id, so ids survive the fusion (a cell that lost all its pixels
  is gone, so there may be gaps);
- a piece of foreground that no detection touches becomes a new cell, numbered after the largest detected id in the
  order of its first pixel;
- what is foreground but not detected goes to a detection in the same 4-connected piece: this is where methods differ.

"geodesic" gives it to the detection that reaches it first inside the mask (ties: the smaller id). "kmeans" is the
paper's text: k-means of the piece's pixels, started at the boxes' centres. "watershed" (of the distance transform) and
"components" are the paper's detector-agnostic comparators: they make ids of their own.
"""

from typing import Any, Literal, get_args

import numpy as np
from numba import njit

from inference.types import Labels, Mask

Method = Literal["geodesic", "kmeans", "watershed", "components"]
Fragments = Literal["keep", "split", "largest"]


def instances(
    mask: Mask,
    detections: Labels,
    method: Method = "geodesic",
    *,
    fragments: Fragments = "keep",
    smallest: int = 0,
    largest_hole: int = 0,
) -> Labels:
    """One id per cell.

    mask          (H, W) bool, the fused foreground
    detections    (H, W) whole numbers, 0 is background, else the detector's ids (any below 2^31, gaps allowed)
    fragments     what becomes of a cell in several 4-connected pieces: "keep" them all under its id, "split" all but
                  the largest off as new cells, or keep the "largest" alone
    smallest      cells of fewer pixels are dropped, after fragments were dealt with
    largest_hole  background enclosed by one single cell is filled up to this many pixels
    ->            (H, W) int32. With fragments="keep" and both numbers 0, it is above 0 exactly where mask is True

    Raises ValueError for shapes or types that do not fit.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"mask must be (H, W) bool, not {mask.shape} {mask.dtype}")
    if detections.shape != mask.shape or not np.issubdtype(detections.dtype, np.integer):
        raise ValueError(
            f"detections must be {mask.shape} whole numbers, as mask, not {detections.shape} {detections.dtype}"
        )
    if detections.size and (detections.min() < 0 or detections.max() >= 2**31 - 1 - mask.size):
        raise ValueError("detections must hold ids from 0 to 2^31 - 1 - H * W, so that new cells can be numbered")
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, not {method!r}")
    if fragments not in get_args(Fragments):
        raise ValueError(f"fragments must be one of {', '.join(get_args(Fragments))}, not {fragments!r}")

    mask = np.ascontiguousarray(mask)
    if method == "geodesic":
        labels, last, open_ = _lay(mask, np.ascontiguousarray(detections))
        _grow(mask, labels, open_)
        _number_the_rest(mask, labels, last, open_)
    elif method == "kmeans":
        labels = np.where(mask, detections, 0).astype(np.int32)
        _cluster(mask, labels, np.ascontiguousarray(detections, np.int32))
        _number_the_rest(mask, labels, _largest(detections), _without_id(mask, labels))
    elif method == "components":
        labels = np.zeros(mask.shape, np.int32)
        _number_the_rest(mask, labels, 0, _without_id(mask, labels))
    else:
        labels = _watershed(mask)
    if fragments != "keep" or smallest > 0:
        _tidy(labels, fragments, smallest, max(_largest(detections), _largest(labels)))
    if largest_hole > 0:
        _fill(labels, largest_hole)
    return labels


def _largest(labels: Labels) -> int:
    return int(labels.max(initial=0))


def _without_id(mask: Mask, labels: Labels) -> Any:
    return np.flatnonzero(mask & (labels == 0)).astype(np.int32)


@njit(cache=True)
def _lay(mask: Any, detections: Any) -> Any:
    """One pass: the ids inside the mask (H, W) int32, the largest id anywhere, and the mask's pixels without an id."""
    labels = np.zeros(mask.shape, np.int32)
    flat, inside, found = labels.reshape(-1), mask.reshape(-1), detections.reshape(-1)
    open_ = np.empty(flat.size, np.int32)  # the pages behind what is used are never touched
    last = n = 0
    for i in range(flat.size):
        last = max(last, found[i])
        if inside[i]:
            flat[i] = found[i]
            if found[i] == 0:
                open_[n] = i
                n += 1
    return labels, last, open_[:n]


@njit(cache=True)
def _grow(mask: Any, labels: Any, open_: Any) -> None:
    """Multi-source breadth-first growth of the ids through the mask, in place. open_: its pixels without an id.

    A pixel reached in the current step holds minus its id, so that within a step the smallest id can still take it:
    the result does not depend on the order of the scan.
    """
    h, w = mask.shape
    flat, inside = labels.reshape(-1), mask.reshape(-1)
    queue = np.empty(len(open_), np.int32)
    begin = end = 0
    for i in open_:  # first step: next to a detection
        x = i % w
        best = 0
        if x > 0 and flat[i - 1] > 0:
            best = flat[i - 1]
        if x + 1 < w and flat[i + 1] > 0 and (best == 0 or flat[i + 1] < best):
            best = flat[i + 1]
        if i >= w and flat[i - w] > 0 and (best == 0 or flat[i - w] < best):
            best = flat[i - w]
        if i + w < h * w and flat[i + w] > 0 and (best == 0 or flat[i + w] < best):
            best = flat[i + w]
        if best:
            flat[i] = -best
            queue[end] = i
            end += 1
    while begin < end:
        stop = end
        for at in range(begin, stop):
            flat[queue[at]] = -flat[queue[at]]
        for at in range(begin, stop):
            i = queue[at]
            own, x = flat[i], i % w
            for d in range(4):
                if (d == 0 and x + 1 == w) or (d == 1 and x == 0):
                    continue
                j = i + (1 if d == 0 else -1 if d == 1 else w if d == 2 else -w)
                if j < 0 or j >= h * w or not inside[j]:
                    continue
                if flat[j] == 0:
                    flat[j] = -own
                    queue[end] = j
                    end += 1
                elif flat[j] < 0 and -flat[j] > own:
                    flat[j] = -own
        begin = stop


@njit(cache=True)
def _flood(member: Any, start: int, w: int, value: int, labels: Any, queue: Any) -> int:
    """Give `value` to the 4-connected pixels with labels == labels[start] and member True; returns how many.

    queue[:n] holds them afterwards. `value` must differ from what they had.
    """
    size, old = len(labels), labels[start]
    labels[start] = value
    queue[0] = start
    end = 1
    at = 0
    while at < end:
        i = queue[at]
        at += 1
        x = i % w
        for d in range(4):
            if (d == 0 and x + 1 == w) or (d == 1 and x == 0):
                continue
            j = i + (1 if d == 0 else -1 if d == 1 else w if d == 2 else -w)
            if 0 <= j < size and member[j] and labels[j] == old:
                labels[j] = value
                queue[end] = j
                end += 1
    return end


@njit(cache=True)
def _number_the_rest(mask: Any, labels: Any, last: int, open_: Any) -> None:
    """Every 4-connected piece of mask without an id gets the next one. open_: ascending, all that may lack one."""
    w = mask.shape[1]
    flat, inside = labels.reshape(-1), mask.reshape(-1)
    queue = np.empty(len(open_), np.int32)
    for i in open_:
        if flat[i] == 0:
            last += 1
            _flood(inside, i, w, last, flat, queue)


@njit(cache=True)
def _cluster(mask: Any, labels: Any, detections: Any) -> None:
    """Lloyd's k-means in every piece of mask, from the centres of the boxes of the ids in it; detected pixels keep ids.

    A piece with one id takes it whole. Equal distances go to the smaller id.
    """
    h, w = mask.shape
    flat, inside, found = labels.reshape(-1), mask.reshape(-1), detections.reshape(-1)
    top = 0
    for i in range(h * w):
        top = max(top, found[i])
    known = np.zeros(top + 1, np.bool_)
    for i in range(h * w):
        known[found[i]] = True
    dense = np.zeros(top + 1, np.int32)  # id -> row of `box`
    count = 0
    for k in range(1, top + 1):
        if known[k]:
            dense[k] = count
            count += 1
    box = np.empty((count, 4), np.int32)
    box[:, :2] = 2147483647
    box[:, 2:] = -1
    for i in range(h * w):
        if found[i]:
            y, x, k = i // w, i % w, dense[found[i]]
            box[k, 0], box[k, 1] = min(box[k, 0], x), min(box[k, 1], y)
            box[k, 2], box[k, 3] = max(box[k, 2], x), max(box[k, 3], y)
    seen = np.zeros(h * w, np.int8)
    here = np.zeros(top + 1, np.bool_)
    queue = np.empty(inside.sum(), np.int32)
    for start in range(h * w):
        if not inside[start] or seen[start]:
            continue
        n = _flood(inside, start, w, 1, seen, queue)
        ids = np.empty(0, np.int32)
        many = 0
        for at in range(n):
            k = flat[queue[at]]
            if k and not here[k]:
                here[k] = True
                many += 1
        if many:
            ids = np.empty(many, np.int32)
            many = 0
            for at in range(n):
                k = flat[queue[at]]
                if k and here[k]:
                    here[k] = False
                    ids[many] = k
                    many += 1
            ids.sort()
        if many == 1:
            for at in range(n):
                flat[queue[at]] = ids[0]
        elif many > 1:
            centre = np.empty((many, 2))
            for c in range(many):
                b = box[dense[ids[c]]]
                centre[c, 0], centre[c, 1] = (b[0] + b[2]) / 2, (b[1] + b[3]) / 2
            nearest = np.full(n, -1, np.int32)
            for _ in range(100):
                changed = False
                total = np.zeros((many, 3))
                for at in range(n):
                    y, x = queue[at] // w, queue[at] % w
                    best, least = 0, np.inf
                    for c in range(many):
                        d = (x - centre[c, 0]) ** 2 + (y - centre[c, 1]) ** 2
                        if d < least:
                            best, least = c, d
                    changed |= nearest[at] != best
                    nearest[at] = best
                    total[best, 0] += 1
                    total[best, 1] += x
                    total[best, 2] += y
                if not changed:
                    break
                for c in range(many):
                    if total[c, 0]:
                        centre[c, 0], centre[c, 1] = total[c, 1] / total[c, 0], total[c, 2] / total[c, 0]
            for at in range(n):
                if flat[queue[at]] == 0:
                    flat[queue[at]] = ids[nearest[at]]


def _watershed(mask: Mask) -> Labels:
    from scipy.ndimage import distance_transform_edt
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    depth = distance_transform_edt(mask)
    pieces = np.zeros(mask.shape, np.int32)
    _number_the_rest(mask, pieces, 0, _without_id(mask, pieces))
    seeds = np.zeros(mask.shape, np.int32)
    peaks = peak_local_max(depth, min_distance=5, labels=pieces, exclude_border=False)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels: Labels = np.ascontiguousarray(watershed(-depth, seeds, mask=mask), np.int32)
    _number_the_rest(mask, labels, _largest(labels), _without_id(mask, labels))
    return labels


def _tidy(labels: Labels, fragments: Fragments, smallest: int, last: int) -> None:
    """Deal with cells in pieces, then with small ones, in place."""
    piece, of, area = _pieces(labels)
    keep = of.copy()
    if fragments != "keep":
        by_size = np.lexsort((np.arange(len(of)), -area))  # the largest piece first; ties: the first met
        _, first = np.unique(of[by_size], return_index=True)
        extra = np.ones(len(of), bool)
        extra[by_size[first]] = False
        extra[0] = False
        keep[extra] = last + 1 + np.arange(extra.sum()) if fragments == "split" else 0
    cells, cell_of = np.unique(keep, return_inverse=True)
    total = np.bincount(cell_of, weights=area, minlength=len(cells))
    keep[total[cell_of] < smallest] = 0
    keep[0] = 0
    labels[:] = keep[piece]


@njit(cache=True)
def _pieces(labels: Any) -> Any:
    """-> piece (H, W) int32, 0 on background; and for every piece, index 0 unused, its id and its area."""
    h, w = labels.shape
    flat = labels.reshape(-1)
    piece = np.zeros((h, w), np.int32)
    out = piece.reshape(-1)
    queue = np.empty(h * w, np.int32)
    of, area = [np.int32(0)], [np.int64(0)]
    for start in range(h * w):
        if flat[start] == 0 or out[start]:
            continue
        number = np.int32(len(of))
        out[start] = number
        queue[0] = start
        at, end = 0, 1
        while at < end:
            i = queue[at]
            at += 1
            x = i % w
            for d in range(4):
                if (d == 0 and x + 1 == w) or (d == 1 and x == 0):
                    continue
                j = i + (1 if d == 0 else -1 if d == 1 else w if d == 2 else -w)
                if 0 <= j < h * w and out[j] == 0 and flat[j] == flat[start]:
                    out[j] = number
                    queue[end] = j
                    end += 1
        of.append(flat[start])
        area.append(np.int64(end))
    return piece, np.array(of), np.array(area)


@njit(cache=True)
def _fill(labels: Any, largest_hole: int) -> None:
    """Fill holes: 4-connected background of at most largest_hole pixels, off the frame, next to one single id."""
    h, w = labels.shape
    flat = labels.reshape(-1)
    seen = np.zeros(h * w, np.int8)
    background = np.empty(h * w, np.bool_)
    for i in range(h * w):
        background[i] = flat[i] == 0
    queue = np.empty(h * w, np.int32)
    for start in range(h * w):
        if flat[start] or seen[start]:
            continue
        n = _flood(background, start, w, 1, seen, queue)
        if n > largest_hole:
            continue
        around = 0
        for at in range(n):
            i = queue[at]
            y, x = i // w, i % w
            if y == 0 or x == 0 or y + 1 == h or x + 1 == w:
                around = -1
            if around < 0:
                break
            for d in range(4):
                k = flat[i + (1 if d == 0 else -1 if d == 1 else w if d == 2 else -w)]
                if k and around == 0:
                    around = k
                elif k and k != around:
                    around = -1
                    break
        if around > 0:
            for at in range(n):
                flat[queue[at]] = around
