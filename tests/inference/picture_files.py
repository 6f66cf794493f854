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
import tifffile

from inference.reading.combinations import TAKEN, Combination
from tests.inference.conftest import painted_field

PHOTOMETRIC = {"white is zero": 0, "grey": 1, "RGB": 2, "palette": 3, "CMYK": 5, "YCbCr": 6, "CIELAB": 8}
FORMATS = {"unsigned": 1, "signed": 2, "float": 3}
EXTRA = {"unspecified": 0, "premultiplied": 1, "straight": 2}
SIDE = 64


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
    samples: np.ndarray, *, photometric: int, bits: int, sample_format: int = 1, extra: tuple[int, ...] = (),
    planar: bool = False, order: str = "<", rows: int | None = None, color_map: np.ndarray | None = None,
    tags: tuple[tuple[int, int, tuple[int, ...]], ...] = (),
) -> bytes:  # fmt: skip
    """An uncompressed TIFF. samples: (h, w, n); bits below a byte's multiple are packed, each row begins a byte."""
    height, width, count = samples.shape
    rows = rows or height
    planes = [samples[..., i : i + 1] for i in range(count)] if planar else [samples]
    strips = [packed(plane[top : top + rows], bits, order) for plane in planes for top in range(0, height, rows)]
    entries = {
        256: (4, (width,)), 257: (4, (height,)), 258: (3, (bits,) * count), 259: (3, (1,)), 262: (3, (photometric,)),
        277: (3, (count,)), 278: (4, (rows,)), 284: (3, (2 if planar else 1,)), 339: (3, (sample_format,) * count),
        279: (4, tuple(len(strip) for strip in strips)), 273: (4, (0,) * len(strips)),
    }  # fmt: skip
    if extra:
        entries[338] = (3, extra)
    if color_map is not None:
        entries[320] = (3, tuple(int(v) for v in color_map.T.ravel()))
    entries |= {code: (kind, values) for code, kind, values in tags}
    return _assembled(entries, strips, order)


def _assembled(entries: dict[int, tuple[int, tuple[int, ...]]], strips: list[bytes], order: str) -> bytes:
    codes = {1: "B", 3: "H", 4: "I", 5: "I"}
    start = 8 + 2 + 12 * len(entries) + 4
    room = {code: struct.calcsize(order + codes[kind] * len(values)) for code, (kind, values) in entries.items()}
    at = start + sum(size for size in room.values() if size > 4)
    offsets = []
    for strip in strips:
        offsets.append(at)
        at += len(strip)
    entries[273] = (4, tuple(offsets))
    directory, outside = struct.pack(order + "H", len(entries)), b""
    for code, (kind, values) in sorted(entries.items()):
        data = struct.pack(order + codes[kind] * len(values), *values)
        count = len(values) // 2 if kind == 5 else len(values)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", start + len(outside))
        outside += data if len(data) > 4 else b""
        directory += struct.pack(order + "HHI", code, kind, count) + place
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8) + directory + struct.pack(order + "I", 0) + outside + b"".join(strips)


def packed(samples: np.ndarray, bits: int, order: str) -> bytes:
    if bits % 8 == 0:
        return np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder(order))).tobytes()
    flat = samples.reshape(samples.shape[0], -1).astype(np.uint16)
    digits = (flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(flat.shape[0], -1).astype(np.uint8), axis=1).tobytes()


def png(samples: np.ndarray, *, bits: int, colour: int, palette: np.ndarray | None = None, clear: bytes = b"") -> bytes:
    """samples (h, w, n); colour as in IHDR; clear: the body of tRNS."""
    rows = [packed(row[None], bits, ">") for row in samples.astype(">u2" if bits == 16 else np.uint8)]
    height, width = samples.shape[:2]
    parts = [piece(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    if palette is not None:
        parts.append(piece(b"PLTE", palette.astype(np.uint8).tobytes()))
    if clear:
        parts.append(piece(b"tRNS", clear))
    parts += [piece(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), piece(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def piece(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


# -- the picture


def picture() -> np.ndarray:
    """(64, 64, 3) uint8, dark cells on a pale ground."""
    return painted_field(3, SIDE, 5).rgb


def grey() -> np.ndarray:
    return picture().mean(2).astype(np.uint8)


def as_type(shown: np.ndarray, combination: Combination, bits: int) -> np.ndarray:
    """The samples that mean an 8-bit picture in a type: black is 0 and white its largest value."""
    if combination.sample_format == "float":
        return (shown / 255).astype(f"f{bits // 8}")
    if combination.sample_format == "signed":
        return np.rint(shown / 255 * (2 ** (bits - 1) - 1)).astype(f"i{bits // 8}")
    return np.rint(shown / 255 * (2**bits - 1)).astype(np.uint16 if bits > 8 else np.uint8)


def coarse(shown: np.ndarray, bits: int) -> np.ndarray:
    """An 8-bit picture with the greys that `bits` have."""
    top = 2**bits - 1
    return (np.rint(shown / 255 * top) * 255 // top).astype(np.uint8)


def opacity() -> np.ndarray:
    """Transparent on the left, half so in the middle, opaque on the right."""
    made = np.full((SIDE, SIDE), 255, np.uint8)
    made[:, :16], made[:, 16:32] = 0, 102
    return made


def over_white(shown: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.rint(shown * share + 255 * (1 - share)).astype(np.uint8)


# -- every combination that is listed


def cases() -> Iterator[Case]:
    """A file for each way of storing that TAKEN lists, all of them."""
    for combination in TAKEN:
        kinds = product(
            combination.formats, combination.photometric, combination.bits, combination.alpha, combination.planar
        )
        for format_name, photometric, bits, alpha, planar in kinds:
            make = {"TIFF": _tiff_case, "PNG": _png_case, "JPEG": _jpeg_case, "BMP": _bmp_case, "WebP": _webp_case}
            yield make[format_name](combination, photometric, bits, alpha, planar)


def _name(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> str:
    parts = [combination.formats[0], photometric, f"{bits} bit {combination.sample_format}", alpha]
    return ", ".join(part for part in [*parts, "planar" if planar else ""] if part)


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
    shown = picture() if photometric == "RGB" else coarse(grey(), min(bits, 8))[..., None]
    if combination.sample_format == "float" and bits == 16:
        tolerance = 0.5
    else:
        tolerance = 0.6
    stored = shown if photometric != "white is zero" else 255 - shown
    samples = as_type(stored, combination, bits)
    expected, extra, channel = np.broadcast_to(shown, (SIDE, SIDE, 3)), (), None
    if alpha:
        extra = (EXTRA[alpha],)
        clear = as_type(opacity()[..., None], combination, bits)
        if alpha == "premultiplied":
            whole = shown * (opacity()[..., None] / 255)
            samples = as_type(whole, combination, bits)
        samples = np.concatenate([samples, clear], axis=2)
        if alpha == "unspecified":
            channel = 1 if photometric != "RGB" else None
        else:
            expected, tolerance = over_white(shown, opacity()), 2.0
            expected = np.broadcast_to(expected, (SIDE, SIDE, 3))
    content = tiff(
        samples, photometric=PHOTOMETRIC[photometric], bits=bits, sample_format=FORMATS[combination.sample_format],
        extra=extra, planar=planar, rows=24, order=">" if planar else "<",
    )  # fmt: skip
    return Case(name, content, expected, combination, tolerance, channel)


def _cmyk() -> np.ndarray:
    return np.dstack([255 - picture(), np.zeros((SIDE, SIDE), np.uint8)])


def quantised(colours: int) -> tuple[np.ndarray, np.ndarray]:
    """(indices (h, w), colours (n, 3)) of the picture in few colours."""
    small = PIL.Image.fromarray(picture()).quantize(colours)
    table = np.asarray(small.getpalette()[: 3 * colours], np.uint8).reshape(-1, 3)
    return np.asarray(small), table


def _png_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    name = _name(combination, photometric, bits, alpha, planar)
    if photometric == "palette":
        indices, colours = quantised(min(2**bits, 16))
        clear = b"\0" if alpha else b""  # the first colour is transparent
        content = png(indices[..., None], bits=bits, colour=3, palette=colours, clear=clear)
        shown = colours[indices]
        return Case(name, content, np.where((indices == 0)[..., None] & bool(alpha), 255, shown), combination)
    shown = picture() if photometric == "RGB" else coarse(grey(), min(bits, 8))[..., None]
    samples = as_type(shown, combination, bits)
    expected = np.broadcast_to(shown, (SIDE, SIDE, 3))
    if alpha and bits >= 8:
        samples = np.concatenate([samples, as_type(opacity()[..., None], combination, bits)], axis=2)
        expected = np.broadcast_to(over_white(shown, opacity()), (SIDE, SIDE, 3))
        colour = 6 if photometric == "RGB" else 4
        return Case(name, png(samples, bits=bits, colour=colour), expected, combination, 1.0)
    clear = b""
    if alpha:  # one grey is transparent
        clear = struct.pack(">H", int(samples.max()))
        expected = np.where(samples == samples.max(), 255, expected)
    colour = 2 if photometric == "RGB" else 0
    return Case(name, png(samples, bits=bits, colour=colour, clear=clear), expected, combination, 0.6)


def _jpeg_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    name = _name(combination, photometric, bits, alpha, planar)
    if photometric == "grey":
        return Case(name, saved(grey(), "JPEG", quality=95), np.dstack([grey()] * 3), combination, 4)
    if photometric == "YCbCr":
        return Case(name, saved(picture(), "JPEG", quality=95), picture(), combination, 6)
    if photometric == "RGB":
        return Case(name, saved(picture(), "JPEG", quality=95, keep_rgb=True), picture(), combination, 4)
    inverted = 255 - _cmyk()  # Adobe writes inks upside down
    space = {"CMYK": "CMYK", "YCCK": "YCCK"}[photometric]
    content = imagecodecs.jpeg8_encode(inverted, level=95, colorspace="CMYK", outcolorspace=space, subsampling="444")
    return Case(name, content, picture(), combination, 6)


def _bmp_case(combination: Combination, photometric: str, bits: int, alpha: str, planar: bool) -> Case:
    name = _name(combination, photometric, bits, alpha, planar)
    if photometric == "palette":
        indices, colours = quantised(min(2**bits, 16))
        return Case(name, bmp_of_indices(indices, colours, bits), colours[indices], combination)
    if bits in (5, 6):
        return bmp_of_16(name, combination, bits)
    if alpha:
        bgra = np.dstack([picture()[..., ::-1], opacity()])[::-1]
        return Case(name, _bmp_with_alpha(bgra.tobytes()), over_white(picture(), opacity()), combination, 1.0)
    return Case(name, saved(picture(), "BMP"), picture(), combination)


def bmp_of_indices(indices: np.ndarray, colours: np.ndarray, bits: int) -> bytes:
    table = np.zeros((2**bits, 4), np.uint8)
    table[: len(colours), :3] = colours[:, ::-1]
    rows = np.frombuffer(packed(indices[::-1], bits, "<"), np.uint8)  # 64 px: a row is a multiple of four bytes
    return _bmp(rows.tobytes(), bits, table.tobytes())


def bmp_of_16(name: str, combination: Combination, green: int) -> Case:
    """5-5-5 or 5-6-5 bits; the second needs its masks."""
    values = picture().astype(np.uint16)
    red, middle, blue = values[..., 0] >> 3, values[..., 1] >> (8 - green), values[..., 2] >> 3
    words = (red << (5 + green) | middle << 5 | blue)[::-1].astype("<u2").tobytes()
    masks = struct.pack("<III", 0x1F << (5 + green), ((1 << green) - 1) << 5, 0x1F) if green == 6 else b""
    expected = np.dstack([red * 255 // 31, middle * 255 // (2**green - 1), blue * 255 // 31]).astype(np.uint8)
    return Case(name, _bmp(words, 16, masks, compression=3 if masks else 0), expected, combination, 1.5)


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
