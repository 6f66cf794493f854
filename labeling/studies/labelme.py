"""What LabelMe saved (github.com/wkentaro/labelme, JSON of versions 3 to 5): drawn shapes as masks, and when.

LabelMe keeps no time in its files. All there is, is when each file was last written: as the archive says.
"""

import base64
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
from django.utils.translation import gettext as _

from inference.masks import clip, tight
from inference.types import BoxMask
from labeling.errors import Invalid

MOST_FILES, MOST_BYTES = 1000, 64 * 2**20  # of one file: LabelMe puts the image into it
MOST_FILLED = 50  # boxes of all shapes against the picture: cells overlap a little, a bomb overlaps much
AREAS = {"polygon": 3, "rectangle": 2, "circle": 2, "mask": 2}  # shapes that have an inside, and their fewest points
EXTENDED_TIMESTAMP = 0x5455  # Info-ZIP's extra field: seconds since 1970, UTC


@dataclass(frozen=True)
class Drawing:
    """One LabelMe file.

    image      the name of the picture it was drawn on, without folders
    size       width, height of that picture, px
    cells      tight masks inside the picture; shapes of one group are one cell, as LabelMe's own converters have it
    left_out   shapes without an inside: points, lines
    saved_at   when the file was last written
    """

    file: str
    image: str
    version: str
    size: tuple[int, int]
    cells: list[BoxMask]
    left_out: int
    saved_at: datetime


def read_archive(content: bytes, sizes: dict[str, tuple[int, int]]) -> list[Drawing]:
    """Every *.json of a zip, in the order in which they were saved; one reader's, so one a picture.

    sizes  name -> width, height of the pictures that they may be of, known before a single shape is filled: what a
           file declares could be as large as it likes

    Raises Invalid with the file's name.
    """
    pictures = dict(sizes)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = [f for f in archive.infolist() if f.filename.endswith(".json") and "__MACOSX" not in f.filename]
            if not 0 < len(files) <= MOST_FILES:
                raise Invalid(
                    _("an archive holds 1 to {most} LabelMe files, not {n}").format(most=MOST_FILES, n=len(files)),
                    field="archive",
                )
            if large := next((f for f in files if f.file_size > MOST_BYTES), None):
                raise Invalid(
                    _("{name} is larger than {size} MiB").format(name=large.filename, size=MOST_BYTES >> 20),
                    field="archive",
                )
            found = []
            for file in files:
                drawing = _drawing(file.filename, archive.read(file), _saved_at(file), pictures)
                del pictures[drawing.image]
                found.append(drawing)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise Invalid(_("this is not a readable zip: {error}").format(error=error), field="archive") from error
    return sorted(found, key=lambda d: d.saved_at)


def _drawing(name: str, content: bytes, saved_at: datetime, pictures: dict[str, tuple[int, int]]) -> Drawing:
    """pictures: name -> size of those that have no file yet."""
    try:
        data = json.loads(content)
        width, height = int(data["imageWidth"]), int(data["imageHeight"])
        picture = PurePosixPath(str(data["imagePath"]).replace("\\", "/")).name  # saved on Windows too
        if picture not in pictures:
            raise Invalid(
                _("{name} was drawn on {picture}, no measured field here, or one that is there twice").format(
                    name=name, picture=picture
                ),
                field="archive",
            )
        if pictures[picture] != (width, height):
            raise Invalid(
                _("{name} was drawn on a picture of another size than {picture}").format(name=name, picture=picture),
                field="archive",
            )
        groups: dict[Any, list[BoxMask]] = {}
        left_out = filled = 0
        for k, shape in enumerate(data["shapes"]):
            kind, group = shape.get("shape_type") or "polygon", shape.get("group_id")
            if kind not in AREAS or len(shape["points"]) < AREAS[kind]:
                left_out += 1
                continue
            mask = _inside(kind, shape, width, height)
            if mask is not None:
                filled += mask.bits.size
                if filled > MOST_FILLED * width * height:
                    raise ValueError(f"its shapes together are more than {MOST_FILLED} times the picture")
                groups.setdefault(("one", k) if group is None else (str(shape["label"]), group), []).append(mask)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
        OverflowError,
        PIL.Image.DecompressionBombError,
    ) as error:
        raise Invalid(
            _("{name} is not a LabelMe file: {error}").format(name=name, error=repr(error)), field="archive"
        ) from error
    cells = [_union(masks) for masks in groups.values()]
    return Drawing(name, picture, str(data.get("version", "unknown")), (width, height), cells, left_out, saved_at)


def _inside(kind: str, shape: Mapping[str, Any], width: int, height: int) -> BoxMask | None:
    """The pixels of a shape inside a picture of this size, filled as LabelMe does: with its outline; None: no pixel."""
    points = np.array(shape["points"], np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all() or np.abs(points).max() > 1e5:
        raise ValueError("points are pairs of numbers")
    if kind == "mask":
        with PIL.Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=["PNG"]) as image:
            if image.width * image.height > 4 * width * height:
                raise ValueError("a mask larger than its picture")
            bits = np.asarray(image.convert("L")) > 0
        left, top = (int(v) for v in np.floor(points.min(axis=0)))
        return clip(BoxMask(left, top, bits), width, height)
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        low, high = points[0] - radius, points[0] + radius
    else:
        low, high = points.min(axis=0), points.max(axis=0)
    x, y = (max(0, int(v)) for v in np.floor(low))
    right, bottom = min(width, int(np.floor(high[0])) + 1), min(height, int(np.floor(high[1])) + 1)
    if right <= x or bottom <= y:
        return None
    canvas = PIL.Image.new("1", (right - x, bottom - y))  # of the part inside the picture alone
    draw = PIL.ImageDraw.Draw(canvas)
    corners = [(float(px - x), float(py - y)) for px, py in points]
    if kind == "polygon":
        draw.polygon(corners, outline=1, fill=1)
    else:
        draw_in = draw.ellipse if kind == "circle" else draw.rectangle
        draw_in([*(low - (x, y)), *(high - (x, y))], outline=1, fill=1)
    return tight(BoxMask(x, y, np.asarray(canvas, bool)))


def _union(masks: list[BoxMask]) -> BoxMask:
    x, y = min(m.x for m in masks), min(m.y for m in masks)
    right, bottom = max(m.x + m.bits.shape[1] for m in masks), max(m.y + m.bits.shape[0] for m in masks)
    bits = np.zeros((bottom - y, right - x), bool)
    for m in masks:
        bits[m.y - y : m.y - y + m.bits.shape[0], m.x - x : m.x - x + m.bits.shape[1]] |= m.bits
    found = tight(BoxMask(x, y, bits))
    assert found is not None  # each mask has a pixel
    return found


def _saved_at(file: zipfile.ZipInfo) -> datetime:
    """The file's time of last writing: to the second where the archive says so, else to two, of an unnamed zone."""
    extra = file.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == EXTENDED_TIMESTAMP and size >= 5 and extra[4] & 1 and len(extra) >= 9:
            return datetime.fromtimestamp(struct.unpack("<i", extra[5:9])[0], UTC)
        extra = extra[4 + size :]
    try:
        return datetime(*file.date_time, tzinfo=UTC)
    except ValueError:
        return datetime(1980, 1, 1, tzinfo=UTC)
