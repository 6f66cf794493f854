"""Whole copies of slides that lie in a storage and that no reader reads in parts: the formats of scanners (OpenSlide).

    first look ──► copy the slide's files, with progress ──► a folder of this machine ──► OpenSlide
                   at most SLIDE_CACHE_BYTES: the copies that were looked at longest ago go first

A copy has the name of its content: of an object that was replaced there is none yet. It is there whole or not at all;
two that want the same copy wait for one. Room is given to one process after the other, and what another is copying
counts as if it were there. What a process that was ended left half is removed by the next that needs room.
"""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from inference.reading import sets
from inference.reading.questions import About
from inference.reading.ranges import address, stamp
from inference.reading.types import Unreadable
from labeling.images.remote_roots import source_of_root
from labeling.images.slide_problems import SlideProblem
from labeling.images.storage_answers import RemoteSource
from labeling.server.slide_places import RemoteRoot

KEPT_FREE = 2**30  # bytes of the disk that stay free
PART = ".part"
ROOM = "room"  # the lock of whoever makes room
REPORTED_FOR = 30.0  # seconds for which a copy that failed is not begun again, and its reason is said
MOST_ROUNDS = 8  # a set leads from file to file (MRXS: index, then data)
Report = Callable[[int, int], None]  # bytes that have come, of all
log = logging.getLogger(__name__)
_failures: dict[str, tuple[float, Exception]] = {}  # key of a copy -> when it failed, and why


class NoCopy(SlideProblem):
    """A slide cannot be copied onto this machine: it is larger than what copies may take, or the disk is full."""

    code = "no_copy"


class CopyUnderWay(SlideProblem):
    """The slide is being copied; it can be looked at afterwards."""

    code = "copy_under_way"


@dataclass(frozen=True)
class Copy:
    """A slide of a storage and its place on this machine.

    place  as remote_roots.remote_path gives it
    stamp  of its content (ranges.stamp)
    """

    root: RemoteRoot
    place: Path
    stamp: tuple[int, int]

    @property
    def key(self) -> str:
        return _key(address(self.place), self.stamp)

    @property
    def source(self) -> RemoteSource:
        return source_of_root(self.root)

    @property
    def folder(self) -> Path:
        return Path(settings.SLIDE_CACHE) / self.key

    @property
    def part(self) -> Path:
        return self.folder.with_name(self.key + PART)

    @property
    def file(self) -> Path:
        """What a reader is given."""
        return self.folder / self.place.name

    def is_there(self) -> bool:
        return self.folder.is_dir()


def _key(path: str, stamp: tuple[int, int]) -> str:
    size, number = stamp
    return hashlib.sha256(f"{PurePosixPath(path)} {size} {number}".encode()).hexdigest()[:32]


def copy_of(root: RemoteRoot, place: Path) -> Copy:
    """Of the content that is there now. Raises Unreadable."""
    try:
        return Copy(root, place, stamp(place))
    except FileNotFoundError:
        raise Unreadable("slide_gone") from None


def forget(path: str, stamp: tuple[int, int]) -> None:
    """Remove the copy of a slide that is removed for good.

    path  ROOT/FOLDER/FILE
    stamp  as it was registered
    """
    key = _key(path, stamp)
    folder = Path(settings.SLIDE_CACHE) / key
    if folder.is_dir():
        with _turn(key, waits=True):
            _remove(folder)


def made(copy: Copy, report: Report) -> Path:
    """The copy, made unless it is there. -> what a reader is given.

    Raises NoCopy, Unreadable.
    """
    with _turn(copy.key, waits=True):
        if not copy.is_there():
            _make(copy, report)
        os.utime(copy.folder)  # looked at now
    return copy.file


def begun(name: str, copy: Copy) -> Path:
    """The copy if it is there; otherwise it is being made in the background from now on.

    name  of the slide, for people

    Raises CopyUnderWay, and what the last try of this process has met: NoCopy, Unreadable.
    """
    with suppress(FileNotFoundError):
        os.utime(copy.folder)
        return copy.file
    at, failure = _failures.get(copy.key, (0.0, None))
    if failure is not None and time.monotonic() - at < REPORTED_FOR:
        raise failure.with_traceback(None)
    language = translation.get_language()
    threading.Thread(target=_make_in_background, args=(copy, language), daemon=True).start()
    words = _("{name} is being copied from its storage, since its format is not read in parts: {percent} % are there")
    raise CopyUnderWay(words.format(name=name, percent=percent_of(copy)))


def percent_of(copy: Copy) -> int:
    """How much of the copy that is being made is there, whoever makes it."""
    with suppress(OSError, ValueError):
        total = int((copy.part / PART).read_text())
        return min(99, 100 * _bytes_below(copy.part) // max(1, total))
    return 0


def _make_in_background(copy: Copy, language: str | None) -> None:
    """language: of whoever looked, who reads why it failed."""
    try:
        with translation.override(language), _turn(copy.key, waits=False) as is_mine:
            if is_mine and not copy.is_there():
                _make(copy, lambda _done, _total: None)
        _failures.pop(copy.key, None)
    except Exception as error:  # of whatever kind: it is said to the next who looks
        log.warning("a slide could not be copied from its storage", exc_info=error)
        _failures[copy.key] = (time.monotonic(), error)


@contextmanager
def _turn(key: str, *, waits: bool) -> Iterator[bool]:
    """Whether this thread is the one that makes or removes the copy; where it waits, it is.

    The lock goes with the process that holds it, however that ends.
    """
    folder = Path(settings.SLIDE_CACHE)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{key}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _remove(folder: Path) -> None:
    """A copy, or what is there of one: gone at once for whoever looks. The caller has the turn of its key."""
    part = folder.with_name(folder.name.removesuffix(PART) + PART)
    if folder != part and folder.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        folder.rename(part)
    shutil.rmtree(part, ignore_errors=True)


def _make(copy: Copy, report: Report) -> None:
    _remove(copy.part)
    copy.part.mkdir(mode=0o700)
    try:
        _fetch_all(copy, report)
        (copy.part / PART).unlink(missing_ok=True)
        copy.part.rename(copy.folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _no_room() from None
    finally:
        shutil.rmtree(copy.part, ignore_errors=True)


def _fetch_all(copy: Copy, report: Report) -> None:
    """The file, and the others that it leads to. Raises NoCopy, Unreadable, OSError."""
    done = 0
    missing = _first_files(copy)
    for _round in range(MOST_ROUNDS):
        total = done + sum(about.size for about in missing.values())
        with _turn(ROOM, waits=True):
            _make_room(copy, total)
            (copy.part / PART).write_text(str(total))
        for path, about in missing.items():
            _fetch(copy, path, about, partial(_tell, report, done, total))
            done += about.size
        missing = _further_files(copy)
        if not missing:
            return


def _tell(report: Report, before: int, total: int, count: int) -> None:
    report(before + count, total)


def _first_files(copy: Copy) -> dict[str, About]:
    """The slide's file, or the files of its folder, by their paths in the storage."""
    path = address(copy.place)
    try:
        about = copy.source.about(path)
        if not about.is_folder:
            return {path: about}
        inside = copy.source.listed(path)
    except FileNotFoundError:
        raise Unreadable("slide_gone") from None
    return {f"{path}/{name}": one for name, one in inside.items() if not one.is_folder}


def _further_files(copy: Copy) -> dict[str, About]:
    """What the files that are there lead to and what is not there yet. Raises Unreadable for what is in no storage."""
    start = copy.part / copy.place.name
    leading = [start]
    if start.is_dir():
        leading = [file for file in start.iterdir() if file.suffix.lower() in sets.ENTRIES]
    found: dict[str, About] = {}
    folder = address(copy.place).rpartition("/")[0]
    files = sets.companions(leading[0]) if len(leading) == 1 else []
    for file in files:
        if file.exists():
            continue
        path = f"{folder}/{file.relative_to(copy.part).as_posix()}"
        try:
            found[path] = copy.source.about(path)
        except FileNotFoundError:
            raise Unreadable("set_incomplete", missing=1, what=file.name) from None
    return found


def _fetch(copy: Copy, path: str, about: About, report: Callable[[int], None]) -> None:
    folder = address(copy.place).rpartition("/")[0]
    target = copy.part / path.removeprefix(f"{folder}/")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        copy.source.copy(path, about.mark, file, report)
    if target.stat().st_size != about.size:
        raise Unreadable("slide_changed")


def _make_room(copy: Copy, needed: int) -> None:
    """Remove what is left of copies that nobody makes any more, and the copies that were looked at longest ago until
    there is room. The caller has the turn of ROOM. Raises NoCopy."""
    most = settings.SLIDE_CACHE_BYTES
    if needed > most:
        words = _(
            "the slide has {size} GiB, and copies from storages may take {most} GiB on this server; whoever runs it "
            "can set SLIDE_CACHE_GIB higher"
        )
        raise NoCopy(words.format(size=f"{needed / 2**30:.1f}", most=f"{most / 2**30:.1f}"))
    sizes = {one: _claimed(one) for one in copy.folder.parent.iterdir() if one.is_dir() and one != copy.part}
    in_use = sum(sizes.values())
    for folder in sorted(sizes, key=_looked_at):
        if folder.suffix != PART and in_use + needed <= most:
            continue
        with _turn(folder.stem, waits=False) as is_free:  # otherwise somebody is at it
            if is_free and folder.is_dir():
                _remove(folder)
                in_use -= sizes[folder]
    if in_use + needed > most:
        words = _("other slides are being copied and take the room that copies may have here; try again later")
        raise NoCopy(words)
    if shutil.disk_usage(copy.folder.parent).free < needed - _bytes_below(copy.part) + KEPT_FREE:
        raise _no_room()


def _claimed(folder: Path) -> int:
    """Bytes of a copy; of one that is being made those that it will have."""
    announced = 0
    with suppress(OSError, ValueError):
        announced = int((folder / PART).read_text())
    return max(announced, _bytes_below(folder))


def _looked_at(folder: Path) -> float:
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return 0.0


def _no_room() -> NoCopy:
    return NoCopy(_("the disk of this server has no room for a copy of the slide; whoever runs it can make room"))


def _bytes_below(folder: Path) -> int:
    total = 0
    for inside, _folders, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += Path(inside, name).stat().st_size
    return total
