"""Tiles of large images: a browser fetches and decodes what is in view, not the whole field.

A pyramid is cut once per content (its SHA-256), when the image comes in or a tile is first asked for, and kept in the
storage: removing it costs nothing but time. Level 0 is the image itself, each further one half as wide and high
(rounded up), the last one fits into one tile. Tiles are 512 px squares without overlap, smaller at the right and lower
rim.
"""

import io

import PIL.Image
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction

from labeling.images.models import Image

SIDE = 512
TILED_FROM = 2048  # px of the longer side: up to here one picture is quicker to fetch than its tiles
QUALITY = 90


class NoSuchTile(Exception):
    """The image has no such level, or the level no such column or row."""


def is_tiled(image: Image) -> bool:
    return max(image.width, image.height) > TILED_FROM


def sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Width and height of every level, the image itself first, until one fits into a tile."""
    found = [(width, height)]
    while max(found[-1]) > SIDE:
        width, height = found[-1]
        found.append(((width + 1) // 2, (height + 1) // 2))
    return found


def read_tile(image: Image, level: int, column: int, row: int) -> io.BufferedIOBase:
    """A tile as a JPEG file, open for reading. Raises NoSuchTile."""
    levels = sizes(image.width, image.height)
    if level >= len(levels) or column * SIDE >= levels[level][0] or row * SIDE >= levels[level][1]:
        raise NoSuchTile
    if not default_storage.exists(_last(image)):  # tiles of a cutting at work or broken off may be half written
        cut(image)
    return default_storage.open(_name(image.sha256, level, column, row), "rb")  # type: ignore[return-value]


@transaction.atomic
def cut(image: Image) -> None:
    """Make the pyramid unless it is there."""
    with connection.cursor() as cursor:  # of two requests for new tiles one cuts, the other waits and finds them
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(image.sha256[:15], 16)])
    levels = sizes(image.width, image.height)
    if default_storage.exists(_last(image)):
        return
    with image.pixels.open("rb") as file:
        rgb = PIL.Image.open(file).convert("RGB")
    for level, (width, height) in enumerate(levels):
        if level:
            rgb = rgb.reduce(2)
        for row in range(0, height, SIDE):
            for column in range(0, width, SIDE):
                part = rgb.crop((column, row, min(width, column + SIDE), min(height, row + SIDE)))
                _keep(part, _name(image.sha256, level, column // SIDE, row // SIDE))


def _keep(part: PIL.Image.Image, name: str) -> None:
    jpeg = io.BytesIO()
    part.save(jpeg, "JPEG", quality=QUALITY, subsampling=0)  # colours as fine as light: stains are told by colour
    if default_storage.exists(name):  # of a cutting that was broken off
        default_storage.delete(name)
    default_storage.save(name, ContentFile(jpeg.getvalue()))


def _last(image: Image) -> str:
    """The tile that is written last: when it is there, all the others are whole."""
    return _name(image.sha256, len(sizes(image.width, image.height)) - 1, 0, 0)


def _name(sha256: str, level: int, column: int, row: int) -> str:
    return f"tiles/{sha256}/{level}/{column}_{row}.jpg"
