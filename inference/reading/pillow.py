"""PNG, JPEG, BMP and WebP, by Pillow; PNG with 16 bits by imagecodecs, since Pillow keeps the high byte of its colours.

The file is read whole: these formats have one resolution and no tiles.
"""

import io
from pathlib import Path
from typing import Any, Self

import imagecodecs
import numpy as np
import PIL.ExifTags
import PIL.Image

from inference.reading import scale
from inference.reading.containers import Container, jpeg, orientation_of, png
from inference.reading.tiff import reason
from inference.reading.types import Identified, Level, Note, Plane, Samples, Scale, Unreadable, checked_rectangle

MOST_PAGES = 100_000  # of an animation, as it claims
MAKE, MODEL = 271, 272
BMP_BITS = {15: 5, 16: 6}  # bits of the widest sample where a pixel has 15 or 16


class PillowReader:
    """An open file of a format that Pillow decodes. Raises Unreadable where its header cannot be read."""

    def __init__(self, path: Path, format_name: str) -> None:
        self.format = format_name
        content = path.read_bytes()
        try:
            self.container = _container(format_name, content)
            self.found = self._identified()
        except Unreadable:
            raise
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises what its plugins raise
            raise Unreadable("damaged_header", format=format_name, reason=reason(error)) from error
        self.content = content if self.found.pages > 1 else self.container.plain
        self.decoded: tuple[int, Samples] | None = None

    def identify(self, page: int = 1) -> Identified:
        return self.found  # frames of an animation have one size and one kind

    def region(self, level: int, x: int, y: int, w: int, h: int, plane: Plane) -> Samples:
        checked_rectangle(self.found.levels[level], x, y, w, h)
        if self.decoded is None or self.decoded[0] != plane.page:
            try:
                self.decoded = (plane.page, self._samples(plane.page))
            except MemoryError:
                raise
            except Exception as error:
                raise Unreadable("damaged", format=self.format, reason=reason(error)) from error
        samples = self.decoded[1]
        if (w, h) == samples.shape[1::-1]:
            return samples
        return samples[y : y + h, x : x + w]

    def profile(self) -> bytes:
        found = _opened(self.content, self.format).info.get("icc_profile")
        return found if isinstance(found, bytes) else b""

    def close(self) -> None:
        self.decoded = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- what it is

    def _identified(self) -> Identified:
        known = self.container
        measured = _scale(known)
        problems = [measured] if isinstance(measured, Note) else []
        orientation = orientation_of(known.exif, known.xmp)
        if known.exif and orientation is None and not _is_readable(known.exif):
            problems.append(Note("exif_unreadable"))
        pages = min(known.frames, MOST_PAGES)
        if self.format == "JPEG" and pages > 1:  # what follows the picture of a phone are its previews and views
            problems.append(Note("further_pictures", {"count": pages - 1}))
            pages = 1
        make, model = _camera(known.exif)
        return Identified(
            format=self.format,
            width=known.width,
            height=known.height,
            bits=known.bits,
            photometric=known.photometric,
            samples=known.samples,
            alpha=known.alpha,
            compression=known.compression,
            color_map=known.photometric == "palette",
            orientation=orientation,
            levels=(Level(known.width, known.height),),
            planes=tuple(Plane(page, 1) for page in range(1, pages + 1)),
            scale=measured if isinstance(measured, Scale) else None,
            vendor=scale.vendor_of(make, ""),
            scanner=scale.scanner_of(make, model, ""),
            reader="Pillow",
            icc=known.has_icc,
            metadata=_names(known),
            problems=tuple(problems),
        )

    # -- pixels

    def _samples(self, page: int) -> Samples:
        if self.format == "PNG" and self.found.bits == 16 and self.found.pages == 1:
            return _deep_png(self.content)
        opened = _opened(self.content, self.format)
        if self.found.pages > 1:
            opened.seek(page - 1)
        opened.load()
        clear = self.container.clear_grey
        if clear is not None:
            shades = np.asarray(opened.convert("L"))
            shown = clear * 255 // (2**self.found.bits - 1)
            return np.dstack([shades, np.where(shades == shown, 0, 255).astype(np.uint8)])
        if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
            return np.asarray(opened.convert("RGBA"))
        if opened.mode == "L" or opened.mode == "1":
            return np.asarray(opened.convert("L"))[..., None]
        return np.asarray(opened.convert("RGB"))


def _opened(content: bytes, format_name: str) -> PIL.Image.Image:
    """Without Pillow's own limit of size: the size is asked of the header, with a limit of ours (combinations.py)."""
    limit = PIL.Image.MAX_IMAGE_PIXELS
    PIL.Image.MAX_IMAGE_PIXELS = None
    try:
        return PIL.Image.open(io.BytesIO(content), formats=(format_name.upper(),))
    finally:
        PIL.Image.MAX_IMAGE_PIXELS = limit


def _container(format_name: str, content: bytes) -> Container:
    if format_name == "PNG":
        return png(content)
    if format_name == "JPEG":
        return jpeg(content)
    opened = _opened(content, format_name)
    found = Container(plain=content, width=opened.width, height=opened.height, compression=format_name)
    found.alpha = "straight" if opened.mode == "RGBA" or "transparency" in opened.info else ""
    found.samples = 4 if found.alpha else 3
    found.frames = int(getattr(opened, "n_frames", 1))
    found.exif, found.xmp = _block(opened, "exif"), _block(opened, "xmp")
    found.has_icc = bool(_block(opened, "icc_profile"))
    if format_name == "BMP":
        per_pixel = content[24] if content[14:15] == b"\x0c" else int.from_bytes(content[28:30], "little")
        found.bits = per_pixel if per_pixel <= 8 else BMP_BITS.get(per_pixel, 8)
        if per_pixel <= 8:
            found.photometric, found.samples = "palette", 1
    return found


def _deep_png(content: bytes) -> Samples:
    """A PNG of 16 bits as its samples. libpng turns a transparent colour (tRNS) into alpha."""
    samples = imagecodecs.png_decode(content)
    return samples[..., None] if samples.ndim == 2 else samples


def _scale(known: Container) -> Scale | Note | None:
    if known.per_metre is None:
        return None
    return scale.of_resolution(known.per_metre[0], known.per_metre[1], 1e6)


def _block(opened: PIL.Image.Image, name: str) -> bytes:
    block = opened.info.get(name, b"")
    return block if isinstance(block, bytes) else b""


def _is_readable(exif: bytes) -> bool:
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    return exif[:2] in (b"II", b"MM")


def _names(known: Container) -> tuple[str, ...]:
    """Names of what EXIF says, and of XMP; never a value."""
    found = ["XMP"] if known.xmp else []
    if not known.exif:
        return tuple(found)
    try:
        tags = PIL.Image.Exif()
        tags.load(known.exif)
        found += [f"EXIF {PIL.ExifTags.TAGS.get(code, code)}" for code in tags]
    except Exception:  # broken metadata never refuse a sound picture
        found.append("EXIF")
    return tuple(found)


def _camera(exif: bytes) -> tuple[Any, Any]:
    """Make and model of EXIF, as far as they can be read."""
    if not exif:
        return None, None
    try:
        tags = PIL.Image.Exif()
        tags.load(exif)
        return tags.get(MAKE), tags.get(MODEL)
    except Exception:  # broken metadata never refuse a sound picture
        return None, None
