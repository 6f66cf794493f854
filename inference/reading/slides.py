"""Slides: large images of which only parts are read. A picture is a slide of one level.

    open_slide ──► which reader? ──► Slide: what it is, and regions of its levels as 8-bit RGB

Readers are asked in one order, and the one that was chosen is said: tifffile for OME-TIFF and ImageJ, wsidicom for
DICOM, OpenSlide for the formats of scanners, tifffile for every other TIFF, Pillow for pictures.

Frame: level 0 is the full resolution, origin top left, y down. Where a scanner's canvas is larger than what was scanned
(MRXS), the scanned part is the slide and `origin` says where it lies in the canvas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import PIL.Image
from pydantic import JsonValue

from inference.documents.base import JsonObject
from inference.reading import sets
from inference.reading.channels import ChannelView, blended
from inference.reading.colour import Profile
from inference.reading.combinations import KEPT, MOST_PIXELS, SPREAD, Combination, treatment
from inference.reading.picture import TIFF_MARKS, chosen_plane, format_of
from inference.reading.ranges import is_remote
from inference.reading.tones import Range, as_bytes, as_rgb, used_range
from inference.reading.types import Identified, Level, Note, Plane, Reader, Samples, Unreadable
from inference.types import RGB

if TYPE_CHECKING:
    from inference.reading.tiff import TiffReader

MOST_STRIP = 64_000_000  # pixels of a strip: one that is larger is as good as the whole
PREVIEW = 4_000_000  # pixels of a level whose range of samples stands for the slide's
RGB_NAMES = ("Red", "Green", "Blue")
NEAR = 1.05  # a level that is this much too coarse still counts as fine enough


@dataclass(frozen=True)
class SlideInfo:
    """What a slide is. All sizes are pixels of level 0 unless they say otherwise.

    z, t       slices and times that the pages are: page = t * z + slice
    channels   3 for colours, else how many single channels there are to choose from; `channel_names` names them
    mpp_x, mpp_y   µm per pixel of level 0, None where the file does not say, or says what no microscope has
    objective  magnification, 20.0 for 20x
    icc, icc_usable   whether the file holds a colour profile, and whether it can be applied
    reader     the library that reads the pixels
    """

    width: int
    height: int
    levels: tuple[Level, ...]
    mpp_x: float | None
    mpp_y: float | None
    objective: float | None
    vendor: str
    scanner: str
    channels: int
    channel_names: tuple[str, ...]
    pages: int
    bits: int
    reader: str
    format: str
    associated: tuple[str, ...]
    icc: bool
    icc_usable: bool
    origin: tuple[int, int]
    z: int
    t: int
    notes: tuple[Note, ...]

    def as_json(self) -> JsonObject:
        """For people and programs: the names of the fields, sizes as numbers."""
        levels: list[JsonValue] = [
            {
                "width": level.width,
                "height": level.height,
                "downsample": round(level.downsample, 6),
                "tile_width": level.tile_width or None,
                "tile_height": level.tile_height or None,
            }
            for level in self.levels
        ]
        return {
            "width": self.width,
            "height": self.height,
            "levels": levels,
            "mpp_x": self.mpp_x,
            "mpp_y": self.mpp_y,
            "objective": self.objective,
            "vendor": self.vendor,
            "scanner": self.scanner,
            "channels": self.channels,
            "channel_names": list(self.channel_names),
            "pages": self.pages,
            "bits": self.bits,
            "reader": self.reader,
            "format": self.format,
            "associated": list(self.associated),
            "icc": self.icc,
            "icc_usable": self.icc_usable,
            "origin": list(self.origin),
            "z": self.z,
            "t": self.t,
            "notes": [str(note) for note in self.notes],
        }


class Slide:
    """An open slide. Not for two threads at once.

    page, channel  which picture of a file that holds several, from 1; None where it holds one, or for `info` alone, or
                   where each part is asked for with its page and channels
    """

    def __init__(self, reader: Reader, *, page: int | None = None, channel: int | None = None) -> None:
        self.reader = reader
        first = reader.identify()
        plane = chosen_plane(first, page, channel) if page is not None or channel is not None else first.planes[0]
        self.identified = reader.identify(plane.page)
        self._profile: Profile | None = None
        icc_usable = self.identified.icc and self.profile().is_usable
        self.info = info_of(self.identified, icc_usable=icc_usable)
        self.combination = _combination(self.identified)
        self._chosen = (page, channel)
        self._range: Range | None = None

    def plane(self) -> Plane:
        """The picture that regions are taken from. Raises Unreadable where it has to be chosen first."""
        return chosen_plane(self.reader.identify(), *self._chosen)

    def region(self, level: int, x: int, y: int, w: int, h: int) -> RGB:
        """The pixels of a rectangle of a level.

        level       index into `info.levels`
        x, y, w, h  px of that level, inside it
        -> (h, w, 3) uint8 RGB; transparent parts stand on white, samples of more than 8 bits are spread by the range
           that the coarsest level uses, so that all regions of a slide are shown alike

        Raises Unreadable for pixels that cannot be decoded or a choice that is missing, ValueError for a rectangle
        outside the level.
        """
        samples = self.reader.region(level, x, y, w, h, self.plane())
        return self._as_rgb8(samples)

    def blended_region(
        self, level: int, x: int, y: int, w: int, h: int, page: int, views: Sequence[ChannelView]
    ) -> RGB:
        """As `region`, of several channels together (channels.py). Raises Unreadable for one that is not there."""
        samples = []
        for view in views:
            plane = chosen_plane(self.reader.identify(), page, view.channel)
            samples.append(self.reader.region(level, x, y, w, h, plane))
        return blended(samples, views)

    def single_channels(self) -> tuple[str, ...]:
        """Names of the channels that can be shown together or alone; () where a pixel has colours of its own."""
        found = self.reader.identify()
        is_grey = found.photometric in ("grey", "white is zero")
        return self.info.channel_names if is_grey and (found.channels > 1 or found.pages > 1) else ()

    def channel_colour(self, number: int) -> str:
        """Six digits, or "" where the file says none."""
        colours = self.reader.identify().colours
        return colours[number - 1] if number <= len(colours) else ""

    def coarse_samples(self, page: int, channel: int) -> Samples:
        """Samples of one plane that stand for all of it: of the coarsest level, or of the middle of a large one."""
        plane = chosen_plane(self.reader.identify(), page, channel)
        return self.reader.region(*self._coarse(), plane)

    def profile(self) -> Profile:
        """The colour profile of the slide, ready to be applied (colour.py)."""
        if self._profile is None:
            self._profile = Profile(self.reader.profile())
        return self._profile

    def scaled(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        size: tuple[int, int],
        *,
        page: int = 1,
        views: Sequence[ChannelView] = (),
    ) -> RGB:
        """A rectangle of level 0 at another size, from the level that suits.

        x, y, w, h   px of level 0; what lies outside the slide is white
        size         (width, height) of the answer
        page, views  of which plane which channels; () for the picture that was chosen when the slide was opened
        -> (height, width, 3) uint8
        """
        level = self.level_for(max(w / size[0], h / size[1]))
        there = self.info.levels[level]
        left, top = x / there.downsample, y / there.downsample
        right, bottom = (x + w) / there.downsample, (y + h) / there.downsample
        x0, y0 = max(0, int(np.floor(left + 1e-6))), max(0, int(np.floor(top + 1e-6)))
        x1, y1 = min(there.width, int(np.ceil(right - 1e-6))), min(there.height, int(np.ceil(bottom - 1e-6)))
        if x0 >= x1 or y0 >= y1:
            return np.full((size[1], size[0], 3), 255, np.uint8)
        part = (x0, y0, x1 - x0, y1 - y0)
        pixels = self.blended_region(level, *part, page, views) if views else self.region(level, *part)
        box = (left - x0, top - y0, right - x0, bottom - y0)
        return resampled(pixels, box, size)

    def level_for(self, downsample: float) -> int:
        """The coarsest level that is fine enough to be shown at `downsample` pixels of level 0 a pixel."""
        fine = [index for index, level in enumerate(self.info.levels) if level.downsample <= downsample * NEAR]
        return fine[-1] if fine else 0

    def preview(self, side: int, *, page: int = 1, views: Sequence[ChannelView] = ()) -> RGB:
        """The whole slide, its longer side of at most `side` pixels. page, views: as in `scaled`."""
        longer = max(self.info.width, self.info.height)
        factor = max(1.0, longer / side)
        size = (max(1, round(self.info.width / factor)), max(1, round(self.info.height / factor)))
        return self.scaled(0, 0, self.info.width, self.info.height, size, page=page, views=views)

    def _as_rgb8(self, samples: Samples) -> RGB:
        colours, alpha = samples, None
        if samples.shape[2] in (2, 4):
            colours, alpha = samples[..., :-1], samples[..., -1]
        if self.combination.result == SPREAD and colours.dtype != np.uint8:
            colours = as_bytes(colours, self._used_range())
            if alpha is not None:
                opaque = 1.0 if alpha.dtype.kind == "f" else 2.0**self.info.bits - 1
                alpha = np.clip(alpha / opaque * 255, 0, 255).astype(np.uint8)
        rgb = as_rgb(colours)
        if alpha is not None and (alpha != 255).any():
            from inference.reading.picture import on_white

            return on_white(rgb, alpha)
        return rgb

    def _used_range(self) -> Range:
        """Samples that are black and white, of the coarsest level, or of the middle where that is large too."""
        if self._range is None:
            samples = self.reader.region(*self._coarse(), self.plane())
            colours = samples[..., :-1] if samples.shape[2] in (2, 4) else samples
            self._range = used_range(colours, None)
        return self._range

    def _coarse(self) -> tuple[int, int, int, int, int]:
        """(level, x, y, w, h): the coarsest level, or the middle of it where that is large too."""
        index = len(self.info.levels) - 1
        level = self.info.levels[index]
        w, h = level.width, level.height
        if w * h > PREVIEW:
            w, h = min(w, 2000), min(h, 2000)
        x, y = (level.width - w) // 2, (level.height - h) // 2
        return index, x, y, w, h

    def close(self) -> None:
        self.reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def resampled(pixels: RGB, box: tuple[float, float, float, float], size: tuple[int, int]) -> RGB:
    """The part `box` (left, top, right, bottom in px, may leave the pixels) at another size; outside it is white."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    before, above = max(0, int(np.ceil(-left))), max(0, int(np.ceil(-top)))
    after, below = max(0, int(np.ceil(right - width))), max(0, int(np.ceil(bottom - height)))
    if before or above or after or below:
        sides = ((above, below), (before, after), (0, 0))
        pixels = np.pad(pixels, sides, constant_values=255)
        left, right = left + before, right + before
        top, bottom = top + above, bottom + above
    whole = (right - left, bottom - top) == size and left == int(left) and top == int(top)
    if whole:
        x, y = int(left), int(top)
        return np.ascontiguousarray(pixels[y : y + size[1], x : x + size[0]])
    picture = PIL.Image.fromarray(np.ascontiguousarray(pixels))
    shrinks = right - left > size[0]
    method = PIL.Image.Resampling.BOX if shrinks else PIL.Image.Resampling.BILINEAR
    return np.asarray(picture.resize(size, method, box=(left, top, right, bottom)))


# -- which reader


def open_slide(path: Path, *, page: int | None = None, channel: int | None = None) -> Slide:
    """A slide from a file, or from a folder with the files of one slide. Raises Unreadable, OSError.

    The files of an MRXS, VMS or DICOM slide lie beside each other: `path` may be any DICOM file of a series, and is the
    .mrxs or .vms file of the others.
    """
    reader = reader_of(sets.entry_of(path))
    try:
        slide = Slide(reader, page=page, channel=channel)
    except BaseException:
        reader.close()
        raise
    return slide


def reader_of(path: Path) -> Reader:
    """The first reader that takes the file. Raises what the reader meant for it says."""
    from inference.reading.dicom import is_dicom

    if path.is_dir() or is_dicom(path):
        return _dicom(path)
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(TIFF_MARKS):
        return _tiff(path)
    vendor = _vendor(path)
    if vendor is not None:
        return vendor
    from inference.reading.pillow import PillowReader

    return PillowReader(path, format_of(path))


def _dicom(path: Path) -> Reader:
    """By wsidicom, or by OpenSlide where it cannot."""
    from inference.reading.dicom import DicomReader

    try:
        return DicomReader(path)
    except Unreadable as error:
        if error.code != "damaged_header" or path.is_dir():
            raise
        if is_remote(path):
            raise Unreadable("needs_whole") from None
        from inference.reading.vendor import VendorReader

        try:
            return VendorReader(path)
        except Unreadable:
            raise error from None


def _tiff(path: Path) -> Reader:
    """OME and ImageJ by tifffile, a scanner's by OpenSlide, and again by tifffile what OpenSlide does not know."""
    from inference.reading.tiff import TiffReader

    reader: TiffReader | None = None
    declined: Unreadable | None = None
    try:
        reader = TiffReader(path)
        if reader.file.is_ome or reader.file.is_imagej:
            return reader
    except Unreadable as error:
        declined = error
    if is_remote(path):
        if reader is not None and not _is_of_scanner(reader):
            return reader
        if reader is not None:
            reader.close()
        raise Unreadable("needs_whole")
    vendor = _vendor(path)
    if vendor is not None:
        if reader is not None:
            reader.close()
        return vendor
    if reader is None:
        raise declined or Unreadable("unknown_format")
    return reader


def _is_of_scanner(reader: "TiffReader") -> bool:
    """Whether a TIFF is of a kind that OpenSlide alone reads rightly. Aperio's is not: its levels are plain tiles."""
    file = reader.file
    is_known = file.is_ndpi or file.is_scn or file.is_bif or file.is_philips
    is_trestle = str(file.pages.first.software).startswith("MedScan")
    return bool(is_known or is_trestle) or not reader.found.levels[0].tile_width


def _vendor(path: Path) -> Reader | None:
    """By OpenSlide, where it knows the format as a scanner's; None where it does not, or cannot open the file.

    OpenSlide reads files of this machine alone. Raises Unreadable for one that lies in a storage.
    """
    if is_remote(path):
        raise Unreadable("needs_whole")
    from inference.reading.vendor import GENERIC, VendorReader, vendor_of

    if vendor_of(path) in (None, GENERIC):
        return None
    try:
        return VendorReader(path)
    except Unreadable:
        if path.suffix.lower() in sets.ENTRIES:
            raise  # a set of files, which no other reader knows
        return None


# -- what it is


def info_of(found: Identified, *, icc_usable: bool = False) -> SlideInfo:
    """icc_usable: whether the colour profile of the file can be applied."""
    names = _channel_names(found)
    return SlideInfo(
        width=found.width,
        height=found.height,
        levels=found.levels,
        mpp_x=round(found.scale.x, 6) if found.scale else None,
        mpp_y=round(found.scale.y, 6) if found.scale else None,
        objective=found.objective,
        vendor=found.vendor,
        scanner=found.scanner,
        channels=len(names),
        channel_names=names,
        pages=found.pages,
        bits=found.bits,
        reader=found.reader,
        format=found.format,
        associated=found.associated,
        icc=found.icc,
        icc_usable=icc_usable,
        origin=found.origin,
        z=found.z if found.pages > 1 else 1,
        t=found.t if found.pages > 1 else 1,
        notes=_notes(found, icc_usable=icc_usable),
    )


def _channel_names(found: Identified) -> tuple[str, ...]:
    if found.channels == 1 and found.photometric not in ("grey", "white is zero"):
        return RGB_NAMES
    first = [plane for plane in found.planes if plane.page == 1]
    return tuple(plane.name or f"Channel {plane.channel}" for plane in first)


def _notes(found: Identified, *, icc_usable: bool) -> tuple[Note, ...]:
    notes = list(found.problems)
    if found.icc:
        notes.append(Note("icc_for_display" if icc_usable else "icc_not_applied"))
    if found.origin != (0, 0):
        notes.append(Note("bounded", {"x": found.origin[0], "y": found.origin[1]}))
    if found.orientation not in (None, 1):
        notes.append(Note("not_turned", {"orientation": int(found.orientation or 1)}))
    return tuple(notes)


def _combination(found: Identified) -> Combination:
    """How its pixels become RGB. Raises Unreadable for what is not read, and for what can only be decoded whole."""
    if found.reader in ("openslide", "wsidicom"):
        return Combination((found.format,), ("RGB",), "unsigned", (8,), result=KEPT)
    is_large = found.width * found.height > MOST_PIXELS
    if found.reader == "Pillow":
        return treatment(found)
    combination = treatment(found, None)
    if is_large and not _is_in_parts(found):
        raise Unreadable("not_tiled", width=found.width, height=found.height)
    return combination


def _is_in_parts(found: Identified) -> bool:
    return found.levels[0].tile_width > 0
