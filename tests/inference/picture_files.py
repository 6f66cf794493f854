"""Picture files of every kind that is read, each with the 8-bit picture that people mean by it.

The writers of TIFF and PNG are our own and plain, so that what a decoder makes of a file is compared with what was put
in, not with what a library's writer meant.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import imagecodecs
import numpy as np
import PIL.Image
import PIL.ImageOps
import tifffile

from inference.reading.combinations import READABLE, Combination
from tests.inference.conftest import painted_field

PHOTOMETRIC = {"white is zero": 0, "grey": 1, "RGB": 2, "palette": 3, "CMYK": 5, "YCbCr": 6, "CIELAB": 8}
FORMATS = {"unsigned": 1, "signed": 2, "float": 3}
EXTRA = {"unspecified": 0, "premultiplied": 1, "straight": 2}
SIDE = 64
# Of a TIFF: the types of an entry's values, and two tags.
BYTE = 1
SHORT = 3
LONG = 4
RATIONAL = 5
SIGNED_BYTE = 6
SIGNED_LONG = 9
FLOAT = 11
STRIP_OFFSETS = 273
STRIP_SIZES = 279


@dataclass(frozen=True)
class Case:
    """One file and what it shows. `tolerance` is the mean error in grey levels that the coding itself makes."""

    name: str
    content: bytes
    expected: np.ndarray
    combination: Combination
    tolerance: float = 0.5
    channel: int | None = None
    asked: tuple = field(default=())


def tiff(
    samples: np.ndarray,
    *,
    photometric: int,
    bits: int,
    sample_format: int = 1,
    extra: tuple[int, ...] = (),
    planar: bool = False,
    order: str = "<",
    rows: int | None = None,
    color_map: np.ndarray | None = None,
    tags: tuple[tuple[int, int, tuple[int, ...]], ...] = (),
) -> bytes:
    """An uncompressed TIFF. samples: (h, w, n); bits below a byte's multiple are packed, each row begins a byte."""
    height, width, count = samples.shape
    rows = rows or height
    planes = np.split(samples, count, axis=2) if planar else [samples]
    strips = []
    for plane in planes:
        for top in range(0, height, rows):
            strips.append(packed(plane[top : top + rows], bits, order))
    entries = {
        256: (LONG, (width,)),
        257: (LONG, (height,)),
        258: (SHORT, (bits,) * count),
        259: (SHORT, (1,)),
        262: (SHORT, (photometric,)),
        277: (SHORT, (count,)),
        278: (LONG, (rows,)),
        284: (SHORT, (2 if planar else 1,)),
        339: (SHORT, (sample_format,) * count),
        STRIP_SIZES: (LONG, tuple(len(strip) for strip in strips)),
        STRIP_OFFSETS: (LONG, (0,) * len(strips)),
    }
    if extra:
        entries[338] = (SHORT, extra)
    if color_map is not None:
        entries[320] = (SHORT, tuple(int(value) for value in color_map.T.ravel()))
    for code, kind, values in tags:
        entries[code] = (kind, values)
    offsets_given = any(code == STRIP_OFFSETS for code, _, _ in tags)
    return _assembled(entries, strips, order, place_strips=not offsets_given)


def _assembled(
    entries: dict[int, tuple[int, tuple[int, ...]]], strips: list[bytes], order: str, *, place_strips: bool
) -> bytes:
    """The header, the directory, the values that have no room in it, the strips."""
    start = 8 + 2 + 12 * len(entries) + 4
    bodies = [_values(kind, values, order) for kind, values in entries.values()]
    at = start + sum(len(body) for body in bodies if len(body) > 4)
    offsets = []
    for strip in strips:
        offsets.append(at)
        at += len(strip)
    if place_strips:
        entries[STRIP_OFFSETS] = (LONG, tuple(offsets))
    directory = struct.pack(order + "H", len(entries))
    outside = b""
    for code, (kind, values) in sorted(entries.items()):
        body = _values(kind, values, order)
        if len(body) <= 4:
            place = body.ljust(4, b"\0")
        else:
            place = struct.pack(order + "I", start + len(outside))
            outside += body
        count = len(values) // 2 if kind == RATIONAL else len(values)
        directory += struct.pack(order + "HHI", code, kind, count) + place
    mark = b"II*\0" if order == "<" else b"MM\0*"
    header = mark + struct.pack(order + "I", 8)
    no_next_directory = struct.pack(order + "I", 0)
    return header + directory + no_next_directory + outside + b"".join(strips)


def _values(kind: int, values: tuple[int, ...], order: str) -> bytes:
    """The values of one entry; a fraction is two of them."""
    codes = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "I", SIGNED_BYTE: "b", SIGNED_LONG: "i", FLOAT: "f"}
    return struct.pack(order + codes[kind] * len(values), *values)


def packed(samples: np.ndarray, bits: int, order: str) -> bytes:
    """The samples' bytes in an order; where bits are no multiple of 8, without gaps within a row."""
    if bits % 8 == 0:
        ordered = samples.astype(samples.dtype.newbyteorder(order))
        return np.ascontiguousarray(ordered).tobytes()
    rows = samples.shape[0]
    flat = samples.reshape(rows, -1).astype(np.uint16)
    places = np.arange(bits - 1, -1, -1)
    digits = (flat[..., None] >> places) & 1
    digits = digits.reshape(rows, -1).astype(np.uint8)
    return np.packbits(digits, axis=1).tobytes()


def png(samples: np.ndarray, *, bits: int, colour: int, palette: np.ndarray | None = None, clear: bytes = b"") -> bytes:
    """samples (h, w, n); colour as in IHDR; clear: the body of tRNS."""
    height, width = samples.shape[:2]
    stored = samples.astype(">u2" if bits == 16 else np.uint8)
    rows = [b"\0" + packed(row[None], bits, ">") for row in stored]  # 0: no filter
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [piece(b"IHDR", header)]
    if palette is not None:
        parts.append(piece(b"PLTE", palette.astype(np.uint8).tobytes()))
    if clear:
        parts.append(piece(b"tRNS", clear))
    parts.append(piece(b"IDAT", zlib.compress(b"".join(rows))))
    parts.append(piece(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def piece(name: bytes, body: bytes) -> bytes:
    length = struct.pack(">I", len(body))
    check = struct.pack(">I", zlib.crc32(name + body))
    return length + name + body + check


# -- the picture


def picture() -> np.ndarray:
    """(64, 64, 3) uint8, dark cells on a pale ground."""
    return painted_field(3, SIDE, 5).rgb


def grey() -> np.ndarray:
    return picture().mean(2).astype(np.uint8)


def in_three(shown: np.ndarray) -> np.ndarray:
    """A grey picture (h, w, 1) as (h, w, 3); one in colour as it is."""
    return np.broadcast_to(shown, (SIDE, SIDE, 3))


def in_kind(photometric: str, bits: int) -> np.ndarray:
    """The picture in colour or in the greys that there are of so many bits: (h, w, 3) or (h, w, 1)."""
    if photometric == "RGB":
        return picture()
    return coarse(grey(), min(bits, 8))[..., None]


def as_type(shown: np.ndarray, combination: Combination, bits: int) -> np.ndarray:
    """The samples that mean an 8-bit picture in a type: black is 0 and white its largest value."""
    share = shown / 255
    if combination.sample_format == "float":
        return share.astype(f"f{bits // 8}")
    if combination.sample_format == "signed":
        white = 2 ** (bits - 1) - 1
        return np.rint(share * white).astype(f"i{bits // 8}")
    white = 2**bits - 1
    return np.rint(share * white).astype(np.uint16 if bits > 8 else np.uint8)


def coarse(shown: np.ndarray, bits: int) -> np.ndarray:
    """An 8-bit picture with the greys that `bits` have."""
    top = 2**bits - 1
    steps = np.rint(shown / 255 * top)
    return (steps * 255 // top).astype(np.uint8)


def opacity() -> np.ndarray:
    """Transparent on the left, half so in the middle, opaque on the right."""
    made = np.full((SIDE, SIDE), 255, np.uint8)
    made[:, :16] = 0
    made[:, 16:32] = 102
    return made


def over_white(shown: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    white = 255 * (1 - share)
    return np.rint(shown * share + white).astype(np.uint8)


# -- every combination that is listed


def cases() -> Iterator[Case]:
    """A file for each way of storing that READABLE lists, all of them."""
    makers = {
        "TIFF": _tiff_case,
        "PNG": _png_case,
        "JPEG": _jpeg_case,
        "BMP": _bmp_case,
        "WebP": _webp_case,
    }
    for combination in READABLE:
        kinds = product(
            combination.formats, combination.photometric, combination.bits, combination.alpha, combination.planar
        )
        for format_name, photometric, bits, alpha, planar in kinds:
            make = makers[format_name]
            yield make(combination, photometric, bits, alpha, planar)


def _name(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> str:
    parts = [combination.formats[0], photometric, f"{bits} bit {combination.sample_format}"]
    if alpha:
        parts.append(alpha)
    if planar:
        parts.append("planar")
    return ", ".join(parts)


def _tiff_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    name = _name(combination, photometric, bits, alpha, planar)
    if photometric == "YCbCr":
        file = io.BytesIO()
        tifffile.imwrite(file, picture(), photometric="rgb", compression="jpeg", compressionargs={"level": 95})
        return Case(name, file.getvalue(), picture(), combination, 6)
    if photometric == "palette":
        indices, colours = quantised(min(2**bits, 16))
        table = np.zeros((2**bits, 3), np.uint16)
        table[: len(colours)] = colours.astype(np.uint16) * 257
        content = tiff(indices[..., None], photometric=3, bits=bits, color_map=table)
        return Case(name, content, colours[indices], combination)
    if photometric == "CMYK":
        content = tiff(_cmyk(), photometric=5, bits=8, planar=planar)
        return Case(name, content, picture(), combination)
    if photometric == "CIELAB":
        return Case(name, saved(picture(), "TIFF", mode="LAB"), picture(), combination, 3)
    return _plain_tiff_case(combination, photometric, bits, alpha, planar)


def _plain_tiff_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    """Grey or RGB, with or without a further sample."""
    name = _name(combination, photometric, bits, alpha, planar)
    shown = in_kind(photometric, bits)
    expected = shown
    tolerance = 0.6
    if combination.sample_format == "float" and bits == 16:
        tolerance = 0.5
    channel = None
    if alpha == "unspecified":
        channel = None if photometric == "RGB" else 1
    elif alpha:
        expected = over_white(shown, opacity())
        tolerance = 2.0
    content = tiff(
        _tiff_samples(shown, combination, photometric, bits, alpha),
        photometric=PHOTOMETRIC[photometric],
        bits=bits,
        sample_format=FORMATS[combination.sample_format],
        extra=(EXTRA[alpha],) if alpha else (),
        planar=planar,
        rows=24,
        order=">" if planar else "<",
    )
    return Case(name, content, in_three(expected), combination, tolerance, channel)


def _tiff_samples(shown: np.ndarray, combination: Combination, photometric: str, bits: int, alpha: str) -> np.ndarray:
    """What is stored of a picture, the further sample last."""
    stored = 255 - shown if photometric == "white is zero" else shown
    if not alpha:
        return as_type(stored, combination, bits)
    opaque = opacity()[..., None]
    if alpha == "premultiplied":
        stored = shown * (opaque / 255)
    samples = as_type(stored, combination, bits)
    further = as_type(opaque, combination, bits)
    return np.concatenate([samples, further], axis=2)


def _cmyk() -> np.ndarray:
    black = np.zeros((SIDE, SIDE), np.uint8)
    return np.dstack([255 - picture(), black])


def quantised(colours: int) -> tuple[np.ndarray, np.ndarray]:
    """(indices (h, w), colours (n, 3)) of the picture in few colours."""
    small = PIL.Image.fromarray(picture()).quantize(colours)
    listed = small.getpalette()[: 3 * colours]
    table = np.asarray(listed, np.uint8).reshape(-1, 3)
    return np.asarray(small), table


def _png_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    name = _name(combination, photometric, bits, alpha, planar)
    if photometric == "palette":
        indices, colours = quantised(min(2**bits, 16))
        clear = b"\0" if alpha else b""  # the first colour is transparent
        content = png(indices[..., None], bits=bits, colour=3, palette=colours, clear=clear)
        shown = colours[indices]
        if alpha:
            shown[indices == 0] = 255
        return Case(name, content, shown, combination)
    shown = in_kind(photometric, bits)
    samples = as_type(shown, combination, bits)
    if alpha and bits >= 8:
        opaque = as_type(opacity()[..., None], combination, bits)
        samples = np.concatenate([samples, opaque], axis=2)
        content = png(samples, bits=bits, colour=6 if photometric == "RGB" else 4)
        expected = in_three(over_white(shown, opacity()))
        return Case(name, content, expected, combination, 1.0)
    clear = b""
    expected = in_three(shown)
    if alpha:  # one grey is transparent
        lightest = samples.max()
        clear = struct.pack(">H", int(lightest))
        expected = np.where(samples == lightest, 255, expected)
    content = png(samples, bits=bits, colour=2 if photometric == "RGB" else 0, clear=clear)
    return Case(name, content, expected, combination, 0.6)


def _jpeg_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    name = _name(combination, photometric, bits, alpha, planar)
    if photometric == "grey":
        content = saved(grey(), "JPEG", quality=95)
        return Case(name, content, np.dstack([grey()] * 3), combination, 4)
    if photometric == "YCbCr":
        content = saved(picture(), "JPEG", quality=95)
        return Case(name, content, picture(), combination, 6)
    if photometric == "RGB":
        content = saved(picture(), "JPEG", quality=95, keep_rgb=True)
        return Case(name, content, picture(), combination, 4)
    if photometric not in ("CMYK", "YCCK"):
        raise ValueError(f"no JPEG is made with {photometric}")
    content = imagecodecs.jpeg8_encode(
        255 - _cmyk(),  # Adobe writes inks upside down
        level=95,
        colorspace="CMYK",
        outcolorspace=photometric,
        subsampling="444",
    )
    return Case(name, content, picture(), combination, 6)


def _bmp_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    name = _name(combination, photometric, bits, alpha, planar)
    if photometric == "palette":
        indices, colours = quantised(min(2**bits, 16))
        content = bmp_of_indices(indices, colours, bits)
        return Case(name, content, colours[indices], combination)
    if bits in (5, 6):
        return bmp_of_16(name, combination, bits)
    if alpha:
        bgr = picture()[..., ::-1]
        upwards = np.dstack([bgr, opacity()])[::-1]
        content = _bmp_with_alpha(upwards.tobytes())
        return Case(name, content, over_white(picture(), opacity()), combination, 1.0)
    return Case(name, saved(picture(), "BMP"), picture(), combination)


def bmp_of_indices(indices: np.ndarray, colours: np.ndarray, bits: int) -> bytes:
    table = np.zeros((2**bits, 4), np.uint8)
    table[: len(colours), :3] = colours[:, ::-1]
    rows = np.frombuffer(packed(indices[::-1], bits, "<"), np.uint8)  # 64 px: a row is a multiple of four bytes
    return _bmp(rows.tobytes(), bits, table.tobytes())


def bmp_of_16(name: str, combination: Combination, green: int) -> Case:
    """5-5-5 or 5-6-5 bits; the second needs its masks."""
    values = picture().astype(np.uint16)
    red = values[..., 0] >> 3
    middle = values[..., 1] >> (8 - green)
    blue = values[..., 2] >> 3
    shift = 5 + green
    words = red << shift | middle << 5 | blue
    rows = words[::-1].astype("<u2").tobytes()
    greenest = 2**green - 1
    if green == 6:
        masks = struct.pack("<III", 0x1F << shift, greenest << 5, 0x1F)
        content = _bmp(rows, 16, masks, compression=3)
    else:
        content = _bmp(rows, 16, b"")
    expected = np.dstack([red * 255 // 31, middle * 255 // greenest, blue * 255 // 31])
    return Case(name, content, expected.astype(np.uint8), combination, 1.5)


def _bmp(rows: bytes, bits: int, between: bytes, compression: int = 0) -> bytes:
    offset = 54 + len(between)
    head = struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset)
    info = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, bits, compression, len(rows), 2835, 2835, 0, 0)
    return head + info + between + rows


def _bmp_with_alpha(rows: bytes) -> bytes:
    """Version 4, whose header has the masks of all four."""
    offset = 14 + 108
    head = struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset)
    info = struct.pack("<IiiHHIIiiII", 108, SIDE, SIDE, 1, 32, 3, len(rows), 2835, 2835, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    return head + info + masks + b"BGRs" + bytes(48) + rows


def _webp_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    name = _name(combination, photometric, bits, alpha, planar)
    if alpha:
        rgba = np.dstack([picture(), opacity()])
        content = saved(rgba, "WEBP", lossless=True, exact=True)
        return Case(name, content, over_white(picture(), opacity()), combination, 1.0)
    return Case(name, saved(picture(), "WEBP", lossless=True), picture(), combination)


def saved(array: np.ndarray, form: str, *, mode: str = "", **options: object) -> bytes:
    """By Pillow."""
    file = io.BytesIO()
    made = PIL.Image.fromarray(array)
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        made = ImageCms.profileToProfile(made, srgb, lab, outputMode="LAB")
    made.save(file, form, **options)
    return file.getvalue()


def error_of(shown: np.ndarray, expected: np.ndarray) -> float:
    """Mean absolute error in grey levels."""
    assert shown.shape == expected.shape
    return float(np.abs(shown.astype(int) - expected.astype(int)).mean())


def read_by_pillow(content: bytes) -> np.ndarray:
    """How 8-bit files were read before there was this leaf: what is stored of them must not change."""
    opened = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(content)))
    if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
        layered = opened.convert("RGBA")
        white = PIL.Image.new("RGBA", layered.size, "white")
        return np.asarray(PIL.Image.alpha_composite(white, layered).convert("RGB"))
    return np.asarray(opened.convert("RGB"))
