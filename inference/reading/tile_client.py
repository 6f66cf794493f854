"""Asking for regions of slides from any thread of any process, with the decoders in processes of their own.

Each process that asks has up to AT_ONCE of them. A request goes to one that is free, if possible the one that had this
slide before. One that crashes, hangs or is killed costs its request, and the next one finds a new one.
"""

import atexit
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.reading.channels import ChannelView
from inference.reading.isolation import CHECKOUT, KEPT_ENVIRONMENT, CannotStart
from inference.reading.questions import LENGTH, QUESTION, Source, folder_of, receive, send
from inference.reading.questions import answer as answer_question
from inference.reading.tile_server import MOST as MOST_PIXELS
from inference.reading.tile_server import Asked
from inference.reading.types import Unreadable

AT_ONCE = max(1, min(4, os.cpu_count() or 1))
SECONDS = 30.0  # for one answer
MOST_SECONDS = 90.0  # for one that needs ranges of a storage, however many it asks for
WAIT = 20.0  # seconds for a free server
CACHED = 48 * 2**20  # bytes of tiles that are kept in memory
MOST_BYTES = 4 * MOST_PIXELS  # of an answer: a PNG takes hardly more than its pixels
log = logging.getLogger(__name__)
Box = tuple[float, float, float, float]  # x, y, w, h in pixels of level 0


@dataclass(frozen=True)
class SlideFile:
    """Which file is meant, and what it was when it came in: a file that has changed is not shown under its old name.

    page, channel  the picture of a file that holds several
    views          its channels that are shown together, of that page; () for the one channel, or for colours
    icc            whether its colour profile is applied
    source         the storage that it lies in; None for a file of this machine
    """

    path: Path
    size: int
    mtime: int
    page: int | None = None
    channel: int | None = None
    views: tuple[ChannelView, ...] = ()
    icc: bool = False
    source: Source | None = None


class Busy(RuntimeError):
    """All servers are at work for longer than anybody waits."""


@dataclass
class _Server:
    process: subprocess.Popen[bytes]
    connection: socket.socket
    last: str = ""  # path of the slide that it was asked for last

    def ask(self, asked: Asked, source: Source | None = None) -> tuple[bytes, bytes]:
        """Raises OSError where it has died, TimeoutError where it takes too long.

        source  where its questions are answered from
        """
        request = json.dumps(asked).encode()
        self.connection.settimeout(SECONDS)
        self.connection.sendall(LENGTH.pack(len(request)) + request)
        ends = time.monotonic() + MOST_SECONDS
        mark, content = receive(self.connection, MOST_BYTES)
        while mark == QUESTION:
            if time.monotonic() > ends:
                raise TimeoutError
            if source is None:
                raise ConnectionError("it asks for a file that is no slide of a storage")
            send(self.connection, *answer_question(source, folder_of(asked["path"]), content))
            mark, content = receive(self.connection, MOST_BYTES)
        return mark, content

    def stop(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()


class Turns:
    """So many at once, the others in the order in which they came.

    A semaphore lets whoever has just released it in again before those who wait: with twenty viewers some tiles waited
    for seconds.
    """

    def __init__(self, count: int) -> None:
        self.free = count
        self.lock = threading.Lock()
        self.waiting: deque[threading.Event] = deque()

    def acquire(self, timeout: float) -> bool:
        """False when the turn has not come in so many seconds."""
        with self.lock:
            if self.free and not self.waiting:
                self.free -= 1
                return True
            mine = threading.Event()
            self.waiting.append(mine)
        if mine.wait(timeout):
            return True
        with self.lock:
            if mine.is_set():  # it came in this moment
                return True
            self.waiting.remove(mine)
            return False

    def release(self) -> None:
        with self.lock:
            if self.waiting:
                self.waiting.popleft().set()
            else:
                self.free += 1


@dataclass
class _Pool:
    """The servers of one process: a fork of it has none of them."""

    owner: int = field(default_factory=os.getpid)
    free: list[_Server] = field(default_factory=list)
    turn: Turns = field(default_factory=lambda: Turns(AT_ONCE))
    lock: threading.Lock = field(default_factory=threading.Lock)
    tiles: "OrderedDict[tuple[Any, ...], bytes]" = field(default_factory=OrderedDict)
    bytes_kept: int = 0
    preparing: bool = False

    def take(self, path: str) -> _Server:
        with self.lock:
            fitting = [server for server in self.free if server.last == path]
            if fitting or self.free:
                server = fitting[0] if fitting else self.free[0]
                self.free.remove(server)
                return server
        return _start()

    def give_back(self, server: _Server) -> None:
        with self.lock:
            self.free.append(server)

    def kept(self, key: tuple[Any, ...]) -> bytes | None:
        with self.lock:
            if key in self.tiles:
                self.tiles.move_to_end(key)
            return self.tiles.get(key)

    def keep(self, key: tuple[Any, ...], content: bytes) -> None:
        with self.lock:
            self.bytes_kept += len(content) - len(self.tiles.pop(key, b""))
            self.tiles[key] = content
            while self.bytes_kept > CACHED:
                _oldest, left = self.tiles.popitem(last=False)
                self.bytes_kept -= len(left)


_pool = _Pool()
_pool_lock = threading.Lock()


def picture(
    file: SlideFile, box: tuple[float, float, float, float], out: tuple[int, int], *, kind: str = "jpeg"
) -> bytes:
    """A rectangle of a slide as JPEG or PNG.

    box  x, y, width and height in px of level 0; what lies outside is white
    out  (width, height) of the picture

    Raises Unreadable, Busy, CannotStart.
    """
    key = (file, box, out, kind)
    pool = _of_this_process()
    found = pool.kept(key)
    if found is None:
        found = _asked(pool, file, box, out, kind)
        if kind == "jpeg":
            pool.keep(key, found)
    return found


def prepare() -> None:
    """Start one server, unless there is one, so that the first tile need not wait for Python and the decoders."""
    pool = _of_this_process()
    with pool.lock:
        if pool.free or pool.preparing:
            return
        pool.preparing = True
    with contextlib.suppress(CannotStart):  # said when a tile is asked for
        pool.give_back(_start())


def _asked(pool: _Pool, file: SlideFile, box: Box, out: tuple[int, int], kind: str) -> bytes:
    asked: Asked = {
        "path": str(file.path), "size": file.size, "mtime": file.mtime, "page": file.page, "channel": file.channel,
        "box": box, "out": out, "as": kind,
        "views": [(view.channel, view.colour, view.low, view.high) for view in file.views], "icc": file.icc,
    }  # fmt: skip
    if not pool.turn.acquire(timeout=WAIT):
        raise Busy("all processes that read slides are at work; try again in a moment")
    try:
        server = pool.take(str(file.path))
        try:
            mark, content = server.ask(asked, file.source)
        except TimeoutError:
            server.stop()
            raise Unreadable("time", seconds=int(SECONDS)) from None
        except OSError:
            server.stop()
            raise Unreadable("reader_died") from None
        server.last = str(file.path)
        pool.give_back(server)
    finally:
        pool.turn.release()
    if mark == b"+":
        return content
    declined = json.loads(content)
    if "fault" in declined:
        log.error("a fault in reading a slide:\n%s", declined["fault"])
    raise Unreadable(declined["code"], **declined["params"])


def _of_this_process() -> _Pool:
    global _pool
    with _pool_lock:
        if _pool.owner != os.getpid():
            _pool = _Pool()
        return _pool


def _start() -> _Server:
    """Raises CannotStart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    environment |= {"PYTHONPATH": str(CHECKOUT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "inference.reading.tile_server", str(theirs.fileno())]
    try:
        with theirs:
            process = subprocess.Popen(
                command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )
    except OSError as error:
        ours.close()
        raise CannotStart(f"slides cannot be read at the moment: {error.strerror}") from error
    return _Server(process, ours)


@atexit.register
def stop() -> None:
    """End the servers of this process."""
    if _pool.owner != os.getpid():
        return
    with _pool.lock:
        while _pool.free:
            with contextlib.suppress(OSError):
                _pool.free.pop().stop()
        _pool.tiles.clear()
        _pool.bytes_kept = 0
