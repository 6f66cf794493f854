"""Storages that slides are registered in and read from in parts: S3 and what speaks like it, and plain HTTPS.

A file is read from the content that it had when it was opened: each range names its ETag, so that an object that is
replaced meanwhile is said to have changed, and is never read as a mixture.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import IO, Protocol

from inference.reading.questions import SCHEME, Source
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


@lru_cache(maxsize=64)
def _source(root: RemoteRoot, process: int) -> RemoteSource:
    """One for each process: a fork must not share its connections. Their libraries are loaded where they are used."""
    if root.scheme == "s3":
        from labeling.images.s3_source import S3Source

        return S3Source(root)
    from labeling.images.https_source import HttpsSource

    return HttpsSource(root)


def source_of_root(root: RemoteRoot) -> RemoteSource:
    return _source(root, os.getpid())


def remote_path(name: str, root: RemoteRoot, path: str = "") -> Path:
    """What lies below a root, as a path for the readers (inference/reading/ranges.py)."""
    from inference.reading.ranges import range_path  # takes a quarter of a second, and most servers have no storage

    return range_path(f"{SCHEME}{name}/{path}".rstrip("/"), source_of_root(root))


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
