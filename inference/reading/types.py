"""What a reader says of a file, and the protocol that all readers share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy.typing as npt

from inference.reading.sentences import SENTENCES
from inference.types import UnreadableImage

Samples = npt.NDArray[Any]
Value = str | int | float


class Unreadable(UnreadableImage):
    """A file that is not read. `code` names one of SENTENCES, `params` fill it in; str(error) is English."""

    def __init__(self, code: str, **params: Value) -> None:
        self.code = code
        self.params = params
        super().__init__(self.of("the file"))

    def of(self, name: str) -> str:
        """The sentence about a file of this name."""
        return SENTENCES[self.code].format(**{**self.params, "name": name})


@dataclass(frozen=True)
class Note:
    """Something that people should know of a file that was read: one of SENTENCES and what fills it in."""

    code: str
    params: dict[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        return SENTENCES[self.code].format(**self.params)


@dataclass(frozen=True)
class Level:
    """One resolution of a slide in pixels; level 0 is the full one. A picture has one level.

    downsample   how many pixels of level 0 lie beside each other under one pixel of this level, 1.0 for level 0
    tile_width, tile_height   of the parts that are decoded by themselves; 0 where the level is decoded whole
    """

    width: int
    height: int
    downsample: float = 1.0
    tile_width: int = 0
    tile_height: int = 0


@dataclass(frozen=True)
class Plane:
    """One picture of a file that holds several. Both numbers count from 1.

    page     a field, a slice or a time
    channel  one stain or fluorophore of it
    """

    page: int
    channel: int
    name: str = ""


@dataclass(frozen=True)
class Scale:
    """Size of a pixel in µm, as the file's own axes are; `source` names where the file says so."""

    x: float
    y: float
    source: str


@dataclass(frozen=True)
class Identified:
    """What a file is, as its header says. Sizes are those of the stored pixels, before a turn by `orientation`.

    bits             of one sample as stored; 12 bits in a type of 16 are 16
    sample_format    unsigned, signed, float, complex, or "unknown"
    photometric      what a sample means: grey, white is zero, RGB, palette, CMYK, CIELAB, YCbCr, or the file's own word
    samples          of a pixel as stored, alpha included
    alpha            "", straight, premultiplied; "unspecified" for further samples without a meaning
    planar           the samples of a pixel are in separate planes
    compression      none, LZW, deflate ... in the words of the format
    color_map        whether there is a table of colours
    orientation      1 to 8 as in EXIF, None where the file says nothing that can be read
    planes           every picture in it, the first one first; pages x channels of them
    objective        magnification of the objective, 20.0 for 20x
    reader           the library that reads the pixels: tifffile, wsidicom, openslide, Pillow
    associated       further pictures of a slide by name (label, macro, thumbnail); nothing here gives their pixels
    icc              whether the file holds a colour profile; `Reader.profile` gives it
    origin           where level 0 begins in the coordinates of the file's own format, (0, 0) but for slides that say
                     which part of their canvas was scanned (MRXS): theirs = ours + origin
    z, t             how many slices and times the pages are: page = t * z + slice, both from the first one on
    colours          of the channels, six hexadecimal digits each, "" where the file says none; () for none at all
    metadata         names of what else the file says of itself, which is not kept; never its values
    problems         what is odd and does not prevent reading
    """

    format: str
    width: int
    height: int
    bits: int = 8
    sample_format: str = "unsigned"
    photometric: str = "RGB"
    samples: int = 3
    alpha: str = ""
    planar: bool = False
    compression: str = "none"
    color_map: bool = False
    orientation: int | None = None
    levels: tuple[Level, ...] = ()
    planes: tuple[Plane, ...] = (Plane(1, 1),)
    scale: Scale | None = None
    objective: float | None = None
    vendor: str = ""
    scanner: str = ""
    reader: str = ""
    associated: tuple[str, ...] = ()
    icc: bool = False
    origin: tuple[int, int] = (0, 0)
    z: int = 1
    t: int = 1
    colours: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    problems: tuple[Note, ...] = ()

    @property
    def pages(self) -> int:
        return max(plane.page for plane in self.planes)

    @property
    def channels(self) -> int:
        return max(plane.channel for plane in self.planes)


class Reader(Protocol):
    """An open file. A slide has several levels, a picture one; both have at least one plane."""

    def identify(self, page: int = 1) -> Identified:
        """What the file is, and how the pixels of one of its pages are stored, which may differ.

        Decodes no pixel. Odd metadata are left out or become `problems`, never an error.
        """

    def region(self, level: int, x: int, y: int, w: int, h: int, plane: Plane) -> Samples:
        """The pixels of a rectangle of a level.

        level       0 is the full resolution
        x, y, w, h  px of that level, origin top left as stored (not turned); inside the level
        -> (h, w, n) in the type of the samples: n = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha (straight)

        Raises Unreadable for pixels that cannot be decoded, ValueError for a rectangle outside the level.
        """

    def profile(self) -> bytes:
        """The colour profile (ICC) of its pixels; empty where there is none."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


def levels_of(sizes: Sequence[tuple[int, int]], tiles: Sequence[tuple[int, int]]) -> tuple[Level, ...]:
    """Levels with their downsamples.

    sizes, tiles  (width, height) of each level and of its tiles, (0, 0) without tiles; the largest level first
    """
    made = []
    for size, tile in zip(sizes, tiles, strict=True):
        made.append(Level(*size, downsample=_downsample(sizes[0], size), tile_width=tile[0], tile_height=tile[1]))
    return tuple(made)


def _downsample(full: tuple[int, int], size: tuple[int, int]) -> float:
    """How many times smaller a level is. Scanners halve, and round the last pixel up or down.

    So a power of two, else a whole number, that gives these sides is the factor, and not the ratio of the rounded
    sides, which would put the far end of a level up to a pixel of it beside its place. Otherwise the ratio of the
    longer sides.
    """
    side = 0 if full[0] >= full[1] else 1
    ratio = full[side] / max(1, size[side])
    halvings = max(0, round(math.log2(ratio)))
    if _gives(full, 2**halvings, size):
        return float(2**halvings)
    near = range(max(1, int(ratio) - 1), int(ratio) + 3)
    whole = [factor for factor in near if _gives(full, factor, size)]
    return float(min(whole, key=lambda factor: abs(factor - ratio), default=ratio))


def _gives(full: tuple[int, int], factor: int, size: tuple[int, int]) -> bool:
    return all(length // factor <= part <= -(-length // factor) for length, part in zip(full, size, strict=True))


def checked_rectangle(level: Level, x: int, y: int, w: int, h: int) -> None:
    """Raises ValueError for a rectangle that is empty or not inside the level."""
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > level.width or y + h > level.height:
        raise ValueError(f"{w} x {h} px at {x}, {y} is not inside {level.width} x {level.height} px")
