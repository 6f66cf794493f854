"""Which ways of storing a pixel are read, and how: the one list that the code, its tests and docs/reading.md share.

What is not in the list is declined in words. Decoders return something for nearly every file; only what a second reader
has confirmed stands here.
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


ALPHA = ("", "straight")
TIFF_ALPHA = ("", "straight", "premultiplied", "unspecified")
WHITE_ALPHA = ("", "straight", "unspecified")
EITHER = (False, True)
GREY = ("grey", "white is zero")
TAKEN = (
    Combination(("PNG",), ("grey",), "unsigned", (1, 2, 4), ALPHA, result=SCALED),
    Combination(("PNG",), ("grey", "RGB"), "unsigned", (8,), ALPHA),
    Combination(("PNG",), ("grey", "RGB"), "unsigned", (16,), ALPHA, result=SPREAD),
    Combination(("PNG",), ("palette",), "unsigned", (1, 2, 4, 8), ALPHA),
    Combination(("JPEG",), ("grey", "YCbCr", "RGB", "CMYK", "YCCK"), "unsigned", (8,)),
    Combination(("BMP",), ("RGB",), "unsigned", (5, 6, 8), ALPHA),
    Combination(("BMP",), ("palette",), "unsigned", (1, 4, 8)),
    Combination(("WebP",), ("RGB",), "unsigned", (8,), ALPHA),
    Combination(("TIFF",), GREY, "unsigned", (1, 2, 4), result=SCALED),
    Combination(("TIFF",), ("grey",), "unsigned", (8,), TIFF_ALPHA, EITHER),
    Combination(("TIFF",), ("grey",), "unsigned", (10, 12, 14, 16), TIFF_ALPHA, EITHER, result=SPREAD),
    Combination(("TIFF",), ("white is zero",), "unsigned", (8,), WHITE_ALPHA, EITHER),
    Combination(("TIFF",), ("white is zero",), "unsigned", (10, 12, 14, 16), WHITE_ALPHA, EITHER, result=SPREAD),
    Combination(("TIFF",), ("grey",), "signed", (8, 16), planar=EITHER, result=SPREAD),
    Combination(("TIFF",), ("grey",), "float", (16, 32, 64), ("", "unspecified"), EITHER, result=SPREAD),
    Combination(("TIFF",), ("RGB",), "unsigned", (8,), TIFF_ALPHA, EITHER),
    Combination(("TIFF",), ("RGB",), "unsigned", (10, 12, 14, 16), TIFF_ALPHA, EITHER, result=SPREAD),
    Combination(("TIFF",), ("RGB",), "float", (16, 32, 64), ("", "straight", "unspecified"), EITHER, result=SPREAD),
    Combination(("TIFF",), ("palette",), "unsigned", (1, 2, 4, 8)),
    Combination(("TIFF",), ("CMYK",), "unsigned", (8,), ("",), EITHER),
    Combination(("TIFF",), ("CIELAB",), "unsigned", (8,), ("",)),
    Combination(("TIFF",), ("YCbCr",), "unsigned", (8,)),  # JPEG only, see COMPRESSIONS
)
# Of a TIFF; by the number in its tag.
COMPRESSIONS = {
    1: "none", 2: "CCITT RLE", 3: "CCITT G3", 4: "CCITT G4", 5: "LZW", 7: "JPEG", 8: "deflate", 32773: "PackBits",
    32946: "deflate", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34925: "LZMA", 50000: "Zstandard",
    50001: "WebP", 34927: "WebP",
}  # fmt: skip


def treatment(found: Identified, most_pixels: int | None = MOST_PIXELS) -> Combination:
    """The combination of the list that a file has. Raises Unreadable that names the property which is not read.

    most_pixels  of a picture that is opened whole; None for any number
    """
    if found.width < 1 or found.height < 1:
        raise Unreadable("damaged_header", format=found.format, reason="it has no pixels")
    if most_pixels is not None and found.width * found.height > most_pixels:
        raise Unreadable("too_large", width=found.width, height=found.height, most=f"{most_pixels:,}")
    if found.sample_format in ("unsigned", "signed") and found.bits > 16:
        raise Unreadable("whole_numbers_32", bits=found.bits)
    methods = {"TIFF": COMPRESSIONS.values(), "JPEG": ("JPEG",)}.get(found.format, (found.compression,))
    if found.compression not in methods:
        raise Unreadable("compression", format=found.format, what=found.compression)
    if found.format == "TIFF" and found.photometric == "YCbCr" and found.compression != "JPEG":
        raise Unreadable("combination", format=found.format, what=f"YCbCr colours compressed with {found.compression}")
    for combination in TAKEN:
        if combination.fits(found):
            return combination
    raise Unreadable("combination", format=found.format, what=described(found))


def described(found: Identified) -> str:
    """How the pixels are stored, in the field's terms: "CMYK, 16 bit unsigned, planar, premultiplied alpha"."""
    parts = [found.photometric, f"{found.bits} bit {found.sample_format}"]
    if found.planar:
        parts.append("planar")
    if found.alpha:
        parts.append("samples without a meaning" if found.alpha == "unspecified" else f"{found.alpha} alpha")
    return ", ".join(parts)
