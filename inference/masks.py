"""Codecs between the shapes a mask can have: packed bits at rest, boolean patches, label maps, COCO run lengths.

A packed mask is an integer box and a bit run relative to it: row by row, eight pixels a byte, first pixel in
the highest bit, every row following the last without padding, zero bits after the end. It is what rests in the
database and what travels to the browser. No torch, no Django.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from inference.types import Boxes, BoxMask, Labels, Mask

AROUND_POINT = 16.0  # px on each side of a point: half of a large nucleus at 0.25 µm per pixel


def pack(bits: Mask) -> bytes:
    """(h, w) bool -> ceil(h * w / 8) bytes."""
    return np.packbits(bits.astype(bool), axis=None).tobytes()


def unpack(data: bytes, width: int, height: int) -> Mask:
    """The inverse of pack. Raises ValueError when the length does not fit or a bit is set after the end."""
    expected = (width * height + 7) // 8
    if len(data) != expected:
        raise ValueError(f"a mask of {width} x {height} takes {expected} bytes, not {len(data)}")
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if bits[width * height :].any():
        raise ValueError("a bit is set after the last pixel of the mask")
    return bits[: width * height].reshape(height, width).astype(bool)


def tight(mask: BoxMask) -> BoxMask | None:
    """The same pixels in the smallest box that holds them; None when there is no pixel."""
    rows, columns = np.flatnonzero(mask.bits.any(axis=1)), np.flatnonzero(mask.bits.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return BoxMask(mask.x + int(left), mask.y + int(top), np.ascontiguousarray(mask.bits[top:bottom, left:right]))


def clip(mask: BoxMask, width: int, height: int) -> BoxMask | None:
    """The part of the mask inside an image of width x height, tight; None when nothing is left."""
    left, top = max(0, -mask.x), max(0, -mask.y)
    inside = mask.bits[top : max(0, height - mask.y), left : max(0, width - mask.x)]
    return tight(BoxMask(mask.x + left, mask.y + top, inside)) if inside.size else None


def shared_pixels(a: BoxMask, b: BoxMask) -> int:
    """How many pixels two masks share."""
    left, top = max(a.x, b.x), max(a.y, b.y)
    right = min(a.x + a.bits.shape[1], b.x + b.bits.shape[1])
    bottom = min(a.y + a.bits.shape[0], b.y + b.bits.shape[0])
    if left >= right or top >= bottom:
        return 0
    of_a = a.bits[top - a.y : bottom - a.y, left - a.x : right - a.x]
    of_b = b.bits[top - b.y : bottom - b.y, left - b.x : right - b.x]
    return int(np.count_nonzero(of_a & of_b))


def cells_of(labels: Labels) -> list[tuple[int, BoxMask]]:
    """(H, W) label map -> (id, tight mask) of every cell, by id. One pass over the image, not one a cell."""
    from scipy.ndimage import find_objects

    found = []
    for index, place in enumerate(find_objects(labels), start=1):
        if place is not None:
            rows, columns = place
            found.append((index, BoxMask(int(columns.start), int(rows.start), labels[place] == index)))
    return found


def labels_of(cells: Iterable[tuple[int, BoxMask]], width: int, height: int) -> Labels:
    """(id, mask) pairs -> (height, width) int32 label map. Where cells overlap the earlier one keeps the pixel."""
    labels = np.zeros((height, width), np.int32)
    for index, cell in cells:
        inside = clip(cell, width, height)
        if inside is None:
            continue
        h, w = inside.bits.shape
        window = labels[inside.y : inside.y + h, inside.x : inside.x + w]
        window[inside.bits & (window == 0)] = index
    return labels


def boxes_of(masks: Sequence[BoxMask]) -> Boxes:
    """Half-open boxes (n, 4) of masks that are already tight."""
    return np.array([(m.x, m.y, m.x + m.bits.shape[1], m.y + m.bits.shape[0]) for m in masks], np.float64).reshape(
        -1, 4
    )


def surroundings(points: Boxes) -> Boxes:
    """(n, 4) the squares around cells that are points, in which their unknown extent is taken to lie."""
    return points + np.array([-AROUND_POINT, -AROUND_POINT, AROUND_POINT, AROUND_POINT])


def rasterise_boxes(boxes: Boxes, width: int, height: int) -> Mask:
    """True for every pixel whose centre lies in one of the boxes. (n, 4) -> (height, width)."""
    filled = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in np.ceil(np.asarray(boxes, np.float64).reshape(-1, 4) - 0.5).astype(int):
        filled[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    return filled


def run_lengths(cell: BoxMask, width: int, height: int) -> list[int]:
    """COCO's uncompressed run lengths in an image of this size, in which the cell lies: down the columns, beginning
    with a (maybe empty) run of background. Costs what the cell is large, not what the image is.
    """
    columns, rows = np.nonzero(cell.bits.T)
    at = (columns + cell.x) * height + rows + cell.y  # ascending
    breaks = np.flatnonzero(np.diff(at) > 1)
    begins = at[np.concatenate([[0], breaks + 1])] if at.size else at
    ends = at[np.concatenate([breaks, [-1]])] + 1 if at.size else at
    changes = np.stack([begins, ends], axis=1).ravel()
    lengths = np.diff(np.concatenate([[0], changes, [width * height]])).tolist()
    return lengths[:-1] if lengths[-1] == 0 and len(lengths) > 1 else lengths


def from_run_lengths(counts: Sequence[int], width: int, height: int) -> Mask:
    """The inverse of run_lengths. Raises ValueError when the runs do not add up to the size."""
    if sum(counts) != width * height or any(n < 0 for n in counts):
        raise ValueError(f"the runs add up to {sum(counts)} pixels, not {width * height}")
    values = np.arange(len(counts)) % 2 == 1
    flat: npt.NDArray[np.bool_] = np.repeat(values, counts)
    return flat.reshape((height, width), order="F")
