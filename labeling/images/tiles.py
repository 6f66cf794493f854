"""Tiles of large images: a browser fetches and decodes what is in view, not the whole field.

A pyramid is cut once per content (its SHA-256), when the image comes in or a tile is first asked for, and kept in the
storage: removing it costs nothing but time. Level 0 is the image itself, each further one half as wide and high
(rounded up), the last one fits into one tile. Tiles are 512 px squares without overlap, smaller at the right and lower
rim. Tiles of a slide are read from its file instead, where they are kept by nobody but browsers (images/slides.py).
"""

import io
import logging
import shutil
import tempfile
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction

from inference.reading import isolation
from inference.reading.child import SIDE, sizes, tiles_in
from labeling.images import planes, slides
from labeling.images.models import Image

__all__ = ["SIDE", "TILED_FROM", "NoSuchTile", "cut", "is_tiled", "keep_once", "read_tile", "sizes"]
log = logging.getLogger(__name__)
TILED_FROM = 2048  # px of the longer side: up to here one picture is quicker to fetch than its tiles


class NoSuchTile(Exception):
    """The image has no such level, or the level no such column or row."""


def is_tiled(image: Image) -> bool:
    return image.is_slide or max(image.width, image.height) > TILED_FROM


def read_tile(
    image: Image,
    level: int,
    column: int,
    row: int,
    display: planes.Display | None = None,
    source: planes.Source | None = None,
) -> io.BufferedIOBase:
    """A tile as a JPEG file, open for reading.

    display    which plane and channels of `source`, the slide that the image comes from; None for the image as it is

    Raises NoSuchTile, and SlideProblem for a slide that cannot be read.
    """
    levels = sizes(image.width, image.height)
    if level >= len(levels) or column * SIDE >= levels[level][0] or row * SIDE >= levels[level][1]:
        raise NoSuchTile
    if image.is_slide or (display is not None and source is not None):
        found = source or planes.Source(image.slide_file)
        return slides.read_slide_tile(found, levels, level, column, row, display)
    if not default_storage.exists(_last(image)):  # tiles of a cutting at work or broken off may be half written
        cut(image)
    return default_storage.open(_name(image.sha256, level, column, row), "rb")  # type: ignore[return-value]


@transaction.atomic
def cut(image: Image) -> None:
    """Make the pyramid unless it is there, in a process of its own: a large picture must not stay in this one."""
    _wait_for_turn(image)
    if default_storage.exists(_last(image)):
        return
    with tempfile.TemporaryDirectory(prefix="boxwise-") as made:
        source = Path(made) / "pixels.png"
        with image.pixels.open("rb") as stored, source.open("wb") as copy:
            shutil.copyfileobj(stored, copy)
        isolation.cut_tiles(source, Path(made))
        _keep(image, Path(made) / "tiles.bin")


def keep_once(image: Image, made: Path) -> None:
    """Store the tiles that came with the reading of a file, unless they are there.

    A failure is logged and costs no image: read_tile cuts what is missing.
    """
    try:
        with transaction.atomic():
            _wait_for_turn(image)
            if not default_storage.exists(_last(image)):
                _keep(image, made)
    except Exception:  # storages raise what their libraries raise
        log.exception("tiles of image %s could not be stored", image.pk)


def remove(image: Image) -> None:
    """Remove the tiles of an image; they are cut again when somebody looks at it."""
    if image.is_slide or not is_tiled(image):
        return
    with transaction.atomic():
        _wait_for_turn(image)
        default_storage.delete(_last(image))  # first: without it nobody takes the others for whole
        for level, (width, height) in enumerate(sizes(image.width, image.height)):
            for column in range(-(-width // SIDE)):
                for row in range(-(-height // SIDE)):
                    default_storage.delete(_name(image.sha256, level, column, row))
        _remove_folder(f"tiles/{image.sha256}")  # in turn: whoever cuts them again must not lose the new ones


def _remove_folder(name: str) -> None:
    try:
        folder = Path(default_storage.path(name))
    except NotImplementedError:  # object storage has no folders
        return
    shutil.rmtree(folder, ignore_errors=True)


def _wait_for_turn(image: Image) -> None:
    """Of two who make the same tiles one waits and then finds them. Held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(image.sha256[:15], 16)])


def _keep(image: Image, made: Path) -> None:
    """Store tiles that were cut (inference.reading.child.write_tiles), the last one at the end."""
    with made.open("rb") as file:
        total = 0
        for level, column, row, jpeg in tiles_in(file):
            total += len(jpeg)
            name = _name(image.sha256, level, column, row)
            if default_storage.exists(name):  # of a cutting that was broken off
                default_storage.delete(name)
            default_storage.save(name, ContentFile(jpeg))
    Image.everything.filter(sha256=image.sha256).update(tile_bytes=total)


def _last(image: Image) -> str:
    """The tile that is written last: when it is there, all the others are whole."""
    return _name(image.sha256, len(sizes(image.width, image.height)) - 1, 0, 0)


def _name(sha256: str, level: int, column: int, row: int) -> str:
    return f"tiles/{sha256}/{level}/{column}_{row}.jpg"
