"""The work on one file, done in a process of its own: read a picture, write its PNG, thumbnail and tiles.

The process is forked by `helper.py`, has limits, and ends afterwards. What it answers is one line of JSON, so that
whoever asked need not trust it. `work` is also the whole contract of reading one file for a job that reads many.
"""

import io
import json
import resource
import signal
import struct
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import PIL.Image

from inference.documents.reading import (
    HEADER,
    CleanRequest,
    Header,
    NotRead,
    PixelSize,
    ReadNote,
    ReadPicture,
    ReadRequest,
    SlideCleaned,
    TilesCut,
    TilesRequest,
)
from inference.reading import ranges
from inference.reading.picture import Picture, read_picture
from inference.reading.questions import Asking
from inference.reading.slide_entry import entered
from inference.reading.types import Identified, Unreadable

THUMBNAIL = 256  # px of the longer side
SIDE = 512  # px of a tile
TILE_QUALITY = 90
INDEX = struct.Struct("<III I")  # level, column, row, bytes of the JPEG that follows


def limit_this_process(
    *, megabytes: int, cpu_seconds: int, wall_seconds: int, file_megabytes: int | None = None
) -> None:
    """Let the kernel end this process when it takes too much. The alarm keeps its default action: no Python runs."""
    size = megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    largest = (file_megabytes or megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)


def work(
    asked: ReadRequest | TilesRequest | CleanRequest, asking: Asking | None = None
) -> ReadPicture | TilesCut | SlideCleaned | NotRead:
    """Read one file and say what came of it; never raises for what a file holds.

    asking  by which parts of a file in a storage are asked for: what could not be had is the reason then
    """
    ranges.connect(asking)
    found = _worked(asked)
    failure = asking.take_failure() if asking is not None else None
    return found if failure is None else NotRead(ok=False, code=failure.code, params=failure.params)


def _worked(asked: ReadRequest | TilesRequest | CleanRequest) -> ReadPicture | TilesCut | SlideCleaned | NotRead:
    try:
        folder = Path(asked.folder)
        if isinstance(asked, TilesRequest):
            with PIL.Image.open(asked.source) as opened:
                write_tiles(opened.convert("RGB"), folder / "tiles.bin")
            return TilesCut(ok=True)
        if isinstance(asked, CleanRequest):
            from inference.reading.deidentify import cleaned  # the website imports this module, and no decoder

            made = cleaned(Path(asked.source), folder)
            return SlideCleaned(ok=True, path="" if made == folder else made.relative_to(folder).as_posix())
        if asked.slide:
            source = ranges.place_of(asked.source)
            found = entered(source, folder, asked.slide, asked.page, asked.channel, asked.writing)
            if found is not None:
                return found
            if source.is_dir():
                raise Unreadable("no_slide_in_folder")
            if ranges.is_remote(source):
                raise Unreadable("needs_whole")
        picture = read_picture(Path(asked.source), page=asked.page, channel=asked.channel)
        made_of = described(picture, written(picture, folder, asked.tiles_from))
        if not asked.writing:
            return made_of
        from inference.reading.writing import may_show_writing

        return made_of.with_(writing=may_show_writing(picture.rgb))
    except Unreadable as error:
        return NotRead(ok=False, code=error.code, params=error.params)
    except MemoryError:
        return NotRead(ok=False, code="memory")
    except Exception:  # a fault of ours: the file is declined, and the log of whoever asked says why
        return NotRead(ok=False, code="reader_died", fault=traceback.format_exc())


@dataclass(frozen=True)
class Written:
    """Size of the picture as it was written, px, and whether it got tiles."""

    width: int
    height: int
    tiled: bool


def written(picture: Picture, folder: Path, tiles_from: int) -> Written:
    """Write the picture's files.

    tiles_from  px of the longer side; a larger picture gets tiles
    """
    image = PIL.Image.fromarray(picture.rgb)
    width, height = image.size
    image.save(folder / "pixels.png", "PNG", compress_level=4)  # written anew: no metadata of the original survive
    tiled = max(width, height) > tiles_from
    if tiled:
        write_tiles(image, folder / "tiles.bin")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    image.save(folder / "thumbnail.jpg", "JPEG", quality=85)
    return Written(width, height, tiled)


def described(picture: Picture, files: Written) -> ReadPicture:
    """A picture without its pixels."""
    found = picture.identified
    return ReadPicture(
        ok=True,
        header=Header.model_validate({name: getattr(found, name) for name in HEADER}),
        page=picture.plane.page,
        channel=picture.plane.channel,
        pages=found.pages,
        channels=found.channels,
        low=picture.low,
        high=picture.high,
        notes=tuple(ReadNote(code=note.code, params=note.params) for note in picture.notes),
        sha256=picture.sha256,
        scale=scale_of(found),
        width=files.width,
        height=files.height,
        tiled=files.tiled,
        removed=found.metadata,
    )


def scale_of(found: Identified) -> PixelSize | None:
    """Size of a pixel of the picture as it is shown: a turn by a quarter swaps its sides."""
    if found.scale is None:
        return None
    x, y = found.scale.x, found.scale.y
    if found.orientation in (5, 6, 7, 8):
        x, y = y, x
    return PixelSize(x=x, y=y, source=found.scale.source)


# -- tiles


def sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Width and height of every level, the image itself first, until one fits into a tile."""
    found = [(width, height)]
    while max(found[-1]) > SIDE:
        width, height = found[-1]
        found.append(((width + 1) // 2, (height + 1) // 2))
    return found


def write_tiles(image: PIL.Image.Image, path: Path) -> None:
    """All tiles of a picture one after the other into one file; `tiles_in` reads it."""
    with path.open("wb") as file:
        for level, (width, height) in enumerate(sizes(*image.size)):
            if level:
                image = image.reduce(2)
            for top in range(0, height, SIDE):
                for left in range(0, width, SIDE):
                    part = image.crop((left, top, min(width, left + SIDE), min(height, top + SIDE)))
                    jpeg = io.BytesIO()
                    # Colours as fine as light: stains are told by colour.
                    part.save(jpeg, "JPEG", quality=TILE_QUALITY, subsampling=0)
                    file.write(INDEX.pack(level, left // SIDE, top // SIDE, jpeg.tell()))
                    file.write(jpeg.getvalue())


def tiles_in(file: BinaryIO) -> Iterator[tuple[int, int, int, bytes]]:
    """(level, column, row, JPEG) of a file that write_tiles has written, in its order."""
    while head := file.read(INDEX.size):
        level, column, row, length = INDEX.unpack(head)
        yield level, column, row, file.read(length)


def answer_line(answer: ReadPicture | TilesCut | SlideCleaned | NotRead) -> bytes:
    return json.dumps(answer.as_json()).encode() + b"\n"
