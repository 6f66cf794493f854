"""Slides in the formats of scanners (SVS, NDPI, MRXS, SCN, BIF, VMS, CZI and others), by OpenSlide.

MRXS and some others have a canvas that is larger than what was scanned, and say where the scanned part lies. Here the
scanned part is the slide, as QuPath has it: level 0 begins at its upper left corner, and `origin` leads back to
OpenSlide's own coordinates.
"""

from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import openslide
import PIL.Image

from inference.reading import scale
from inference.reading.tiff import reason
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

VENDORS = {
    "aperio": "Aperio", "hamamatsu": "Hamamatsu", "leica": "Leica", "mirax": "3DHISTECH", "philips": "Philips",
    "sakura": "Sakura", "trestle": "Trestle", "ventana": "Ventana", "zeiss": "Zeiss",
}  # fmt: skip
FORMATS = {
    "aperio": "Aperio SVS", "hamamatsu": "Hamamatsu", "leica": "Leica SCN", "mirax": "MRXS", "philips": "Philips TIFF",
    "sakura": "Sakura SVSLIDE", "trestle": "Trestle TIFF", "ventana": "Ventana BIF", "zeiss": "Zeiss CZI",
    "dicom": "DICOM",
}  # fmt: skip
GENERIC = "generic-tiff"  # OpenSlide's name of a tiled TIFF that no scanner's program has signed
MOST_LEVELS = 64


def vendor_of(path: Path) -> str | None:
    """OpenSlide's word for the format of a file, None where it knows none."""
    try:
        found: str | None = openslide.OpenSlide.detect_format(path)
    except Exception:  # any kind: what cannot be told is told by the next reader
        return None
    return found


class VendorReader:
    """An open slide of a scanner. Raises Unreadable where OpenSlide cannot open it."""

    def __init__(self, path: Path) -> None:
        kind = vendor_of(path) or "slide"
        self.format = FORMATS.get(kind, kind)
        try:
            self.slide = openslide.OpenSlide(path)
        except Exception as error:  # OpenSlideError, and whatever its bindings raise
            raise Unreadable("damaged_header", format=self.format, reason=reason(error)) from error
        try:
            self.properties = dict(self.slide.properties)
            self.found = self._identified(kind)
        except Exception as error:
            self.close()
            raise Unreadable("damaged_header", format=self.format, reason=reason(error)) from error
        self.background = _colour(self.properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "ffffff"))

    def identify(self, page: int = 1) -> Identified:
        return self.found

    def region(self, level: int, x: int, y: int, w: int, h: int, plane: Plane) -> Samples:
        there = self.found.levels[level]
        checked_rectangle(there, x, y, w, h)
        origin_x, origin_y = self.found.origin
        # OpenSlide wants the corner in pixels of its own level 0.
        left = origin_x + round(x * self.downsamples[level])
        top = origin_y + round(y * self.downsamples[level])
        try:
            picture = self.slide.read_region((left, top), level, (w, h))
        except MemoryError:
            raise
        except Exception as error:
            raise Unreadable("damaged", format=self.format, reason=reason(error)) from error
        return self._on_background(picture)

    def profile(self) -> bytes:
        found = self.slide.color_profile
        return found.tobytes() if found is not None else b""

    def _on_background(self, picture: PIL.Image.Image) -> Samples:
        """Where nothing was scanned, OpenSlide gives transparent pixels."""
        least, _most = picture.getchannel("A").getextrema()
        if least == 255:
            return np.asarray(picture.convert("RGB"))
        behind = PIL.Image.new("RGBA", picture.size, self.background)
        return np.asarray(PIL.Image.alpha_composite(behind, picture).convert("RGB"))

    def _identified(self, kind: str) -> Identified:
        slide, properties = self.slide, self.properties
        count = min(slide.level_count, MOST_LEVELS)
        self.downsamples = [float(factor) for factor in slide.level_downsamples[:count]]
        origin, full = self._bounds()
        sizes = [self._size(level, full) for level in range(count)]
        tiles = [self._tile(level) for level in range(count)]
        measured = self._scale()
        levels = tuple(
            Level(*size, downsample=factor, tile_width=tile[0], tile_height=tile[1])
            for size, factor, tile in zip(sizes, self.downsamples, tiles, strict=True)
        )
        if origin == (0, 0):
            levels = levels_of(sizes, tiles)
        make = VENDORS.get(kind, "")
        comment = properties.get("openslide.comment", "")
        return Identified(
            format=self.format,
            width=full[0],
            height=full[1],
            levels=levels,
            scale=measured if isinstance(measured, Scale) else None,
            objective=self._objective(),
            vendor=make,
            scanner=scale.scanner_of("", "", comment) or scale.joined(make, self._model()),
            reader="openslide",
            associated=tuple(slide.associated_images),
            icc=int(properties.get("openslide.icc-size", "0") or 0) > 0,
            origin=origin,
            metadata=tuple(name for name in sorted(properties) if not name.startswith("openslide.level")),
            problems=(measured,) if isinstance(measured, Note) else (),
        )

    def _bounds(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((x, y), (width, height)) of the part of the canvas that was scanned; the whole where the file says none."""
        width, height = self.slide.dimensions
        names = ("x", "y", "width", "height")
        with suppress(KeyError, ValueError):
            x, y, across, down = (int(self.properties[f"openslide.bounds-{name}"]) for name in names)
            inside = x >= 0 and y >= 0 and x + across <= width and y + down <= height
            if inside and across > 0 and down > 0:
                return (x, y), (across, down)
        return (0, 0), (width, height)

    def _size(self, level: int, full: tuple[int, int]) -> tuple[int, int]:
        whole = self.slide.level_dimensions[level]
        if full == self.slide.dimensions:
            return int(whole[0]), int(whole[1])
        factor = self.downsamples[level]
        return max(1, int(full[0] / factor)), max(1, int(full[1] / factor))

    def _tile(self, level: int) -> tuple[int, int]:
        with suppress(KeyError, ValueError):
            names = (f"openslide.level[{level}].tile-{side}" for side in ("width", "height"))
            width, height = (int(self.properties[name]) for name in names)
            return width, height
        return 0, 0

    def _scale(self) -> Scale | Note | None:
        x = scale.number(self.properties.get(openslide.PROPERTY_NAME_MPP_X))
        y = scale.number(self.properties.get(openslide.PROPERTY_NAME_MPP_Y))
        return scale.plausible(x, y, "OpenSlide") if x and y else None

    def _objective(self) -> float | None:
        power = scale.number(self.properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER))
        return power if power is not None and 0.5 <= power <= 250 else None

    def _model(self) -> str:
        """The scanner's model, where the vendor's own properties name it."""
        for name in ("ventana.ScannerModel", "leica.device-model", "mirax.GENERAL.SCANNER_HARDWARE_VERSION",
                     "hamamatsu.Product", "tiff.Model"):  # fmt: skip
            if self.properties.get(name):
                return self.properties[name]
        return ""

    def close(self) -> None:
        with suppress(Exception):
            self.slide.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _colour(word: str) -> tuple[int, int, int, int]:
    """ "ffffff" as (255, 255, 255, 255); white for anything that is no colour."""
    try:
        red, green, blue = bytes.fromhex(word)
    except ValueError:
        return 255, 255, 255, 255
    return red, green, blue, 255
