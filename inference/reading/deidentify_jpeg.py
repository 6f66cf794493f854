"""A JPEG stream without comments and the segments of applications."""

import re

ADOBE = 0xEE  # says how colours are stored
ADOBE_BYTES = 12  # of its content; what stands behind is of nobody's standard
COMMENT = 0xFE
SCAN, END = 0xDA, 0xD9
ALONE = (0x01, *range(0xD0, 0xD9))  # marks without a length
# The next mark within the bits of a scan, where FF 00 is a byte and FF D0 to D7 are restarts.
NEXT_MARK = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def without_metadata(stream: bytes) -> bytes:
    """The same picture, whole or as abbreviated in a TIFF; pixels and tables are not touched.

    Of a picture in several scans comments between them go too. What is appended behind the picture is no picture, also
    where it looks like one. What is no JPEG up to its end is given back empty of everything behind the last whole
    segment.
    """
    if not stream.startswith(b"\xff\xd8"):
        return stream
    kept, at = bytearray(b"\xff\xd8"), 2
    while at + 2 <= len(stream) and stream[at] == 0xFF:
        mark = stream[at + 1]
        if mark == 0xFF:  # padding
            at += 1
            continue
        if mark == END:
            return bytes(kept + b"\xff\xd9")
        if mark in ALONE:
            kept += stream[at : at + 2]
            at += 2
            continue
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if mark == SCAN:
            end = _end_of_scan(stream, end)
        kept += _kept(mark, stream[at:end])
        at = end
    return bytes(kept)


def _kept(mark: int, segment: bytes) -> bytes:
    if mark == ADOBE and segment[4:9] == b"Adobe":
        content = segment[4 : 4 + ADOBE_BYTES]
        return b"\xff\xee" + (2 + len(content)).to_bytes(2, "big") + content
    is_application = 0xE0 <= mark <= 0xEF
    return b"" if mark == COMMENT or is_application else segment


def _end_of_scan(stream: bytes, begin: int) -> int:
    """Where the bits of a scan end: at the next mark, or with the stream."""
    found = NEXT_MARK.search(stream, begin)
    return found.start() if found else len(stream)
