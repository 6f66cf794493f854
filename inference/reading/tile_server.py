"""A process that holds slides open and answers with regions of them: python -m inference.reading.tile_server FD

Decoders of pictures crash and can be made to eat memory, so the website does not run them: each of its processes has a
few of these (tile_client.py), each with one slide at a time at work and a bounded number of slides open.

    a request   4 bytes of length, JSON: {"path", "size", "mtime", "page", "channel", "box": [x, y, w, h],
                "out": [w, h], "as": "jpeg" | "png", "views": [[channel, colour, low, high], ...], "icc": bool}
    an answer   1 byte ("+" or "-"), 4 bytes of length, the picture or JSON {"code", "params"} of a declined request

While it is at work on a slide that lies in object storage it asks for parts of it (questions.py).
"""

import io
import json
import os
import resource
import socket
import sys
import traceback
from collections import OrderedDict
from pathlib import Path
from typing import TypedDict

import PIL.Image

from inference.reading import ranges
from inference.reading.channels import ChannelView
from inference.reading.questions import LENGTH, Asking, received, send
from inference.reading.slides import Slide, open_slide
from inference.reading.types import Unreadable

OPEN = 12  # slides
MEGABYTES = 3072  # of address space
MOST = 64_000_000  # pixels of an answer
QUALITY = 90
Key = tuple[str, int | None, int | None]
# A request; `box` in pixels of level 0, `out` is the size of the answer, `views` are the channels that are shown
# together (channels.ChannelView), `icc` says whether the slide's colour profile is applied.
Asked = TypedDict(
    "Asked",
    {
        "path": str,
        "size": int,
        "mtime": int,
        "page": int | None,
        "channel": int | None,
        "box": tuple[float, float, float, float],
        "out": tuple[int, int],
        "as": str,
        "views": list[tuple[int, str, float, float]],
        "icc": bool,
    },
)


class Slides:
    """Slides that are open, the one that was used longest ago is closed first."""

    def __init__(self) -> None:
        self.open: OrderedDict[Key, tuple[Slide, tuple[int, int]]] = OrderedDict()

    def get(self, asked: Asked) -> tuple[Key, Slide]:
        """Raises Unreadable for a file that is gone, is another one than before, or cannot be opened."""
        # A slide whose channels are shown together is open once for all its planes.
        page, channel = (None, None) if asked["views"] else (asked["page"], asked["channel"])
        key = (asked["path"], page, channel)
        place = ranges.place_of(asked["path"])
        stamp = stamp_of(place)
        if stamp != (asked["size"], asked["mtime"]):
            self.drop(key)
            raise Unreadable("slide_changed")
        if key in self.open and self.open[key][1] == stamp:
            self.open.move_to_end(key)
            return key, self.open[key][0]
        self.drop(key)
        slide = open_slide(place, page=page, channel=channel)
        self.open[key] = (slide, stamp)
        while len(self.open) > OPEN:
            self.drop(next(iter(self.open)))
        return key, slide

    def drop_all(self, path: str) -> None:
        for key in [key for key in self.open if key[0] == path]:
            self.drop(key)

    def drop(self, key: Key) -> None:
        found = self.open.pop(key, None)
        if found is not None:
            found[0].close()


def stamp_of(path: Path) -> tuple[int, int]:
    """(bytes, time of the last change in ns) of a file; of a folder those of its files together. Raises Unreadable.

    Of what lies in a storage a number that follows from the content's marks stands for the time.
    """
    try:
        if ranges.is_remote(path):
            return ranges.stamp(path)
        about = path.stat()
        if not path.is_dir():
            return about.st_size, about.st_mtime_ns
        files = [entry.stat() for entry in os.scandir(path) if entry.is_file()]
    except OSError:
        raise Unreadable("slide_gone") from None
    return sum(file.st_size for file in files), max((file.st_mtime_ns for file in files), default=0)


def answer(slides: Slides, asked: Asked, asking: Asking | None = None) -> tuple[bytes, bytes]:
    """(mark, content) for one request; never raises for what a file holds.

    asking  by which parts of the file were asked for: what could not be had is the reason, whatever came of it
    """
    mark, content = _answered(slides, asked)
    failure = asking.take_failure() if asking is not None else None
    if failure is None:
        return mark, content
    slides.drop_all(asked["path"])
    return b"-", json.dumps({"code": failure.code, "params": failure.params}).encode()


def _answered(slides: Slides, asked: Asked) -> tuple[bytes, bytes]:
    key: Key | None = None
    try:
        key, slide = slides.get(asked)
        return b"+", picture_of(slide, asked)
    except Unreadable as error:
        declined = {"code": error.code, "params": error.params}
    except OSError:
        declined = {"code": "slide_gone", "params": {}}
    except MemoryError:
        declined = {"code": "memory", "params": {"megabytes": MEGABYTES}}
    except Exception:  # a fault of ours costs this tile; the log of whoever asked says why
        declined = {"code": "reader_died", "params": {}, "fault": traceback.format_exc()}
    if key is not None:
        slides.drop(key)  # some libraries read nothing more after an error
    return b"-", json.dumps(declined).encode()


def picture_of(slide: Slide, asked: Asked) -> bytes:
    width, height = asked["out"]
    if width < 1 or height < 1 or width * height > MOST:
        raise ValueError(f"a picture of {width} x {height} px was asked for")
    x, y, w, h = asked["box"]
    views = [ChannelView(*view) for view in asked["views"]]
    rgb = slide.scaled(x, y, w, h, (width, height), page=asked["page"] or 1, views=views)
    if asked["icc"] and not views:
        rgb = slide.profile().applied(rgb)
    file = io.BytesIO()
    if asked["as"] == "png":
        PIL.Image.fromarray(rgb).save(file, "PNG", compress_level=4)
    else:
        # Colours as fine as light: stains are told by colour.
        PIL.Image.fromarray(rgb).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def main() -> None:
    size = MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = socket.socket(fileno=int(sys.argv[1]))
    asking = Asking(connection)
    ranges.connect(asking)
    slides = Slides()
    while head := received(connection, LENGTH.size):
        (length,) = LENGTH.unpack(head)
        asked = json.loads(received(connection, length))
        send(connection, *answer(slides, asked, asking))


if __name__ == "__main__":
    main()
