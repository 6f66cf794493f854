"""Which ways of storing a pixel are read, and how: the one list that the code, its tests and docs/reading.md share.

A file that is not in the list is declined, and the reason is given. Decoders return something for nearly every file, so
the list holds only what a second reader has confirmed.
"""

from dataclasses import dataclass

from inference.reading.types import Identified, Unreadable

MOST_PIXELS = 100_000_000  # of a picture that is opened whole
KEPT = "as it is"
SCALED = "0 to 255, by the type's range"
SPREAD = "0 to 255, by the range that is used"


@dataclass(frozen=True)
class Combination:
    """One way of storing pixels that is read, and what becomes of its samples."""

    formats: tuple[str, ...]
    photometric: tuple[str, ...]
    sample_format: str
    bits: tuple[int, ...]
    alpha: tuple[str, ...] = ("",)
    planar: tuple[bool, ...] = (False,)
    result: str = KEPT

    def fits(self, found: Identified) -> bool:
        return (
            found.format in self.formats
            and found.photometric in self.photometric
            and found.sample_format == self.sample_format
            and found.bits in self.bits
            and found.alpha in self.alpha
            and found.planar in self.planar
        )


# The values that the list uses more than once.
PNG = ("PNG",)
BMP = ("BMP",)
TIFF = ("TIFF",)
GREY = ("grey",)
WHITE_IS_ZERO = ("white is zero",)
PALETTE = ("palette",)
RGB = ("RGB",)
GREY_OR_RGB = ("grey", "RGB")
# Bits of a sample: below a byte, of a palette's index, of one byte, of whole numbers above it, of floats.
PACKED = (1, 2, 4)
INDEX = (1, 2, 4, 8)
BYTE = (8,)
DEEP = (10, 12, 14, 16)
FLOAT = (16, 32, 64)
ALPHA = ("", "straight")
UNNAMED = ("", "unspecified")
PLAIN_ALPHA = ("", "straight", "unspecified")
TIFF_ALPHA = ("", "straight", "premultiplied", "unspecified")
EITHER = (False, True)
READABLE = (
    Combination(PNG, GREY, "unsigned", PACKED, ALPHA, result=SCALED),
    Combination(PNG, GREY_OR_RGB, "unsigned", BYTE, ALPHA),
    Combination(PNG, GREY_OR_RGB, "unsigned", (16,), ALPHA, result=SPREAD),
    Combination(PNG, PALETTE, "unsigned", INDEX, ALPHA),
    Combination(("JPEG",), ("grey", "YCbCr", "RGB", "CMYK", "YCCK"), "unsigned", BYTE),
    Combination(BMP, RGB, "unsigned", (5, 6, 8), ALPHA),
    Combination(BMP, PALETTE, "unsigned", (1, 4, 8)),
    Combination(("WebP",), RGB, "unsigned", BYTE, ALPHA),
    Combination(TIFF, ("grey", "white is zero"), "unsigned", PACKED, result=SCALED),
    Combination(TIFF, GREY, "unsigned", BYTE, TIFF_ALPHA, EITHER),
    Combination(TIFF, GREY, "unsigned", DEEP, TIFF_ALPHA, EITHER, result=SPREAD),
    Combination(TIFF, WHITE_IS_ZERO, "unsigned", BYTE, PLAIN_ALPHA, EITHER),
    Combination(TIFF, WHITE_IS_ZERO, "unsigned", DEEP, PLAIN_ALPHA, EITHER, result=SPREAD),
    Combination(TIFF, GREY, "signed", (8, 16), planar=EITHER, result=SPREAD),
    Combination(TIFF, GREY, "float", FLOAT, UNNAMED, EITHER, result=SPREAD),
    Combination(TIFF, RGB, "unsigned", BYTE, TIFF_ALPHA, EITHER),
    Combination(TIFF, RGB, "unsigned", DEEP, TIFF_ALPHA, EITHER, result=SPREAD),
    Combination(TIFF, RGB, "float", FLOAT, PLAIN_ALPHA, EITHER, result=SPREAD),
    Combination(TIFF, PALETTE, "unsigned", INDEX),
    Combination(TIFF, ("CMYK",), "unsigned", BYTE, planar=EITHER),
    Combination(TIFF, ("CIELAB",), "unsigned", BYTE),
    Combination(TIFF, ("YCbCr",), "unsigned", BYTE),  # JPEG only, see COMPRESSIONS
)
# Of a TIFF; by the number in its tag.
COMPRESSIONS = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT G3",
    4: "CCITT G4",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    34927: "WebP",
}


def treatment(found: Identified, most_pixels: int | None = MOST_PIXELS) -> Combination:
    """The combination of the list that a file has. Raises Unreadable that names the property which is not read.

    most_pixels  of a picture that is opened whole; None for any number
    """
    _check_size(found, most_pixels)
    _check_coding(found)
    for combination in READABLE:
        if combination.fits(found):
            return combination
    raise Unreadable("combination", format=found.format, what=described(found))


def _check_size(found: Identified, most_pixels: int | None) -> None:
    if found.width < 1 or found.height < 1:
        raise Unreadable("damaged_header", format=found.format, reason="it has no pixels")
    if most_pixels is None:
        return
    if found.width * found.height > most_pixels:
        most = f"{most_pixels:,}"
        raise Unreadable("too_large", width=found.width, height=found.height, most=most)


def _check_coding(found: Identified) -> None:
    """Decline what has a sentence of its own, so that the list is asked only about the rest."""
    if found.sample_format in ("unsigned", "signed") and found.bits > 16:
        raise Unreadable("whole_numbers_32", bits=found.bits)
    if not _compression_is_read(found):
        raise Unreadable("compression", format=found.format, what=found.compression)
    if found.format == "TIFF" and found.photometric == "YCbCr" and found.compression != "JPEG":
        what = f"YCbCr colours compressed with {found.compression}"
        raise Unreadable("combination", format=found.format, what=what)


def _compression_is_read(found: Identified) -> bool:
    if found.format == "TIFF":
        return found.compression in COMPRESSIONS.values()
    if found.format == "JPEG":
        return found.compression == "JPEG"
    return True


def described(found: Identified) -> str:
    """How the pixels are stored, in the field's terms: "CMYK, 16 bit unsigned, planar, premultiplied alpha"."""
    parts = [found.photometric, f"{found.bits} bit {found.sample_format}"]
    if found.planar:
        parts.append("planar")
    if found.alpha == "unspecified":
        parts.append("samples without a meaning")
    elif found.alpha:
        parts.append(f"{found.alpha} alpha")
    return ", ".join(parts)
