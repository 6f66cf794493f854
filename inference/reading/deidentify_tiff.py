"""TIFF without metadata: strips and tiles are copied as they are, into a file with the tags that their pixels need.

Kept are the pictures and the levels that our reader shows; label, macro and thumbnail have no directory in the new
file. Its description is written anew and says the scale and the axes, in the words that readers know.
"""

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from xml.sax.saxutils import quoteattr

from inference.reading import scale
from inference.reading.deidentify_colour_profile import clean_profile
from inference.reading.deidentify_jpeg import without_metadata
from inference.reading.tiff import DESCRIPTION, ICC, REDUCED, SOURCE_LENS, TiffReader, text_tag
from inference.reading.tiff_pixels import tag
from inference.reading.types import Identified, Unreadable

# Tags that say how pixels are stored. All others are left out.
KEPT = (
    256, 257, 258, 259, 262, 266, 274, 277, 278, 284, 301, 317, 318, 319, 320, 322, 323, 332, 334, 338, 339, 340, 341,
    347, 512, 515, 529, 530, 531, 532,
)  # fmt: skip
SUBFILE, X_RESOLUTION, Y_RESOLUTION, UNIT, JPEG_TABLES = 254, 282, 283, 296, 347
OFFSETS, COUNTS = {True: 324, False: 273}, {True: 325, False: 279}  # by whether the picture is in tiles
LONG8, LONG, RATIONAL, ASCII, SHORT, UNDEFINED = 16, 4, 5, 2, 3, 7
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
JPEG = (6, 7, 34892)
JPEG_2000 = (33003, 33004, 33005, 34712)
IMAGEJ = re.compile(r"(?m)^(images|channels|slices|frames|hyperstack|mode|unit|spacing|loop|min|max)=[\w.+-]{1,40}$")
CENTIMETRE = 3


def clean_tiff(source: Path, target: Path) -> Path:
    """Raises Unreadable."""
    with TiffReader(source) as reader, target.open("xb") as file:
        layout = reader.layout
        if len(layout.pictures) > layout.stored:
            raise Unreadable("not_cleaned", what="a stack whose pictures have no directories of their own")
        pages = []
        for number, picture in enumerate(layout.pictures):
            pages.append((picture, 0))
            pages.extend((page, REDUCED) for page in reader.levels_of_picture(number))
        _Writer(reader.file, file).write(pages, description_of(reader))
    return target


def description_of(reader: TiffReader) -> str:
    """What the new file says of itself: scale, magnification, and the axes of several pictures."""
    found, page = reader.found, reader.layout.pictures[0]
    old = text_tag(page, DESCRIPTION)
    if scale.ome_sizes(old):
        return _ome(old, found, str(page.dtype))
    if old.startswith("ImageJ="):
        return "\n".join(["ImageJ=1.54", *(match[0] for match in IMAGEJ.finditer(old))]) + "\n"
    lens = scale.objective_of(old, tag(page, SOURCE_LENS))
    parts = [f"Boxwise {found.width}x{found.height}"]
    if lens:
        parts.append(f"AppMag = {lens:g}")
    if found.scale and found.scale.x == found.scale.y:
        parts.append(f"MPP = {found.scale.x:.6g}")
    return "|".join(parts)


def _ome(old: str, found: Identified, kind: str) -> str:
    sizes = scale.ome_sizes(old)
    count = {axis: int(sizes.get(f"Size{axis}", 1)) for axis in "CZT"}
    size = ""
    if found.scale:
        size = f' PhysicalSizeX="{found.scale.x:.6g}" PhysicalSizeY="{found.scale.y:.6g}"'
    channels = ""
    for number, (name, colour) in enumerate(zip(sizes["names"], sizes["colours"], strict=True)):
        own = f' Color="{colour}"' if colour else ""
        channels += f'<Channel ID="Channel:0:{number}" Name={quoteattr(name)}{own} SamplesPerPixel="{found.samples}"/>'
    order = re.sub(r"[^XYCZT]", "", str(sizes["DimensionOrder"]))
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="{order}" Type="{kind}"'
        f' SizeX="{found.width}" SizeY="{found.height}" SizeC="{count["C"]}" SizeZ="{count["Z"]}"'
        f' SizeT="{count["T"]}"{size}>{channels}<TiffData/></Pixels></Image></OME>'
    )


class _Writer:
    """BigTIFF in the byte order of the source, since samples of more than a byte are copied as they lie."""

    def __init__(self, source: Any, target: BinaryIO) -> None:
        self.source, self.target = source, target
        self.order = str(source.byteorder)

    def write(self, pages: list[tuple[Any, int]], description: str) -> None:
        mark = b"II" if self.order == "<" else b"MM"
        self.target.write(mark + self._pack("HHHQ", 43, 8, 0, 0))
        link = 8  # where the place of the next directory is written
        for number, (page, kind) in enumerate(pages):
            entries = self._entries(page, kind, description if number == 0 else "")
            self._align()
            place = self.target.tell()
            self.target.seek(link)
            self.target.write(self._pack("Q", place))
            self.target.seek(place)
            link = self._directory(entries)

    def _entries(self, page: Any, kind: int, description: str) -> dict[int, tuple[int, int, bytes]]:
        """Tag -> (type, count, bytes), the strips or tiles written before."""
        entries = {}
        for code in KEPT:
            found = page.tags.get(code)
            if found is not None:
                entries[code] = self._as_stored(found)
        places, lengths = self._copy_segments(page)
        tiled = bool(page.is_tiled)
        entries[OFFSETS[tiled]] = (LONG8, len(places), self._pack(f"{len(places)}Q", *places))
        entries[COUNTS[tiled]] = (LONG8, len(lengths), self._pack(f"{len(lengths)}Q", *lengths))
        entries[SUBFILE] = (LONG, 1, self._pack("I", kind))
        if JPEG_TABLES in entries:
            tables = without_metadata(entries[JPEG_TABLES][2])
            entries[JPEG_TABLES] = (UNDEFINED, len(tables), tables)
        profile = page.tags.get(ICC)
        if profile is not None:
            clean = clean_profile(bytes(self._as_stored(profile)[2]))
            if clean:
                entries[ICC] = (UNDEFINED, len(clean), clean)
        entries |= self._resolution(page)
        if description:
            text = description.encode() + b"\0"
            entries[DESCRIPTION] = (ASCII, len(text), text)
        return entries

    def _resolution(self, page: Any) -> dict[int, tuple[int, int, bytes]]:
        found = {}
        for code in (X_RESOLUTION, Y_RESOLUTION, UNIT):
            there = page.tags.get(code)
            wanted = SHORT if code == UNIT else RATIONAL
            if there is not None and int(there.dtype) == wanted and there.count == 1:
                found[code] = self._as_stored(there)
        return found

    def _as_stored(self, found: Any) -> tuple[int, int, bytes]:
        """(type, count, bytes) of a tag as the source has it."""
        kind, count = int(found.dtype), int(found.count)
        handle = self.source.filehandle
        handle.seek(found.valueoffset)
        return kind, count, handle.read(SIZES[kind] * count)

    def _copy_segments(self, page: Any) -> tuple[list[int], list[int]]:
        """Copy strips or tiles. -> (places, lengths). Raises Unreadable for what may hold words that nobody sees."""
        cleans: Callable[[bytes], bytes] = bytes
        if int(page.compression) in JPEG_2000:
            cleans = without_comments
        elif int(page.compression) in JPEG:
            cleans = without_metadata
        places, lengths = [], []
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            content = cleans(self._segment(offset, count)) if count else b""
            self._align()
            places.append(self.target.tell() if content else 0)
            lengths.append(len(content))
            self.target.write(content)
        return places, lengths

    def _segment(self, offset: int, count: int) -> bytes:
        handle = self.source.filehandle
        handle.seek(offset)
        content = bytes(handle.read(count))
        if len(content) < count:
            raise Unreadable("damaged", format="TIFF", reason="the file ends within a strip or tile")
        return content

    def _directory(self, entries: dict[int, tuple[int, int, bytes]]) -> int:
        """Write a directory and what does not fit into it. -> where its link to the next one stands."""
        begin = self.target.tell()
        after = begin + 8 + 20 * len(entries) + 8
        lines, behind = [], b""
        for code, (kind, count, content) in sorted(entries.items()):
            if len(content) <= 8:
                value = content.ljust(8, b"\0")
            else:
                behind += b"\0" * (-(after + len(behind)) % 8)
                value = self._pack("Q", after + len(behind))
                behind += content
            lines.append(self._pack("HHQ", code, kind, count) + value)
        self.target.write(self._pack("Q", len(entries)) + b"".join(lines) + self._pack("Q", 0) + behind)
        return after - 8

    def _align(self) -> None:
        self.target.write(b"\0" * (-self.target.tell() % 8))

    def _pack(self, form: str, *values: int) -> bytes:
        return struct.pack(self.order + form, *values)


def without_comments(codestream: bytes) -> bytes:
    """A JPEG 2000 codestream without its comment segments. Raises Unreadable for one that is no plain codestream."""
    if not codestream.startswith(b"\xff\x4f\xff\x51"):
        raise Unreadable("not_cleaned", what="JPEG 2000 in a box format")
    kept = bytearray(codestream[:2])
    for mark, segment in _segments(codestream):
        if mark != 0x64:
            kept += segment
        if mark == 0x90:  # the first part of a tile: pixels from here on
            break
    return bytes(kept)


def _segments(codestream: bytes) -> Iterator[tuple[int, bytes]]:
    """(mark, bytes) of the segments of a main header; the last one reaches to the end."""
    at = 2
    while at + 4 <= len(codestream):
        mark, length = codestream[at + 1], int.from_bytes(codestream[at + 2 : at + 4], "big")
        if codestream[at] != 0xFF or length < 2:
            raise Unreadable("damaged", format="JPEG 2000", reason="a segment has no length")
        if mark == 0x90:
            yield mark, codestream[at:]
            return
        yield mark, codestream[at : at + 2 + length]
        at += 2 + length
