"""TIFF in all its kinds, by tifffile and imagecodecs: strips, tiles, planes, pyramids, OME, ImageJ, Aperio."""

import json
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import tifffile

from inference.reading import scale
from inference.reading.channels import ome_colour
from inference.reading.combinations import COMPRESSIONS
from inference.reading.containers import orientation_of
from inference.reading.ranges import is_remote
from inference.reading.tiff_pixels import (
    bits_of,
    channels_are_samples,
    extra_samples_of,
    in_colour,
    one_value,
    photometric_of,
    segments_in,
    stacked_in,
    tag,
)
from inference.reading.types import (
    Identified,
    Level,
    Note,
    Plane,
    Samples,
    Scale,
    Unreadable,
    checked_rectangle,
    levels_of,
)

DESCRIPTION, MAKE, MODEL, X_RESOLUTION, Y_RESOLUTION, UNIT, ORIENTATION, XMP = 270, 271, 272, 282, 283, 296, 274, 700
ICC = 34675
SUBFILE_TYPE, OLD_SUBFILE_TYPE, SOURCE_LENS, NDPI_MARK = 254, 255, 65421, 65420
# What tells of people, places and times: description, date, artist, host, copyright, software, EXIF, GPS, XMP, IPTC.
PERSONAL = (270, 306, 315, 316, 33432, 305, 34665, 34853, 700, 33723)
REDUCED, MASK = 1, 4  # bits of SUBFILE_TYPE
UM_PER_UNIT = {2: 25_400.0, 3: 10_000.0}  # of UNIT: inch, centimetre
MOST_PAGES = 10_000
SAMPLE_FORMAT = {1: "unsigned", 2: "signed", 3: "float", 4: "unknown", 5: "complex", 6: "complex"}
LEVEL_TOLERANCE = 0.02  # of the sides' ratio, up to which a reduced picture is a level of the full one
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds odd is no news: it is a stranger's file


@dataclass(frozen=True)
class Layout:
    """Which directories of the file are pictures, which are levels of the first, and how many are neither."""

    pictures: tuple[Any, ...]
    levels: tuple[Any, ...]  # of the first picture, itself among them
    reduced: tuple[Any, ...]  # pictures of lower resolution, of all pictures
    associated: int  # thumbnail, label, overview, masks
    stored: int  # pictures that have a directory of their own
    slide: bool


class TiffReader:
    """An open TIFF. Raises Unreadable where its directories cannot be read."""

    def __init__(self, path: Path) -> None:
        try:
            # tifffile opens a path of its own; what lies in a storage is given to it open.
            self.file = tifffile.TiffFile(path.open("rb") if is_remote(path) else path)
        except Exception as error:  # any kind: the parser meets whatever a stranger wrote
            raise Unreadable("damaged_header", format="TIFF", reason=reason(error)) from error
        try:
            self.layout = layout_of(self.file)
            self.found = identified(self.layout)
        except Unreadable:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise Unreadable("damaged_header", format="TIFF", reason=reason(error)) from error

    def identify(self, page: int = 1) -> Identified:
        if page == 1:
            return self.found
        try:
            return identified(self.layout, self._picture_of(Plane(page, 1)))
        except Exception as error:
            raise Unreadable("damaged_header", format="TIFF", reason=reason(error)) from error

    def _picture_of(self, plane: Plane) -> int:
        """Which of the file's pictures holds a plane."""
        channels = self.found.channels if channels_are_samples(self.layout.pictures[0]) else 1
        places = [(known.page, known.channel) for known in self.found.planes]
        return places.index((plane.page, plane.channel)) // channels

    def _level_of(self, picture: int, level: int) -> Any:
        """The directory of one level of one of the pictures. Raises Unreadable where it has no such level."""
        if picture == 0:
            return self.layout.levels[level]
        page = self.layout.pictures[picture]
        if level == 0:
            return page
        wanted = self.layout.levels[level]
        size = (wanted.imagewidth, wanted.imagelength)
        own = [sub for sub in _sub_pages(page) if (sub.imagewidth, sub.imagelength) == size]
        if own:
            return own[0]
        beside = [one for one in self.layout.reduced if (one.imagewidth, one.imagelength) == size]
        if len(beside) == self.layout.stored:  # of each picture one, in their order
            return beside[picture]
        raise Unreadable("damaged", format="TIFF", reason="a channel or plane has fewer levels than the first one")

    def levels_of_picture(self, picture: int) -> list[Any]:
        """The directories of the lower levels of one of the pictures; [] where it has none. Raises Unreadable where it
        has fewer than the first one."""
        first = self.layout.pictures[0]
        if not _is_like(self.layout.pictures[picture], first):
            return []
        return [self._level_of(picture, level) for level in range(1, len(self.layout.levels))]

    def profile(self) -> bytes:
        found = tag(self.layout.pictures[0], ICC)
        return bytes(found) if isinstance(found, bytes | tuple) else b""

    def region(self, level: int, x: int, y: int, w: int, h: int, plane: Plane) -> Samples:
        picture = self._picture_of(plane)
        page = self._level_of(picture, level)
        checked_rectangle(Level(int(page.imagewidth), int(page.imagelength)), x, y, w, h)
        channels = int(page.samplesperpixel) if channels_are_samples(page) else 1
        index = plane.channel - 1
        try:
            samples = self._samples(page, picture, plane, (x, y, w, h))
            if channels > 1:
                samples = samples[..., index : index + 1]
            return in_colour(page, samples)
        except Unreadable:
            raise
        except MemoryError:
            raise
        except Exception as error:  # codecs raise what they like
            raise Unreadable("damaged", format="TIFF", reason=reason(error)) from error

    def _samples(self, page: Any, picture: int, plane: Plane, box: tuple[int, int, int, int]) -> Samples:
        """Raises Unreadable for a picture that has no directory and lies nowhere that is known."""
        if picture < self.layout.stored:
            return segments_in(page, *box)
        found = stacked_in(page, picture - self.layout.stored + 1, *box)
        if found is None:
            raise Unreadable("page_not_stored", page=plane.page)
        return found

    def close(self) -> None:
        with suppress(Exception):
            self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def reason(error: BaseException) -> str:
    """The first line of an error of a library, short, without what could be a path."""
    words = str(error).splitlines()[0] if str(error).strip() else type(error).__name__
    return re.sub(r"\S*/\S*", "...", words)[:120]


# -- directories


def layout_of(file: tifffile.TiffFile) -> Layout:
    pages = _pages(file)
    first = pages[0]
    description = text_tag(first, DESCRIPTION)
    reduced: list[Any] = []
    if description.startswith("Aperio"):
        pictures, levels = [first], [page for page in pages if page.is_tiled and _is_level_of(first, page)]
        levels = levels if first in levels else [first, *levels]
    elif NDPI_MARK in first.tags:
        pictures, levels = [first], [page for page in pages if _is_level_of(first, page)]
    else:
        pictures = [page for page in pages if not subfile_type(page) & (REDUCED | MASK)] or [first]
        others = [page for page in pages if page not in pictures]
        reduced = [page for page in others if _is_level_of(pictures[0], page)]
        levels = [pictures[0], *_one_of_each_size(reduced)]
    levels += [page for page in _sub_pages(pictures[0]) if _is_level_of(pictures[0], page)]
    levels.sort(key=lambda page: -page.imagewidth)
    known = {id(page) for page in (*pictures, *levels, *reduced)}
    associated = len(pages) - sum(id(page) in known for page in pages)
    stored = len(pictures)
    pictures += [pictures[-1]] * (_stacked(first, description) - stored)
    slide = len(levels) > 1 or associated > 0
    return Layout(tuple(pictures), tuple(levels), tuple(reduced), max(associated, 0), stored, slide)


def _one_of_each_size(pages: Sequence[Any]) -> list[Any]:
    """The first page of each size: what follows it belongs to other channels or planes."""
    found: dict[tuple[int, int], Any] = {}
    for page in pages:
        found.setdefault((int(page.imagewidth), int(page.imagelength)), page)
    return list(found.values())


def _pages(file: tifffile.TiffFile) -> list[Any]:
    """Every directory; the first must be readable, what cannot be read after it ends the list."""
    pages: list[Any] = [file.pages.first]
    with suppress(Exception):
        for index in range(1, min(len(file.pages), MOST_PAGES)):
            pages.append(file.pages.get(index))
    return pages


def _sub_pages(page: Any) -> list[Any]:
    found: list[Any] = []
    with suppress(Exception):
        if page.subifds and page.pages is not None:
            found = [page.pages.get(index) for index in range(min(len(page.subifds), 64))]
    return [sub for sub in found if isinstance(sub, tifffile.TiffPage)]


def subfile_type(page: Any) -> int:
    value = tag(page, SUBFILE_TYPE)
    if isinstance(value, int):
        return int(value)
    return REDUCED if tag(page, OLD_SUBFILE_TYPE) == 2 else 0


def _is_level_of(full: Any, page: Any) -> bool:
    """Whether a directory is the same picture, smaller: same shape, same way of storing."""
    if page.imagewidth < 1 or page.imagelength < 1 or page.imagewidth > full.imagewidth:
        return False
    across, down = full.imagewidth / page.imagewidth, full.imagelength / page.imagelength
    # A level's sides are rounded, which in small levels is a large part of them.
    allowed = LEVEL_TOLERANCE * across + across / page.imagewidth + down / page.imagelength
    same = (page.samplesperpixel, page.dtype) == (full.samplesperpixel, full.dtype)
    return same and abs(across - down) <= allowed and not subfile_type(page) & 8


def _stacked(first: Any, description: str) -> int:
    """How many pictures the description claims to follow the first one without directories of their own."""
    if description.startswith("ImageJ="):
        claimed = re.search(r"(?m)^images=(\d{1,7})$", description)
        return int(claimed[1]) if claimed else 1
    if description.startswith("{") and first.is_shaped:
        with suppress(ValueError, TypeError):
            shape = json.loads(description).get("shape", [])
            whole = int(np.prod([int(side) for side in shape], dtype=object))
            return max(1, min(whole // max(1, int(np.prod(first.shape))), 10**7))
    return 1


def text_tag(page: Any, code: int) -> str:
    return scale.text_of(tag(page, code))


# -- what it is


def identified(layout: Layout, picture: int = 0) -> Identified:
    """What the file is; how pixels are stored is said of one of its pictures."""
    page = layout.pictures[picture]
    # Levels and meaning of further pictures stand with the first one.
    levels = layout.levels if _is_like(page, layout.pictures[0]) else (page,)
    photometric = photometric_of(page)
    alpha, unnamed = extra_samples_of(page, photometric)
    description = text_tag(layout.pictures[0], DESCRIPTION)
    measured = _scale(layout.pictures[0], description)
    problems = [measured] if isinstance(measured, Note) else []
    orientation = _orientation(page)
    slices, times, colours = _axes_of(layout)
    if layout.associated:
        problems.append(Note("associated", {"count": layout.associated}))
    if unnamed and not channels_are_samples(page):
        problems.append(Note("extra_samples", {"count": unnamed}))
    return Identified(
        format="TIFF",
        width=int(page.imagewidth),
        height=int(page.imagelength),
        bits=bits_of(page),
        sample_format=SAMPLE_FORMAT.get(one_value(page.sampleformat), "unknown"),
        photometric=photometric,
        samples=int(page.samplesperpixel),
        alpha=alpha,
        planar=int(page.planarconfig) == 2 and page.samplesperpixel > 1,
        compression=COMPRESSIONS.get(int(page.compression), f"method {int(page.compression)}"),
        color_map=photometric == "palette",
        orientation=orientation,
        levels=_levels(levels),
        planes=_planes(layout, description),
        z=slices,
        t=times,
        colours=colours,
        scale=measured if isinstance(measured, Scale) else None,
        objective=scale.objective_of(description, tag(page, SOURCE_LENS)),
        vendor=scale.vendor_of(tag(page, MAKE), description),
        scanner=scale.scanner_of(tag(page, MAKE), tag(page, MODEL), description),
        reader="tifffile",
        associated=tuple(f"picture {number}" for number in range(1, layout.associated + 1)),
        icc=ICC in page.tags,
        metadata=tuple(str(found.name) for found in page.tags if found.code in (*PERSONAL, MAKE, MODEL)),
        problems=tuple(problems),
    )


def _is_like(page: Any, first: Any) -> bool:
    return (page.imagewidth, page.imagelength) == (first.imagewidth, first.imagelength)


def _levels(pages: Sequence[Any]) -> tuple[Level, ...]:
    sizes = [(int(page.imagewidth), int(page.imagelength)) for page in pages]
    tiles = [(int(page.tilewidth), int(page.tilelength)) if page.is_tiled else (0, 0) for page in pages]
    return levels_of(sizes, tiles)


def _orientation(page: Any) -> int | None:
    value = tag(page, ORIENTATION)
    if value is not None:
        return int(value) if value in range(1, 9) else None
    xmp = tag(page, XMP)
    with suppress(ValueError, TypeError):  # of a type that XMP never has
        return orientation_of(b"", bytes(xmp) if isinstance(xmp, bytes | tuple) else b"")
    return None


def _planes(layout: Layout, description: str) -> tuple[Plane, ...]:
    page = layout.pictures[0]
    count = len(layout.pictures)
    if channels_are_samples(page):
        return tuple(Plane(p, c) for p, c in product(range(1, count + 1), range(1, int(page.samplesperpixel) + 1)))
    ome = scale.ome_sizes(description)
    named = _named_planes(count, _ome_axes(ome), ome.get("names", [])) if ome else None
    if named is None and description.startswith("ImageJ="):
        named = _named_planes(count, _imagej_axes(description), [])
    return named or tuple(Plane(p, 1) for p in range(1, count + 1))


def _axes_of(layout: Layout) -> tuple[int, int, tuple[str, ...]]:
    """(slices, times, colours of the channels) of the file; pages whose meaning is not said count as slices."""
    description = text_tag(layout.pictures[0], DESCRIPTION)
    planes = _planes(layout, description)
    pages = max(plane.page for plane in planes)
    ome = scale.ome_sizes(description)
    axes = _ome_axes(ome) if ome else []
    if description.startswith("ImageJ="):
        axes = _imagej_axes(description)
    sizes = dict(axes)
    slices, times = sizes.get("Z", pages), sizes.get("T", 1)
    if slices * times != pages:
        slices, times = pages, 1
    colours = tuple(ome_colour(one) for one in ome.get("colours", []))
    return slices, times, colours


def _ome_axes(ome: Any) -> list[tuple[str, int]]:
    """The axes after X and Y, fastest first. Where OME counts the samples of a pixel as channels, it fits no count."""
    order = [axis for axis in str(ome["DimensionOrder"])[2:] if axis in "CZT"]
    return [(axis, int(ome.get(f"Size{axis}", 1))) for axis in order]


def _imagej_axes(description: str) -> list[tuple[str, int]]:
    found = dict(re.findall(r"(?m)^(channels|slices|frames)=(\d{1,7})$", description))
    return [(axis, int(found.get(name, 1))) for axis, name in (("C", "channels"), ("Z", "slices"), ("T", "frames"))]


def _named_planes(count: int, axes: list[tuple[str, int]], names: list[str]) -> tuple[Plane, ...] | None:
    """The pictures as page (slice and time) and channel; None when the axes do not give as many."""
    if sorted(axis for axis, _ in axes) != ["C", "T", "Z"] or int(np.prod([n for _, n in axes], dtype=object)) != count:
        return None
    sizes = dict(axes)
    found = []
    for index in range(count):
        at, rest = {}, index
        for axis, size in axes:
            at[axis], rest = rest % size, rest // size
        name = names[at["C"]] if at["C"] < len(names) else ""
        found.append(Plane(at["T"] * sizes["Z"] + at["Z"] + 1, at["C"] + 1, name))
    return tuple(found)


def _scale(page: Any, description: str) -> Scale | Note | None:
    x, y = tag(page, X_RESOLUTION), tag(page, Y_RESOLUTION)
    if description.startswith("ImageJ="):
        return scale.of_imagej(description, x, y)
    described = scale.of_description(description)
    if described is not None:
        return described
    unit = tag(page, UNIT)
    per_unit = UM_PER_UNIT.get(int(unit)) if isinstance(unit, int) else None
    return scale.of_resolution(x, y, per_unit) if per_unit else None
