"""Small pictures around cells, cut from stored pixels and tiles by Pillow, at one physical scale.

Rectangles are image pixels; what lies outside the image is BEYOND.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import PIL.Image

from labeling.images import slides
from labeling.images.models import Image
from labeling.images.tiles import SIDE, NoSuchTile, is_tiled, read_tile, sizes

BEYOND = (124, 131, 138)  # beyond the rim of an image: --picture-beyond in tokens.css, which glares in no theme
Picture: TypeAlias = PIL.Image.Image
MOST_TILES = 64  # decoded tiles that one cutter keeps


@dataclass(frozen=True)
class Square:
    """A square around the middle of a cell: left, top and side in image pixels."""

    x: float
    y: float
    side: float

    @classmethod
    def around(cls, box: Sequence[float], side: float) -> "Square":
        x0, y0, x1, y1 = box
        return cls((x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side)


class Cutter:
    """Cuts many squares of one image; what it has decoded is kept between them. One request has its own."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.levels = sizes(image.width, image.height)
        self.whole: Picture | None = None
        self.tiles: dict[tuple[int, int, int], Picture] = {}

    def cut(self, square: Square, pixels: int) -> Picture:
        """A picture of pixels x pixels, RGB. Raises SlideProblem for a slide that cannot be read."""
        if self.image.is_slide:
            return self._from_slide(square, pixels)
        if is_tiled(self.image):
            return self._from_tiles(square, pixels)
        if self.whole is None:
            with self.image.pixels.open("rb") as stored:
                self.whole = PIL.Image.open(stored).convert("RGB")
        return _cut(self.whole, (square.x, square.y), square.side, pixels)

    def _from_slide(self, square: Square, pixels: int) -> Picture:
        box = (square.x, square.y, square.side, square.side)
        jpeg = slides.region(self.image, box, (pixels, pixels))
        return PIL.Image.open(io.BytesIO(jpeg)).convert("RGB")

    def _from_tiles(self, square: Square, pixels: int) -> Picture:
        """From the coarsest level that has a pixel for each that is asked for."""
        level = 0
        while level + 1 < len(self.levels) and square.side / 2 ** (level + 1) >= pixels:
            level += 1
        factor = 2**level
        left = square.x / factor
        top = square.y / factor
        side = square.side / factor
        width, height = self.levels[level]
        columns = _touched(left, side, width)
        rows = _touched(top, side, height)
        mosaic = PIL.Image.new("RGB", (len(columns) * SIDE, len(rows) * SIDE), BEYOND)
        for column, row in product(columns, rows):
            tile = self._tile(level, column, row)
            if tile is not None:
                at = ((column - columns.start) * SIDE, (row - rows.start) * SIDE)
                mosaic.paste(tile, at)
        corner = (left - columns.start * SIDE, top - rows.start * SIDE)
        return _cut(mosaic, corner, side, pixels)

    def _tile(self, level: int, column: int, row: int) -> Picture | None:
        key = (level, column, row)
        if key in self.tiles:
            return self.tiles[key]
        try:
            with read_tile(self.image, level, column, row) as stored:
                tile = PIL.Image.open(io.BytesIO(stored.read())).convert("RGB")
        except NoSuchTile:
            return None
        if len(self.tiles) >= MOST_TILES:
            self.tiles.pop(next(iter(self.tiles)))
        self.tiles[key] = tile
        return tile


def _touched(start: float, side: float, length: int) -> range:
    """The columns (or rows) of tiles that a stretch touches; one at least, and none beyond a level of `length` pixels:
    a square far larger than its image would need gigabytes of nothing."""
    final = (length - 1) // SIDE
    first = min(max(0, int(start // SIDE)), final)
    last = min(max(first, int((start + side) // SIDE)), final)
    return range(first, last + 1)


def _cut(picture: Picture, corner: tuple[float, float], side: float, pixels: int) -> Picture:
    """A square of a picture, resampled; BEYOND outside its rim."""
    x, y = corner
    x0 = max(0.0, x)
    y0 = max(0.0, y)
    x1 = min(float(picture.width), x + side)
    y1 = min(float(picture.height), y + side)
    out = PIL.Image.new("RGB", (pixels, pixels), BEYOND)
    if x0 >= x1 or y0 >= y1:
        return out
    scale = pixels / side
    left = round((x0 - x) * scale)
    top = round((y0 - y) * scale)
    size = (round((x1 - x) * scale) - left, round((y1 - y) * scale) - top)
    if size[0] > 0 and size[1] > 0:
        part = picture.resize(size, PIL.Image.Resampling.BILINEAR, box=(x0, y0, x1, y1))
        out.paste(part, (left, top))
    return out


def as_jpeg(picture: Picture, quality: int = 85) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()
