"""What stands around the pixels of PNG and JPEG files, read leniently.

Metadata may be broken where the picture is sound. Both formats are lists of named pieces; decoders give up on some
broken pieces that have nothing to do with the picture, so these are left out before a decoder sees the file, and are
read here, where an error costs nothing.
"""

import re
import struct
import zlib
from dataclasses import dataclass, field

PNG_MARK = b"\x89PNG\r\n\x1a\n"
PNG_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS")
PNG_COLOURS = {0: ("grey", 1), 2: ("RGB", 3), 3: ("palette", 1), 4: ("grey", 2), 6: ("RGB", 4)}
JPEG_FRAMES = {0xC0 + n for n in range(16)} - {0xC4, 0xC8, 0xCC}
LOSSLESS_JPEG = {0xC3, 0xC7, 0xCB, 0xCF}
ORIENTATION = 0x0112
RAW_EXIF = b"Raw profile type exif\0"
XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([1-8])")
MOST_TEXT = 1 << 20  # bytes of unpacked text


@dataclass
class Container:
    """What is known of a file before a pixel is decoded.

    plain        the file without the pieces that no pixel needs; the same bytes where nothing was left out
    exif         the block of EXIF, b"" where there is none
    xmp          the XML of XMP, b"" where there is none
    has_icc      whether there is a colour profile
    per_metre    pixels a metre (across, down), None where the file does not say
    frames       pictures that an animation claims
    clear_grey   the grey of a PNG that is transparent, where it has less than 8 bits; None otherwise
    adobe        the colour transform of a JPEG's Adobe marker, None without one
    """

    plain: bytes
    bits: int = 8
    photometric: str = "RGB"
    samples: int = 3
    width: int = 0
    height: int = 0
    exif: bytes = b""
    xmp: bytes = b""
    has_icc: bool = False
    per_metre: tuple[float, float] | None = None
    frames: int = 1
    alpha: str = ""
    compression: str = "none"
    clear_grey: int | None = None
    process: int = 0xC0
    components: tuple[int, ...] = field(default_factory=tuple)
    adobe: int | None = None


def png(content: bytes) -> Container:
    """The pieces of a PNG. Raises ValueError where there is no header that can be read."""
    found = Container(plain=b"")
    kept = [PNG_MARK]
    at = len(PNG_MARK)
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + length]
        sound = content[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(name + body))
        if name in PNG_NEEDED and (name != b"tRNS" or (sound and not _few_greys(found))):
            kept.append(content[at : at + 12 + length])
        _png_piece(found, name, body, sound)
        at += 12 + length
        if name == b"IEND":
            break
    if not found.width:
        raise ValueError("no header")
    found.plain = b"".join(kept)
    found.compression = "deflate"
    if found.samples in (2, 4):
        found.alpha = "straight"
    return found


def _png_piece(found: Container, name: bytes, body: bytes, sound: bool) -> None:
    if name == b"IHDR" and len(body) == 13 and not found.width:
        found.width, found.height, found.bits, colour = struct.unpack_from(">IIBB", body)
        found.photometric, found.samples = PNG_COLOURS.get(colour, (f"colour type {colour}", 0))
    elif name == b"tRNS" and sound:
        found.alpha = "straight"
        if _few_greys(found) and len(body) >= 2:
            found.clear_grey = int.from_bytes(body[:2], "big")
    elif name == b"pHYs" and len(body) == 9 and body[8] == 1:
        across, down = struct.unpack_from(">II", body)
        found.per_metre = (across, down)
    elif name == b"iCCP":
        found.has_icc = True
    elif name == b"eXIf":
        found.exif = body
    elif name == b"iTXt" and body.startswith(b"XML:com.adobe.xmp\0\0\0"):
        found.xmp = body
    elif name in (b"tEXt", b"zTXt") and body.startswith(RAW_EXIF) and not found.exif:
        found.exif = _raw_profile(body[len(RAW_EXIF) :], packed=name == b"zTXt")
    elif name == b"acTL" and len(body) == 8:
        found.frames = max(1, struct.unpack_from(">I", body)[0])


def _raw_profile(body: bytes, *, packed: bool) -> bytes:
    """EXIF as ImageMagick writes it into the text of a PNG: a name, a length, hexadecimal digits."""
    try:
        text = zlib.decompressobj().decompress(body[1:], MOST_TEXT) if packed else body
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except (ValueError, zlib.error):
        return b""


def _few_greys(found: Container) -> bool:
    """Pillow compares the transparent grey with what it has spread to 8 bits, so that it finds another one."""
    return found.photometric == "grey" and found.bits < 8


def jpeg(content: bytes) -> Container:
    """The pieces of a JPEG up to its first scan. Raises ValueError where no frame is described."""
    found = Container(plain=b"")
    kept = [content[:2]]
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:  # a piece whose length is wrong: decoders go on at the next marker, and so is done here
            at = content.find(b"\xff", at)
            if at < 0:
                break
            continue
        marker = content[at + 1]
        if marker in (0xFF, 0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # fill bytes, and markers without a body
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xDA, 0xD9):  # the first scan: from here on it is data
            kept.append(content[at:])
            break
        length = int(struct.unpack_from(">H", content, at + 2)[0])
        body = content[at + 4 : at + 2 + length]
        if not _is_metadata(marker, body):
            kept.append(content[at : at + 2 + length])
        _jpeg_piece(found, marker, body)
        at += 2 + max(length, 2)
    if not found.components:
        raise ValueError("no frame is described")
    found.plain = b"".join(kept)
    found.photometric = _jpeg_colours(found)
    found.compression = "lossless JPEG" if found.process in LOSSLESS_JPEG else "JPEG"
    return found


def _is_metadata(marker: int, body: bytes) -> bool:
    """APP0 to APP15 and comments, but for Adobe's marker, which says what the colours are, and JFIF's."""
    if marker == 0xEE and body.startswith(b"Adobe"):
        return False
    if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        return False
    return 0xE0 <= marker <= 0xEF or marker == 0xFE


def _jpeg_piece(found: Container, marker: int, body: bytes) -> None:
    if marker in JPEG_FRAMES and len(body) >= 6 and not found.components:
        found.process = marker
        found.bits, found.height, found.width, count = struct.unpack_from(">BHHB", body)
        found.components = tuple(body[6 : 6 + 3 * count : 3])
        found.samples = count
    elif marker == 0xE1 and body.startswith(b"Exif\0\0") and not found.exif:
        found.exif = body[6:]
    elif marker == 0xE1 and body.startswith(XMP_IN_JPEG):
        found.xmp = body[len(XMP_IN_JPEG) :]
    elif marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        unit, across, down = struct.unpack_from(">BHH", body, 7)
        factor = {1: 1 / 0.0254, 2: 100.0}.get(unit)
        if factor and across and down:
            found.per_metre = (across * factor, down * factor)
    elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
        found.adobe = body[11]
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
        found.has_icc = True
    elif marker == 0xE2 and body.startswith(b"MPF\0"):
        found.frames = _pictures_of_mpf(body[4:])


def _jpeg_colours(found: Container) -> str:
    count = len(found.components)
    if count == 1:
        return "grey"
    if count == 3:
        return "RGB" if found.adobe == 0 or found.components == (82, 71, 66) else "YCbCr"
    if count == 4:
        return "YCCK" if found.adobe == 2 else "CMYK"
    return f"{count} components"


def _pictures_of_mpf(block: bytes) -> int:
    """How many pictures a phone's or a stereo camera's file holds (CIPA DC-007); 1 where it cannot be read."""
    return max(1, int(_short_tag(block, 0xB001) or 1))


def orientation_of(exif: bytes, xmp: bytes = b"") -> int | None:
    """1 to 8 from a block of EXIF, or else from XMP; None where neither says so in a way that can be read.

    Some programs write the block's name twice, which is overlooked here as it is by most viewers.
    """
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    value = _short_tag(exif, ORIENTATION)
    if value is not None:
        return value if 1 <= value <= 8 else None
    match = XMP_ORIENTATION.search(xmp[:MOST_TEXT])
    return int(match[1]) if match else None


def _short_tag(block: bytes, wanted: int) -> int | None:
    """The value of a tag of numbers in the first directory of a block that is laid out like a TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for index in range(count):
            at = start + 2 + 12 * index
            code, kind, _ = struct.unpack_from(order + "HHI", block, at)
            if code == wanted and kind in (1, 3, 4):
                return int(struct.unpack_from(order + {1: "B", 3: "H", 4: "I"}[kind], block, at + 8)[0])
    except struct.error:
        pass
    return None
