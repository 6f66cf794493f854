"""What the process that reads one file is asked and answers (inference/reading/child.py), and what is kept of it.

The answer comes from a process that a stranger's file may have taken over, so it is held against its type.
"""

from collections.abc import Mapping
from typing import Literal

from inference.documents.base import Document, JsonObject, Number


class ReadNote(Document):
    """Something that people should know of a file: a code of reading/sentences.py, and what fills it in."""

    code: str
    params: Mapping[str, str | int | float] = {}


class PixelSize(Document):
    """µm, as the picture is shown; source: where the file says so."""

    x: Number
    y: Number
    source: str

    @property
    def mean(self) -> float:
        return (self.x + self.y) / 2


class Header(Document):
    """How the pixels are stored, and where the file is from; inference.reading.types.Identified has the words."""

    format: str
    bits: int
    sample_format: str
    photometric: str
    samples: int
    alpha: str
    planar: bool
    compression: str
    color_map: bool
    orientation: int | None
    vendor: str
    scanner: str
    objective: Number | None


HEADER = tuple(Header.model_fields)


class Tissue(Document):
    """Which squares of a slide show tissue, packed (reading/slide_entry.py)."""

    width: int
    height: int
    bits: str


class ChannelFacts(Document):
    """One channel of a slide as it is shown at first: inference.reading.channels.ChannelInfo has the words."""

    name: str
    colour: str
    low: Number
    high: Number
    least: Number
    most: Number
    shown: bool


class PlaneFacts(Document):
    """What there is to choose from in a slide of several planes: page = t * z + slice, all from the first one on.

    page      the plane that is shown at first, and whose samples gave the ranges of the channels; from 1
    channels  () where a pixel has colours of its own
    """

    page: int
    z: int
    t: int
    channels: tuple[ChannelFacts, ...]


class SlideFacts(Document):
    """What is kept of a whole slide beside what a picture has too.

    info     reading/slides.py, SlideInfo.as_json
    entry    of a slide that is a folder: the file in it that a reader is given, "" for the folder itself
    removed  names of metadata and further pictures that were not kept; never a value
    """

    info: JsonObject
    entry: str
    reader: str
    removed: tuple[str, ...]
    tissue: Tissue


class ReadPicture(Document):
    """A picture that was read: its files lie in the folder that was named. Of a slide that is thumbnail.jpg alone.

    low, high  samples that are shown as black and white; None for samples of 8 bit
    tiled      whether tiles.bin was written
    removed    names of metadata that were not kept; never a value
    writing    whether it may show writing, which can name a person; looked for where the request says so
    """

    ok: Literal[True] = True
    header: Header
    page: int
    channel: int
    pages: int
    channels: int
    low: Number | None
    high: Number | None
    notes: tuple[ReadNote, ...]
    sha256: str
    scale: PixelSize | None
    width: int
    height: int
    tiled: bool
    slide: SlideFacts | None = None
    removed: tuple[str, ...] = ()
    writing: bool = False


class TilesCut(Document):
    ok: Literal[True] = True


class NotRead(Document):
    """code: of reading/sentences.py; fault: the traceback of a fault of ours, for the log."""

    ok: Literal[False] = False
    code: str
    params: Mapping[str, str | int | float] = {}
    fault: str = ""


class ReadRequest(Document):
    """Read a picture: pixels.png, thumbnail.jpg and, where its longer side is more than tiles_from px, tiles.bin are
    written into the folder. page, channel: which of several, from 1. slide: "auto" or "slide" where the file may be a
    whole slide (reading/slide_entry.py). writing: whether to look for writing in the picture."""

    do: Literal["read"] = "read"
    source: str
    folder: str
    page: int | None = None
    channel: int | None = None
    tiles_from: int = 2048
    slide: str = ""
    writing: bool = False


class TilesRequest(Document):
    """Cut a picture of our own into tiles.bin."""

    do: Literal["tiles"] = "tiles"
    source: str
    folder: str


class CleanRequest(Document):
    """Write a slide without label and metadata into the folder, which is empty (reading/deidentify)."""

    do: Literal["clean"] = "clean"
    source: str
    folder: str


class SlideCleaned(Document):
    """path: what is to be opened, within the folder that was named; "" for the folder itself."""

    ok: Literal[True] = True
    path: str


class Limits(Document):
    """Of a child: address space in MB, processor time and time; file_megabytes: of a file that it writes, where that
    may be larger."""

    megabytes: int
    file_megabytes: int | None = None
    cpu_seconds: int
    wall_seconds: int


class Asked(Document):
    """One request to the helper."""

    work: ReadRequest | TilesRequest | CleanRequest
    limits: Limits


class Reading(Document):
    """What is kept of what a file said of itself, and of what was done with it (Image.reading).

    Images of before hold fewer facts, or none.
    """

    format: str = ""
    bits: int | None = None
    sample_format: str = ""
    photometric: str = ""
    samples: int | None = None
    alpha: str = ""
    planar: bool = False
    compression: str = ""
    color_map: bool = False
    orientation: int | None = None
    vendor: str = ""
    scanner: str = ""
    objective: Number | None = None
    page: int = 1
    pages: int = 1
    channel: int = 1
    channels: int = 1
    scale: PixelSize | None = None
    notes: tuple[ReadNote, ...] = ()
