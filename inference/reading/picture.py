"""A whole picture as 8-bit RGB: which reader, which plane, which range, which way up."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.reading.combinations import MOST_PIXELS, SPREAD, treatment
from inference.reading.label_maps import largest_label
from inference.reading.types import Identified, Note, Plane, Reader, Samples, Unreadable
from inference.types import RGB

NAMES_SHOWN = 6  # of channels, in a sentence
# The first bytes of formats. Those that a reader takes, and those that are only named.
READ = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"BM", "BMP"))
TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NAMED = (
    (0, b"GIF8", "GIF"), (0, b"%PDF", "PDF"), (0, b"8BPS", "Photoshop"), (0, b"\0\0\1\0", "icon"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"), (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"), (0, b"\xff\x0a", "JPEG XL"), (0, b"II\xbc", "JPEG XR"),
    (4, b"ftypavif", "AVIF"), (4, b"ftyphei", "HEIF"), (4, b"ftyphev", "HEIF"), (4, b"ftypmif1", "HEIF"),
    (128, b"DICM", "DICOM"), (0, b"\x89HDF", "HDF5"), (0, b"ZISRAWFILE", "Zeiss CZI"), (0, b"PK\x03\x04", "ZIP"),
    (0, b"\x1f\x8b", "gzip"), (0, b"7z\xbc\xaf", "7-Zip"), (0, b"Rar!", "RAR"), (0, b"\x93NUMPY", "NumPy"),
    (0, b"\xda\xce\xbe\x0a", "Nikon ND2"), (0, b"FLIF", "FLIF"), (0, b"SIMPLE  =", "FITS"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"), (0, b"<svg", "SVG"), (0, b"<?xml", "XML"), (0, b"<html", "HTML"),
    (0, b"<!DOCTYPE", "HTML"), (0, b"{", "JSON"), (0, b"P5", "PGM"), (0, b"P6", "PPM"), (0, b"P4", "PBM"),
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A picture that was read.

    rgb        (H, W, 3) uint8, turned as EXIF says
    low, high  samples that are black and white in `rgb`; None where the samples are 8 bit already
    sha256     of the content: the same for two files of the same pixels, whatever their format
    """

    rgb: RGB
    identified: Identified
    plane: Plane
    low: float | None
    high: float | None
    notes: tuple[Note, ...]
    sha256: str


def format_of(path: Path) -> str:
    """The name of a format that is read. Raises Unreadable for every other file, by name where it is known."""
    with path.open("rb") as file:
        head = file.read(256)
    if not head:
        raise Unreadable("empty")
    if head.startswith(TIFF_MARKS):
        return "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    for mark, name in READ:
        if head.startswith(mark):
            return name
    for at, mark, name in NAMED:
        if head[at : at + len(mark)] == mark:
            raise Unreadable("format_not_read", format=name)
    raise Unreadable("unknown_format")


def open_reader(path: Path) -> Reader:
    """The reader for a file, by its first bytes: the ending of a name is not looked at. Raises Unreadable."""
    name = format_of(path)
    if name == "TIFF":
        from inference.reading.tiff import TiffReader

        return TiffReader(path)
    from inference.reading.pillow import PillowReader

    return PillowReader(path, name)


def identify(path: Path) -> Identified:
    """What a file is, before any pixel is decoded. Raises Unreadable for what is no picture of a known format."""
    with open_reader(path) as reader:
        return reader.identify()


def read_picture(
    path: Path, *, page: int | None = None, channel: int | None = None, most_pixels: int | None = MOST_PIXELS
) -> Picture:
    """The picture in a file as 8-bit RGB.

    page, channel  which one of a file that holds several, from 1; None where it holds one
    most_pixels    a larger picture is declined; None for no limit, where the file is one's own

    Raises Unreadable, whose sentence names the property that is not read, or the choice that is missing.
    """
    with open_reader(path) as reader:
        plane = chosen_plane(reader.identify(), page, channel)
        found = reader.identify(plane.page)
        combination = treatment(found, most_pixels)
        whole = found.levels[0]
        samples = reader.region(0, 0, 0, whole.width, whole.height, plane)
        notes = [*notes_of_choice(found, plane), *found.problems]
        deep = combination.result == SPREAD and samples.dtype != np.uint8
        samples = turned(samples, found.orientation)
        if found.orientation not in (None, 1):
            notes.insert(0, Note("turned", {"orientation": int(found.orientation or 1)}))
        decline_label_map(found, samples)
        rgb, ends = as_rgb8(samples, found, notes, deep=deep)
        mark = content_mark(samples if deep else rgb)
        low, high = ends if ends is not None else (None, None)
        return Picture(rgb, found, plane, low, high, tuple(notes), mark)


def chosen_plane(found: Identified, page: int | None, channel: int | None) -> Plane:
    """The plane that was asked for; without a word the only one. Raises Unreadable where a choice is missing."""
    there = {"pages": found.pages, "channels": found.channels}  # so that whoever is asked can choose both at once
    if page is not None and not 1 <= page <= found.pages:
        raise Unreadable("no_such_page", page=page, **there)
    if channel is not None and not 1 <= channel <= found.channels:
        raise Unreadable("no_such_channel", channel=channel, **there)
    if page is None and found.pages > 1:
        raise Unreadable("several_pages", **there)
    if channel is None and found.channels > 1:
        raise Unreadable("several_channels", names=channel_names(found), **there)
    wanted = (page or 1, channel or 1)
    for plane in found.planes:
        if (plane.page, plane.channel) == wanted:
            return plane
    raise Unreadable("no_such_page", page=wanted[0], **there)


def channel_names(found: Identified) -> str:
    """ " (DAPI, FITC)", or "" where channels have no names."""
    names = [plane.name for plane in found.planes if plane.page == 1]
    if not any(names):
        return ""
    more = ", ..." if len(names) > NAMES_SHOWN else ""
    return f" ({', '.join(name or '?' for name in names[:NAMES_SHOWN])}{more})"


def notes_of_choice(found: Identified, plane: Plane) -> list[Note]:
    notes = []
    if found.pages > 1:
        notes.append(Note("page", {"page": plane.page, "pages": found.pages}))
    if found.channels > 1:
        name = f" ({plane.name})" if plane.name else ""
        notes.append(Note("channel", {"channel": plane.channel, "channels": found.channels, "names": name}))
    return notes


def turned(samples: Samples, orientation: int | None) -> Samples:
    """The picture as it was held, from its EXIF orientation 1 to 8; a view of the same samples."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples


def decline_label_map(found: Identified, samples: Samples) -> None:
    """Raises Unreadable for a picture of one channel that is a label map."""
    if samples.shape[2] != 1 or found.photometric != "grey" or found.bits < 8:
        return
    largest = largest_label(samples)
    if largest is not None:
        raise Unreadable("label_map", largest=largest)


def as_rgb8(
    samples: Samples, found: Identified, notes: list[Note], *, deep: bool
) -> tuple[RGB, tuple[float, float] | None]:
    """(h, w, 1..4) samples -> RGB on white, and the samples that are black and white in it (None: as they are)."""
    from inference.reading.tones import as_bytes, as_rgb, used_range

    colours, alpha = samples, None
    if samples.shape[2] in (2, 4):
        colours, alpha = samples[..., :-1], samples[..., -1]
        if not (alpha != 0).any():
            raise Unreadable("transparent")
    ends = None
    if deep:
        used = used_range(colours, None if alpha is None else alpha != 0)
        ends = (used.low, used.high)
        notes.append(_note_of_range(found, used.low, used.high))
        if colours.dtype.kind == "f" and not np.isfinite(colours).all():
            notes.append(Note("no_numbers"))
        colours = as_bytes(colours, used)
        if alpha is not None:
            alpha = _eight_bits(alpha, found.bits)
    rgb = as_rgb(colours)
    if alpha is not None and (alpha != 255).any():
        notes.append(Note("on_white"))
        rgb = on_white(rgb, alpha)
    return rgb, ends


def _note_of_range(found: Identified, low: float, high: float) -> Note:
    if high <= low:
        return Note("constant", {"low": _figure(low)})
    return Note("spread", {"bits": found.bits, "low": _figure(low), "high": _figure(high)})


def _figure(value: float) -> str:
    return f"{value:.6g}"


def _eight_bits(alpha: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    opaque = 1.0 if alpha.dtype.kind == "f" else 2.0**bits - 1
    scaled = np.nan_to_num(alpha.astype(np.float32)) * (255 / opaque)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def on_white(rgb: RGB, alpha: npt.NDArray[np.uint8]) -> RGB:
    """Colours laid on white as Pillow lays them, in blocks, since its pictures take four bytes a pixel."""
    import PIL.Image

    made = np.empty_like(rgb)
    for top in range(0, rgb.shape[0], 512):
        block = np.dstack([rgb[top : top + 512], alpha[top : top + 512]])
        layered = PIL.Image.fromarray(np.ascontiguousarray(block))
        white = PIL.Image.new("RGBA", layered.size, "white")
        made[top : top + 512] = np.asarray(PIL.Image.alpha_composite(white, layered).convert("RGB"))
    return made


def content_mark(samples: Samples) -> str:
    """SHA-256 of a picture's content.

    8-bit RGB: of its bytes and its size (width, height). Deep samples: of the samples themselves, since two different
    pictures may look alike once their range is spread.
    """
    height, width, count = samples.shape
    mark = hashlib.sha256()
    for top in range(0, height, 512):
        block = np.ascontiguousarray(samples[top : top + 512])
        mark.update(block.data)
    mark.update(str((width, height)).encode())
    if samples.dtype != np.uint8:
        mark.update(f"{samples.dtype.str} {count}".encode())
    return mark.hexdigest()
