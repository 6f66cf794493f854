"""Zips that Boxwise exports, opened as folders."""

import atexit
import shutil
import tempfile
import zipfile
from pathlib import Path

from inference.types import InferenceError

MOST_RATIO = 200  # unpacked bytes for each packed one; label maps of empty tissue reach about 100


def folder_of(path: Path) -> Path:
    """The folder itself, or a zip unpacked into a folder that is removed when the process ends.

    A zip that holds one folder and nothing else is that folder. Raises InferenceError for a damaged zip, or one whose
    size says that it is made to fill the disk.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        return path
    target = Path(tempfile.mkdtemp(prefix="boxwise-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            _decline_bomb(path, archive)
            archive.extractall(target)  # the standard library keeps every member inside the folder
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise InferenceError(f"{path.name} cannot be unpacked: {error}") from error
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _decline_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MOST_RATIO * path.stat().st_size + 2**26:
        raise InferenceError(f"{path.name} would unpack to {unpacked / 2**20:.0f} MiB, far more than an export has")
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if unpacked > free:
        raise InferenceError(f"{path.name} needs {unpacked / 2**20:.0f} MiB of disk to unpack, and less is free")
