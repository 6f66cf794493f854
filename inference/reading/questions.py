"""What a process that decodes asks the one that started it: parts of a file that lies in object storage.

    decoder ──"?" and a question──► whoever started it ──► the storage
            ◄──"+" and the bytes, or "-" and why not──

So the decoder of a stranger's file has no key, no address and no network: it can ask for what lies in the folder of its
own slide, and for nothing else. Frame of both directions: 1 byte (the mark), 4 bytes of length, the content.
"""

import json
import socket
import struct
import time
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Protocol, TypedDict

from inference.reading.types import Unreadable

LENGTH = struct.Struct(">I")
QUESTION = b"?"
MOST_READ = 64 * 2**20  # bytes that one question may ask for
MOST_QUESTION = 2**16  # bytes of a question itself
KNOWN_FOR = 10.0  # seconds for which size and mark of an object are not asked for again
SCHEME = "ranges://"


@dataclass(frozen=True)
class About:
    """A file or a folder in a storage.

    size  bytes
    mark  what differs when the content does (the ETag)
    """

    size: int = 0
    mark: str = ""
    is_folder: bool = False


class Source(Protocol):
    """A storage of files that are read in parts. Paths are ROOT/FOLDER/FILE.

    Raises FileNotFoundError for what is not there, and Unreadable (storage_silent, storage_denied, slide_gone,
    slide_changed) for what cannot be had.
    """

    def about(self, path: str) -> About: ...

    def listed(self, path: str) -> dict[str, About]:
        """What lies in a folder, by name."""

    def read(self, path: str, mark: str, start: int, end: int) -> bytes:
        """The bytes from start up to end, of the content that `mark` names."""


class Question(TypedDict):
    """do: "about", "listed" or "read"; of the first two only the path counts."""

    do: str
    path: str
    mark: str
    start: int
    end: int


def received(connection: socket.socket, count: int) -> bytes:
    """Exactly so many bytes; b"" when the other side has gone."""
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def send(connection: socket.socket, mark: bytes, content: bytes) -> None:
    connection.sendall(mark + LENGTH.pack(len(content)) + content)


def receive(connection: socket.socket, most: int = 2**32) -> tuple[bytes, bytes]:
    """(mark, content). Raises ConnectionError where the other side has gone, or sends more than `most` bytes."""
    head = received(connection, 1 + LENGTH.size)
    if not head:
        raise ConnectionError("it has ended")
    (length,) = LENGTH.unpack(head[1:])
    if length > most:
        raise ConnectionError(f"it sends {length} bytes")
    content = received(connection, length)
    if len(content) < length:
        raise ConnectionError("it has ended within its answer")
    return head[:1], content


# -- the side that asks


@dataclass
class Asking:
    """A Source of a process that decodes, which asks whoever started it.

    failure  the first thing that could not be had: libraries swallow what they meet, and read on with what they have
    """

    connection: socket.socket
    failure: Unreadable | None = None
    known: dict[str, tuple[float, About]] = field(default_factory=dict)

    def about(self, path: str) -> About:
        at, found = self.known.get(path, (0.0, About()))
        if at and time.monotonic() - at < KNOWN_FOR:
            return found
        answer = json.loads(self._asked("about", path))
        if answer is None:
            raise FileNotFoundError(path)
        return self._know(path, About(**answer))

    def listed(self, path: str) -> dict[str, About]:
        found = json.loads(self._asked("listed", path))
        if found is None:
            raise FileNotFoundError(path)
        return {name: self._know(f"{path}/{name}", About(**about)) for name, about in found.items()}

    def read(self, path: str, mark: str, start: int, end: int) -> bytes:
        return self._asked("read", path, mark, start, end)

    def take_failure(self) -> Unreadable | None:
        """What has failed since this was asked last."""
        failure, self.failure = self.failure, None
        return failure

    def _know(self, path: str, about: About) -> About:
        self.known[path] = (time.monotonic(), about)
        return about

    def _asked(self, do: str, path: str, mark: str = "", start: int = 0, end: int = 0) -> bytes:
        question = {"do": do, "path": path, "mark": mark, "start": start, "end": end}
        send(self.connection, QUESTION, json.dumps(question).encode())
        kind, content = receive(self.connection)
        if kind == b"+":
            return content
        declined = json.loads(content)
        self.failure = self.failure or Unreadable(declined["code"], **declined["params"])
        self.known.clear()
        raise self.failure


# -- the side that answers


def answer(source: Source, within: str, asked: bytes) -> tuple[bytes, bytes]:
    """(mark, content) for a question.

    within  the folder (ROOT/FOLDER) that may be asked about: what decodes a stranger's file is not trusted

    Raises ConnectionError for what is no question.
    """
    question = _question(asked)
    path = question["path"]
    try:
        if not _is_within(path, within):
            raise Unreadable("slide_gone")
        return b"+", _content(source, path, question)
    except FileNotFoundError:
        return b"+", b"null"
    except Unreadable as error:
        return b"-", json.dumps({"code": error.code, "params": error.params}).encode()


def _question(asked: bytes) -> Question:
    """Raises ConnectionError for what is none."""
    try:
        given = json.loads(asked)
        do, path, mark = str(given["do"]), str(given["path"]).strip("/"), str(given["mark"])
        start, end = int(given["start"]), int(given["end"])
        path.encode()  # half a character cannot be asked for
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConnectionError("it asks what is no question") from None
    if not (mark.isascii() and mark.isprintable()):  # it becomes a head of a request
        raise ConnectionError("it asks what is no question")
    return {"do": do, "path": path, "mark": mark, "start": start, "end": end}


def _content(source: Source, path: str, question: Question) -> bytes:
    if question["do"] == "about":
        return json.dumps(asdict(source.about(path))).encode()
    if question["do"] == "listed":
        return json.dumps({name: asdict(about) for name, about in source.listed(path).items()}).encode()
    start, end = question["start"], question["end"]
    if start < 0 or not 0 <= end - start <= MOST_READ:
        raise Unreadable("slide_gone")
    return source.read(path, question["mark"], start, end)


def _is_within(path: str, within: str) -> bool:
    parts = PurePosixPath(path).parts
    folder = PurePosixPath(within).parts
    return ".." not in parts and parts[: len(folder)] == folder


def folder_of(place: str) -> str:
    """The folder (ROOT/FOLDER) of a slide's address: the files of one slide lie beside and below it."""
    return str(PurePosixPath(place.removeprefix(SCHEME)).parent)
