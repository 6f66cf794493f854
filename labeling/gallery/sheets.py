"""Sheets: many crops of one physical scale in one picture, cut from stored pixels and tiles."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

import PIL.Image

from labeling.annotations.models import Annotation
from labeling.annotations.state import state_of
from labeling.annotations.wire import StateJson
from labeling.images.crops import Cutter, Square, as_jpeg
from labeling.images.models import Image

COLUMNS = 10


@dataclass(frozen=True)
class Crop:
    """A cell on a sheet; corner and side in image pixels. column, row: its place on the sheet."""

    row: Annotation
    state: StateJson
    image: Image
    square: Square
    at: tuple[int, int]


@dataclass(frozen=True)
class Sheet:
    """picture: JPEG in base64, crops of pixels x pixels side by side, `columns` in a line."""

    crops: list[Crop]
    picture: str
    pixels: int
    columns: int


def make_sheet(rows: Sequence[Annotation], side: float, pixels: int) -> Sheet:
    """side: of a crop, µm where the image has a scale, else image pixels. Cells of deleted images are left out.

    rows  with `layer.image`
    """
    cutters: dict[int, Cutter] = {}
    crops: list[Crop] = []
    present = [row for row in rows if row.layer.image.deleted_at is None]
    lines = max(1, math.ceil(len(present) / COLUMNS))
    picture = PIL.Image.new("RGB", (COLUMNS * pixels, lines * pixels))
    for row in present:
        state = state_of(row)
        if state is None:
            continue
        image = row.layer.image
        cutter = cutters.setdefault(image.pk, Cutter(image))
        square = Square.around(state.box, side / (image.um_per_px or 1.0))
        line, column = divmod(len(crops), COLUMNS)
        picture.paste(cutter.cut(square, pixels), (column * pixels, line * pixels))
        crops.append(Crop(row, state.as_json(), image, square, (column, line)))
    encoded = base64.b64encode(as_jpeg(picture)).decode()
    return Sheet(crops, encoded, pixels, COLUMNS)
