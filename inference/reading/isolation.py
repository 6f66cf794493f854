"""Reading a stranger's file in a process of its own, with limits, and asking for it from any process and thread.

    request ──► helper (one, started when first needed) ──fork──► child: one file, 2 GB, limited time ──► answer

A crash of a decoder, an endless loop or a bomb ends the child and nothing else.
"""

import atexit
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from inference.documents.base import Document, JsonObject
from inference.documents.reading import (
    Asked,
    CleanRequest,
    Limits,
    NotRead,
    ReadPicture,
    ReadRequest,
    SlideCleaned,
    TilesCut,
    TilesRequest,
)
from inference.reading.questions import MOST_QUESTION, Source, answer, folder_of, receive, send
from inference.reading.types import Unreadable

Answer = TypeVar("Answer", bound=Document)
MEGABYTES = 2048  # of address space: a picture of 100 megapixels with 16-bit colours needs 1.5 GB
CPU_SECONDS = 150
WALL_SECONDS = 300
CLEAN_MEGABYTES = 3072
CLEAN_SECONDS = 6 * 3600  # of a slide whose pixels are written anew
CLEAN_FILE_MEGABYTES = 300 * 1024
AT_ONCE = max(1, min(4, os.cpu_count() or 1))  # children of one process
CHECKOUT = Path(__file__).resolve().parents[2]
log = logging.getLogger(__name__)
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


class CannotStart(RuntimeError):
    """The helper process cannot be started on this machine, which is no fault of the file."""


@dataclass
class Helper:
    """The running helper of this process."""

    process: subprocess.Popen[bytes]
    requests: socket.socket
    owner: int = field(default_factory=os.getpid)  # a fork of the process that started it needs one of its own

    def is_usable(self) -> bool:
        return self.owner == os.getpid() and self.process.poll() is None


_lock = threading.Lock()
_turn = threading.BoundedSemaphore(AT_ONCE)
_helper: Helper | None = None


def read_file(
    source: Path,
    folder: Path,
    *,
    page: int | None = None,
    channel: int | None = None,
    tiles_from: int = 2048,
    slide: str = "",
    writing: bool = False,
    megabytes: int = MEGABYTES,
    cpu_seconds: int = CPU_SECONDS,
    wall_seconds: int = WALL_SECONDS,
) -> ReadPicture:
    """Read `source`; pixels.png, thumbnail.jpg and, for a large picture, tiles.bin are written into `folder`.

    slide    "auto" or "slide" where it may be a whole slide, of which thumbnail.jpg alone is written
    writing  whether to look for writing in the picture

    Raises Unreadable, CannotStart.
    """
    storage = questions_of(source)
    asked = ReadRequest(
        do="read", source=str(source), folder=str(folder), page=page, channel=channel, tiles_from=tiles_from,
        slide=slide, writing=writing,
    )  # fmt: skip
    limits = Limits(megabytes=megabytes, cpu_seconds=cpu_seconds, wall_seconds=wall_seconds)
    answer = ask(asked, limits, storage)
    return _as(ReadPicture, answer)


@dataclass(frozen=True)
class Storage:
    """Where a child's questions are answered from: a storage, and the folder of it that the child may ask about."""

    source: Source
    within: str


def questions_of(place: Path) -> Storage | None:
    """None for a file of this machine."""
    if isinstance(place, Path):
        return None
    from inference.reading.ranges import source_of  # takes a quarter of a second, and most servers have no storage

    return Storage(source_of(place), folder_of(str(place)))


def prepare() -> None:
    """Start the helper before the first file comes, which then need not wait for Python and the decoders to be loaded.

    Raises CannotStart.
    """
    try:
        with _lock:
            _running()
    except OSError as error:
        raise CannotStart(f"files cannot be read at the moment: {error.strerror}") from error


def cut_tiles(source: Path, folder: Path) -> None:
    """Cut a picture of our own into tiles.bin. Raises Unreadable, CannotStart."""
    limits = Limits(megabytes=MEGABYTES, cpu_seconds=CPU_SECONDS, wall_seconds=WALL_SECONDS)
    _as(TilesCut, ask(TilesRequest(do="tiles", source=str(source), folder=str(folder)), limits))


def clean_slide(source: Path, folder: Path) -> Path:
    """Write a slide without label and metadata into an empty folder. -> what is to be opened.

    Raises Unreadable, CannotStart.
    """
    limits = Limits(
        megabytes=CLEAN_MEGABYTES, cpu_seconds=CLEAN_SECONDS, wall_seconds=CLEAN_SECONDS,
        file_megabytes=CLEAN_FILE_MEGABYTES,
    )  # fmt: skip
    made = _as(SlideCleaned, ask(CleanRequest(do="clean", source=str(source), folder=str(folder)), limits))
    return folder / made.path


def ask(asked: ReadRequest | TilesRequest | CleanRequest, limits: Limits, storage: Storage | None = None) -> JsonObject:
    """The child's answer, a JSON object with "ok": true. Raises Unreadable, CannotStart."""
    with _turn:
        lines = _exchange(json.dumps(Asked(work=asked, limits=limits).as_json()).encode(), storage)
    answers = [json.loads(line) for line in lines.splitlines() if line]
    status = next((answer["status"] for answer in answers if "status" in answer), None)
    answer: JsonObject | None = next((answer for answer in answers if "ok" in answer), None)
    if answer is None:
        raise _ended(status, limits)
    if answer["ok"]:
        return answer
    declined = _as(NotRead, answer)
    if declined.fault:
        log.error("a fault in reading a file:\n%s", declined.fault)
    params = {"megabytes": limits.megabytes} if declined.code == "memory" else declined.params
    raise Unreadable(declined.code, **params)


def _as(kind: type[Answer], answer: JsonObject) -> Answer:
    """The answer as its document. Raises Unreadable for one that no reader of ours gives."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        log.error("the child's answer is none: %s", error)
        raise Unreadable("reader_died") from None


def _ended(status: int | None, limits: Limits) -> Exception:
    """Why a child ended without an answer."""
    if status is None:
        return CannotStart("the process that reads files has ended; try again")
    if status in (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL):
        seconds = limits.wall_seconds if status == -signal.SIGALRM else limits.cpu_seconds
        return Unreadable("time", seconds=seconds)
    return Unreadable("reader_died")


def _exchange(request: bytes, storage: Storage | None = None) -> bytes:
    """Send a request and wait until the child has ended. The pipe closes with it, whatever happens."""
    ours, theirs = os.pipe()
    with ExitStack() as stack:
        descriptors = [theirs]
        if storage is not None:
            descriptors.append(_answering(storage, stack))
        try:
            with _lock:
                helper = _running()
                socket.send_fds(helper.requests, [request], descriptors)
        except OSError as error:
            os.close(ours)
            raise CannotStart(f"files cannot be read at the moment: {error.strerror}") from error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        with os.fdopen(ours, "rb") as answer:
            return answer.read()


def _answering(storage: Storage, stack: ExitStack) -> int:
    """Answer a child's questions in a thread of its own until the child has ended. -> the child's descriptor."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    stack.callback(ours.close)
    threading.Thread(target=_answer_all, args=(ours, storage), daemon=True).start()
    return theirs.detach()


def _answer_all(connection: socket.socket, storage: Storage) -> None:
    with connection, suppress(OSError):  # the child has ended, or has asked what is no question: it waits no longer
        while True:
            _mark, question = receive(connection, MOST_QUESTION)
            send(connection, *answer(storage.source, storage.within, question))


def _running() -> Helper:
    """The helper of this process, started when there is none. The caller holds the lock."""
    global _helper
    if _helper is not None and not _helper.is_usable():
        _helper.requests.close()
        _helper = None
    if _helper is None:
        _helper = _start()
    return _helper


def _start() -> Helper:
    # Packets where the system has them; in a stream the descriptor that goes with each request keeps them apart.
    kind = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    environment |= {"PYTHONPATH": str(CHECKOUT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "inference.reading.helper", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(
            command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
        )
    return Helper(process, ours)


@atexit.register
def stop() -> None:
    """End this process's helper; its children see to their own end."""
    global _helper
    with _lock:
        if _helper is not None and _helper.owner == os.getpid():
            _helper.requests.close()
            try:
                _helper.process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                _helper.process.kill()
        _helper = None
