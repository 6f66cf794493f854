"""Storages that slides are registered in and read from in parts: S3 and what speaks like it, and plain HTTPS.

A file is read from the content that it had when it was opened: each range names its ETag, so that an object that is
replaced meanwhile is said to have changed, and is never read as a mixture.
"""

import os
from functools import lru_cache
from pathlib import Path

from inference.reading.questions import SCHEME
from labeling.images.storage_answers import RemoteSource
from labeling.server.slide_places import RemoteRoot


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
