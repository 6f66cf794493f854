"""What every storage of slides has in common: what it is asked for, and what its answers mean."""

from collections.abc import Callable
from typing import IO, Protocol

from inference.reading.questions import Source
from inference.reading.types import Unreadable
from labeling.server.slide_places import RemoteRoot

CHUNK = 2**20
GONE = {"404", "NoSuchKey", "NotFound"}
CHANGED = {"412", "PreconditionFailed", "416", "InvalidRange"}  # of a shorter one the old end cannot be had
DENIED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
Report = Callable[[int], None]  # bytes that have come


class RemoteSource(Source, Protocol):
    """A storage that can also be copied from."""

    def copy(self, path: str, mark: str, target: IO[bytes], report: Report) -> None:
        """Write the content that `mark` names into a file. Raises Unreadable."""


def key_of(root: RemoteRoot, path: str) -> str:
    """What a storage calls a path: a Source's paths begin with the root's name."""
    below = path.strip("/").partition("/")[2]
    return "/".join(part for part in (root.prefix, below) if part)


def is_root(path: str) -> bool:
    return "/" not in path.strip("/")


def declined(codes: set[str]) -> Exception:
    """What is raised for an answer with these codes."""
    if codes & GONE:
        return FileNotFoundError()
    if codes & CHANGED:
        return Unreadable("slide_changed")
    return Unreadable("storage_denied" if codes & DENIED else "storage_silent")
