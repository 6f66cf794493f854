"""The pixels of one directory of a TIFF: how they are stored, and reading a rectangle of them."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from inference.reading.types import Samples

INK_SET, DEPTH = 332, 32997
PHOTOMETRIC = {
    0: "white is zero",
    1: "grey",
    2: "RGB",
    3: "palette",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELAB",
    9: "ICCLAB",
    10: "ITULAB",
    32803: "colour filter array",
    34892: "linear raw",
}
GREYS = ("grey", "white is zero")
COLOURS = {"RGB": 3, "YCbCr": 3, "CIELAB": 3, "CMYK": 4}


def tag(page: Any, code: int) -> Any:
    """The value of a tag, None where there is none or it cannot be read."""
    try:
        found = page.tags.get(code)
        return None if found is None else found.value
    except Exception:  # broken metadata never refuse a sound picture
        return None


def one_value(value: Any) -> int:
    """The value of a tag that holds one for each sample; 0 where they differ."""
    if isinstance(value, tuple):
        return int(value[0]) if len(set(value)) == 1 else 0
    return int(value)


def bits_of(page: Any) -> int:
    return one_value(page.bitspersample)


def photometric_of(page: Any) -> str:
    code = int(page.photometric)
    photometric = PHOTOMETRIC.get(code, f"photometric {code}")
    if photometric == "CMYK" and tag(page, INK_SET) not in (None, 1):
        return "inks other than CMYK"
    needed = COLOURS.get(photometric, 1)
    if page.samplesperpixel < needed:
        return f"{photometric} with {page.samplesperpixel} samples"
    if (tag(page, DEPTH) or 1) != 1:
        return "voxels"
    return photometric


def extra_samples_of(page: Any, photometric: str) -> tuple[str, int]:
    """(alpha, further samples without a meaning). More than one extra sample of grey are its channels."""
    extra = page.samplesperpixel - COLOURS.get(photometric, 1)
    if extra < 1:
        return "", 0
    kinds = [int(kind) for kind in page.extrasamples]
    if extra == 1 and kinds == [1]:
        return "premultiplied", 0
    if extra == 1 and kinds == [2]:
        return "straight", 0
    if any(kind in (1, 2) for kind in kinds):
        return "mixed", extra
    return "unspecified", extra


def channels_are_samples(page: Any) -> bool:
    """Whether the samples of a grey pixel are channels: several without a meaning of their own."""
    photometric = photometric_of(page)
    if photometric not in GREYS:
        return False
    alpha, _unnamed = extra_samples_of(page, photometric)
    return alpha == "unspecified"


def segments_in(page: Any, x: int, y: int, w: int, h: int) -> Samples:
    """(h, w, samples) of a directory: only the strips or tiles that the rectangle touches are decoded.

    Raises ValueError for strips or tiles that cannot be where the file says, and what codecs raise.
    """
    planar = int(page.planarconfig) == 2 and page.samplesperpixel > 1
    out: npt.NDArray[Any] | None = None
    tables = page.jpegtables
    wanted = list(_indices(page, x, y, w, h, planar))
    if not any(page.databytecounts):
        raise ValueError("none of its strips or tiles holds a byte")
    for index in wanted:
        _check_place(page, index)
    offsets = [page.dataoffsets[index] for index in wanted]
    counts = [page.databytecounts[index] for index in wanted]
    for data, index in page.parent.filehandle.read_segments(offsets, counts, indices=wanted):
        if data is not None and len(data) < page.databytecounts[index]:
            raise ValueError("the file ends within a strip or tile")  # some codecs would fill up with grey
        part, place, _shape = page.decode(data, index, jpegtables=tables, _fullsize=False)
        sample, _depth, top, left, _first = place
        if out is None:
            kind = page.dtype if part is None else part.dtype
            out = np.zeros((h, w, int(page.samplesperpixel)), kind)
        if part is not None:  # a sparse file leaves empty tiles out
            _copy(out, part[0], left - x, top - y, sample if planar else None)
    if out is None:
        raise ValueError("no strip or tile")
    return out


def stacked_in(page: Any, number: int, x: int, y: int, w: int, h: int) -> Samples | None:
    """(h, w, samples) of a picture that follows the first one without a directory of its own, as ImageJ writes large
    stacks: uncompressed, one after the other. None where they cannot lie so.

    number  0 is the picture that has the directory

    Raises ValueError where the file ends before.
    """
    if int(page.compression) != 1 or not page.is_contiguous or page.is_tiled or bits_of(page) < 8:
        return None
    if int(page.planarconfig) == 2 and page.samplesperpixel > 1:
        return None
    kind = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    width, samples = int(page.imagewidth), int(page.samplesperpixel)
    row = width * samples * kind.itemsize
    handle = page.parent.filehandle
    handle.seek(page.dataoffsets[0] + (number * int(page.imagelength) + y) * row)
    data = handle.read(h * row)
    if len(data) < h * row:
        raise ValueError("the file ends within a picture of its stack")
    rows = np.frombuffer(data, kind).reshape(h, width, samples)
    return rows[:, x : x + w].astype(kind.newbyteorder("="))


def _check_place(page: Any, index: int) -> None:
    """Raises ValueError for a strip or tile whose place in the file is impossible.

    A sparse file says 0 for both figures of what it leaves out. tifffile takes every figure below 1 for that, and would
    show a broken strip as black.
    """
    if index >= len(page.databytecounts):
        raise ValueError("the length of a strip or tile is missing")
    offset, count = page.dataoffsets[index], page.databytecounts[index]
    if not isinstance(offset, int) or not isinstance(count, int):
        raise ValueError("the place of a strip or tile is no whole number")
    if offset == 0 and count == 0:
        return
    if offset < 1 or count < 1:
        raise ValueError(f"a strip or tile is said to have {count} bytes from byte {offset} on")


def _indices(page: Any, x: int, y: int, w: int, h: int, planar: bool) -> Iterator[int]:
    """The numbers of the strips or tiles that a rectangle touches, plane by plane where they are apart."""
    across, down = _segment_size(page)
    columns = _divided_up(page.imagewidth, across)
    rows = _divided_up(page.imagelength, down)
    samples = range(page.samplesperpixel if planar else 1)
    here = range(y // down, _divided_up(y + h, down))
    there = range(x // across, _divided_up(x + w, across))
    for sample, row, column in product(samples, here, there):
        index = (sample * rows + row) * columns + column
        if index >= len(page.dataoffsets):
            raise ValueError("strips or tiles are missing")
        yield index


def _segment_size(page: Any) -> tuple[int, int]:
    """(width, height) of a strip or tile in pixels. The height is between 1 and the image's."""
    if page.is_tiled:
        across, down = page.tilewidth, page.tilelength
    else:
        across, down = page.imagewidth, page.rowsperstrip
    down = min(int(down), int(page.imagelength))
    return across, max(1, down)


def _divided_up(length: int, step: int) -> int:
    """How many steps cover the length."""
    return -(-length // step)


def _copy(out: Samples, part: Samples, left: int, top: int, sample: int | None) -> None:
    """Put a decoded segment where it belongs; what lies outside the rectangle falls away."""
    height, width = out.shape[:2]
    x0 = max(0, left)
    y0 = max(0, top)
    x1 = min(width, left + part.shape[1])
    y1 = min(height, top + part.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    piece = part[y0 - top : y1 - top, x0 - left : x1 - left]
    if sample is None:
        out[y0:y1, x0:x1] = piece
    else:
        out[y0:y1, x0:x1, sample] = piece[..., 0]


def in_colour(page: Any, samples: Samples) -> Samples:
    """Samples as the protocol gives them: grey or RGB, alpha straight, black 0. Palettes, CMYK, CIELAB become RGB."""
    photometric = photometric_of(page)
    if photometric == "palette":
        table = (np.asarray(page.colormap, np.uint16) >> 8).astype(np.uint8)  # (3, n)
        indices = samples[..., 0].astype(np.uint8)
        return np.ascontiguousarray(table.T[indices])
    if photometric in ("CMYK", "CIELAB"):
        return _by_pillow(photometric, samples)
    bits = bits_of(page)
    if photometric == "white is zero":
        grey = _inverted(samples[..., :1], bits)
        samples = np.concatenate([grey, samples[..., 1:]], axis=-1)
    if photometric in GREYS and samples.dtype.kind in "bu" and bits < 8:
        white = 2**bits - 1
        spread = samples.astype(np.uint16) * 255 // white
        return spread.astype(np.uint8)
    return _with_straight_alpha(page, photometric, samples, bits)


def _inverted(samples: Samples, bits: int) -> Samples:
    if samples.dtype.kind == "b":
        return ~samples
    white = 2**bits - 1
    return (white - samples).astype(samples.dtype)


def _by_pillow(photometric: str, samples: Samples) -> Samples:
    """(h, w, 3|4) uint8, as libtiff would hand them to Pillow, in blocks: conversions work pixel by pixel."""
    mode = {"CMYK": "CMYK", "CIELAB": "LAB"}[photometric]
    height, width = samples.shape[:2]
    made = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, 512):
        block = np.ascontiguousarray(samples[top : top + 512, :, : len(mode)])
        picture = PIL.Image.frombytes(mode, (width, block.shape[0]), block.tobytes())
        made[top : top + 512] = np.asarray(picture.convert("RGB"))
    return made


def _with_straight_alpha(page: Any, photometric: str, samples: Samples, bits: int) -> Samples:
    colours = COLOURS.get(photometric, 1)
    alpha, _unnamed = extra_samples_of(page, photometric)
    if alpha in ("", "unspecified"):
        return samples[..., :colours]
    if alpha == "straight":
        return samples
    top = 2**bits - 1
    opacity = samples[..., colours:]
    divisor = np.maximum(opacity.astype(np.int64), 1)
    straight = samples[..., :colours] * np.int64(top) // divisor
    within = np.clip(straight, 0, top).astype(samples.dtype)
    return np.concatenate([within, opacity], axis=-1)
