"""Files in object storage as paths that the readers take like those of a disk, read in ranges.

    RangePath ──► RangeSystem (fsspec) ──► Source (questions.py): the storage itself, or whoever started this process

A file is read in blocks; a bounded number of them is kept for each open file. Nothing is fetched whole.
"""

import hashlib
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from upath import UPath
from upath.registry import register_implementation

from inference.reading.questions import SCHEME, About, Asking, Source

BLOCK = 2**18  # bytes: a tile of 512 px takes some ten thousand, and its neighbours lie beside it
MOST_BLOCKS = 64  # of an open file
PROTOCOL = SCHEME.removesuffix("://")


class RangeSystem(AbstractFileSystem):
    """fsspec's view of a Source; it only reads."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, source: Source, **options: Any) -> None:
        super().__init__(**options)
        self.source = source

    def info(self, path: str, **options: Any) -> "Entry":
        plain = self._strip_protocol(path)
        return _entry(plain, self.source.about(plain))

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        plain = self._strip_protocol(path)
        entries = [_entry(f"{plain}/{name}", about) for name, about in self.source.listed(plain).items()]
        return entries if detail else [entry["name"] for entry in entries]

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> "RangeFile":
        return RangeFile(
            self, path, mode, block_size=BLOCK, cache_type="blockcache", cache_options={"maxblocks": MOST_BLOCKS}
        )


class RangeFile(AbstractBufferedFile):
    """An open file: all its blocks are of the content that was there when it was opened."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        source: Source = self.fs.source
        return source.read(self.path, self.details["mark"], start, min(end, self.size))


class RangePath(UPath):
    """ranges://ROOT/FOLDER/FILE"""


class Entry(TypedDict):
    """A file or folder as fsspec wants it; mark: questions.About."""

    name: str
    size: int
    type: Literal["file", "directory"]
    mark: str


def _entry(path: str, about: About) -> Entry:
    return {
        "name": path,
        "size": about.size,
        "type": "directory" if about.is_folder else "file",
        "mark": about.mark,
    }


fsspec.register_implementation(PROTOCOL, RangeSystem, clobber=True)
register_implementation(PROTOCOL, RangePath, clobber=True)


def range_path(place: str, source: Source) -> Path:
    """A path in a storage. It does what the readers ask of a Path, though Python's own class is another one.

    place  ranges://ROOT/FOLDER/FILE
    """
    return cast(Path, RangePath(place, source=source))


def is_remote(path: Path) -> bool:
    return isinstance(path, RangePath)


def source_of(path: Path) -> Source:
    """Of a path of `range_path`."""
    source: Source = cast(Any, path).fs.source
    return source


def address(path: Path) -> str:
    """ROOT/FOLDER/FILE of a path of `range_path`."""
    return str(path).removeprefix(SCHEME)


def stamp(path: Path) -> tuple[int, int]:
    """(bytes, a number that follows from the content's marks) of a file; of a folder, of its files together.

    Raises FileNotFoundError, Unreadable.
    """
    source, place = source_of(path), address(path)
    about = source.about(place)
    files = {"": about}
    if about.is_folder:
        files = {name: one for name, one in source.listed(place).items() if not one.is_folder}
    marks = "\n".join(f"{name} {files[name].mark}" for name in sorted(files))
    number = int.from_bytes(hashlib.sha256(marks.encode()).digest()[:7], "big")
    return sum(file.size for file in files.values()), number


# -- in a process that decodes

_asking: Asking | None = None


def connect(asking: Asking | None) -> None:
    """Say where `place_of` gets its files from: once, at the start of a process that decodes."""
    global _asking
    _asking = asking


def place_of(text: str) -> Path:
    """What a request names: a file of this machine, or one that is asked for. Raises FileNotFoundError."""
    if not text.startswith(SCHEME):
        return Path(text)
    if _asking is None:
        raise FileNotFoundError(text)
    return range_path(text, _asking)
