"""A slide of several files (MRXS, VMS, DICOM): a folder or a ZIP of them, taken whole or not at all."""

import configparser
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from inference.reading.tiff import reason
from inference.reading.types import Unreadable

ENTRIES = (".mrxs", ".vms", ".vmu")  # the file that OpenSlide is given; the others lie around it
SINGLE = (".svs", ".ndpi", ".scn", ".bif", ".czi", ".svslide", ".tif", ".tiff")
MOST_FILES = 20_000
MOST_BYTES = 200 * 2**30
MOST_RATIO = 200  # unpacked to packed: tissue packs hardly at all
MOST_INI = 2**22


def entry_of(path: Path) -> Path:
    """What a reader is given: the file itself, the one file of a folder that leads to the others, or a folder of DICOM.

    Raises Unreadable for a folder that holds none, or several, and for a set of which files are missing.
    """
    if not path.is_dir():
        _check_set(path)
        return path
    folder = _innermost(path)
    files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    leading = [file for file in files if file.suffix.lower() in ENTRIES]
    single = [file for file in files if file.suffix.lower() in SINGLE]
    for found in (leading, single):
        if len(found) > 1:
            raise Unreadable("several_slides", count=len(found))
        if found:
            _check_set(found[0])
            return found[0]
    return folder


def _innermost(folder: Path) -> Path:
    """A ZIP is often a folder in a folder: go down while there is nothing else."""
    for _depth in range(4):
        inside = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
            break
        folder = inside[0]
    return folder


def _check_set(path: Path) -> None:
    """Raises Unreadable where a file that leads to others names some that are not there, or not plain files."""
    missing = [file.name for file in companions(path) if file.is_symlink() or not file.is_file()]
    if missing:
        raise Unreadable("set_incomplete", missing=len(missing), what=", ".join(sorted(missing)[:3]))


def companions(path: Path) -> list[Path]:
    """The further files that an .mrxs or .vms file leads to; none for any other file. Raises Unreadable."""
    suffix = path.suffix.lower()
    if suffix == ".mrxs":
        return _of_mrxs(path)
    if suffix in (".vms", ".vmu"):
        return _of_vms(path)
    return []


def _of_mrxs(path: Path) -> list[Path]:
    folder = path.with_suffix("")
    index = folder / "Slidedat.ini"
    if not index.is_file():
        return [index]
    sections = _ini(index, "MRXS")
    files = [index]
    for section in sections.values():
        if section.name.upper() == "HIERARCHICAL" and section.get("indexfile"):
            files.append(folder / _plain(section["indexfile"]))
        if section.name.upper() == "DATAFILE":
            numbered = (value for key, value in section.items() if key.startswith("file_") and key != "file_count")
            files += [folder / _plain(value) for value in numbered]
    return files


def _of_vms(path: Path) -> list[Path]:
    sections = _ini(path, "VMS")
    files = []
    for section in sections.values():
        for key, value in section.items():
            named = key.startswith("imagefile") or key in ("mapfile", "optimisationfile", "macroimage")
            if named and value:
                files.append(path.parent / _plain(value))
    return files


def _ini(path: Path, kind: str) -> configparser.ConfigParser:
    """Raises Unreadable for a file that cannot be read as one."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        if path.stat().st_size > MOST_INI:
            raise ValueError("it is too large")
        parser.read_string(path.read_bytes().decode("utf-8-sig", "replace"))
    except (configparser.Error, ValueError, OSError) as error:
        raise Unreadable("damaged_header", format=kind, reason=reason(error)) from error
    return parser


def _plain(name: str) -> str:
    """The name of a file in the slide's own folder. Raises Unreadable for one that leads elsewhere."""
    if name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise Unreadable("bad_archive", reason="it names a file outside its folder")
    return name


# -- archives


def is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def unpack(archive: Path, folder: Path, *, most_bytes: int = MOST_BYTES) -> Path:
    """Unpack the ZIP of a slide into a folder that is empty, whole or not at all. -> the folder.

    Raises Unreadable for what cannot be unpacked: names that lead outside, links, more than `most_bytes`, damage. Then
    the folder is empty again.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            for member, target in _targets(opened, folder, most_bytes):
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as packed, target.open("xb") as file:
                    _copy(packed, file, member.file_size)
    except Unreadable:
        _clear(folder)
        raise
    except Exception as error:  # zipfile and zlib raise what they meet
        _clear(folder)
        raise Unreadable("bad_archive", reason=reason(error)) from error
    return folder


def _targets(opened: zipfile.ZipFile, folder: Path, most_bytes: int) -> Iterator[tuple[zipfile.ZipInfo, Path]]:
    members = [member for member in opened.infolist() if not member.is_dir()]
    if len(members) > MOST_FILES:
        raise Unreadable("bad_archive", reason=f"it holds {len(members)} files")
    total = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if total > most_bytes or total > MOST_RATIO * max(packed, 2**20):
        raise Unreadable("bad_archive", reason=f"it would take {total // 2**20} MB")
    for member in members:
        yield member, folder / _inside(member)


def _inside(member: zipfile.ZipInfo) -> Path:
    """The place of a member. Raises Unreadable for a link, and for a name that leads out of the folder."""
    is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
    name = PurePosixPath(member.filename.replace("\\", "/"))
    outside = name.is_absolute() or ".." in name.parts or ":" in member.filename
    if is_link or outside or not name.parts:
        raise Unreadable("bad_archive", reason="it holds a link, or a name that leads out of its folder")
    if member.flag_bits & 0x1:
        raise Unreadable("bad_archive", reason="it is encrypted")
    return Path(*name.parts)


def _copy(packed: IO[bytes], file: IO[bytes], size: int) -> None:
    """Raises ValueError where a member is larger than its header says."""
    left = size
    while chunk := packed.read(1 << 20):
        left -= len(chunk)
        if left < 0:
            raise ValueError("a file is larger than the archive says")
        file.write(chunk)


def _clear(folder: Path) -> None:
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
