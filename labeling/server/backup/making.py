"""Making a backup while Boxwise runs.

The files are copied, then the database is dumped, then the files that came meanwhile are copied. A row of the dump
names only files that existed at its moment: a file that was removed before the dump finished is in the first copy, one
that was added before it is in the second.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from labeling.server import dumps, environment
from labeling.server.backup import encryption
from labeling.server.backup.manifest import DATABASE, MANIFEST, Entry, Manifest, needed_names
from labeling.server.dumps import BackupError

PIECE = 2**20  # bytes that are read at once
UNFINISHED = ".unfinished"  # ends the hidden name of a backup that is being made
LEFT_OUT = ("tiles/",)  # cut again from the pixels when somebody looks


@dataclass(frozen=True)
class Site:
    """What is backed up: the database and the folders of the storages, by name of the place."""

    database_url: str
    places: dict[str, Path]
    kept: Path  # where the lists of contents of earlier backups are kept, for incremental ones


def site_of(env: dict[str, str], folder: Path) -> Site:
    """Raises BackupError where files are kept in object storage."""
    files = _folder_of(env["STORAGE_URL"])
    originals = _folder_of(environment.originals_url(env["STORAGE_URL"]))
    places = {"files": files}
    if not originals.is_relative_to(files):
        places["originals"] = originals
    return Site(env["DATABASE_URL"], places, folder / "backups")


def _folder_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise BackupError(
            "The files are kept in object storage, which this command does not copy: switch on versions of the bucket, "
            "and dump the database with pg_dump (docs/operations.md)."
        )
    return Path(unquote(parts.path))


def make(site: Site, target: Path, *, since: Path | None = None, recipient: str = "") -> Manifest:
    """Write a backup of `site` to `target`, which must not exist.

    since      an earlier backup: files that it or its own earlier ones hold are not copied again
    recipient  public key of age: the backup is encrypted for whoever has the private one, while it is written

    The file appears whole or not at all; what a killed backup left in the folder is removed. Raises BackupError.
    """
    if target.exists():
        raise BackupError(f"There is a file {target} already; name another one.")
    if not target.parent.is_dir():
        raise BackupError(f"There is no folder {target.parent}.")
    if since is not None and since.absolute().parent != target.absolute().parent:
        raise BackupError(f"{since} lies in another folder than {target}: backups that need each other lie together.")
    migrations = dumps.migrations_in(site.database_url)
    earlier = manifest_of(site, since) if since is not None else None
    if earlier is not None:
        missing = missing_names(earlier, target.parent)
        if missing:
            raise BackupError(f"{since} needs {missing[0]} beside it, which is not there: make a whole backup instead.")
    remove_leftovers(target.parent)
    number = uuid4().hex
    half = target.with_name(f".{target.name}.{number[:8]}{UNFINISHED}")
    try:
        with _private(half) as file:
            with _plain_end(file, recipient) as plain, zipfile.ZipFile(plain, "w", allowZip64=True) as archive:
                copier = Copier(archive, number, earlier.known() if earlier else {})
                for place, folder in site.places.items():
                    copier.copy(place, folder)
                with dumps.dumping(site.database_url) as dump:
                    sha256, size = add(archive, DATABASE, dump, zipfile.ZIP_STORED)
                for place, folder in site.places.items():
                    copier.copy(place, folder)
                manifest = Manifest(
                    number=number,
                    made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                    version=_version(),
                    migrations=migrations,
                    database_sha256=sha256,
                    database_size=size,
                    names=needed_names(number, target.name, copier.entries.values(), earlier),
                    files=[copier.entries[key] for key in sorted(copier.entries)],
                )
                archive.writestr(MANIFEST, manifest.as_json())
            file.flush()
            os.fsync(file.fileno())
            half.rename(target)  # still locked: remove_leftovers() of another process passes over it
    finally:
        half.unlink(missing_ok=True)
    _sync_folder(target.parent)
    _keep(site, target, manifest)
    return manifest


class Copier:
    """Copies what an archive does not hold yet, and knows the entry of every file that it has seen."""

    def __init__(self, archive: zipfile.ZipFile, number: str, earlier: dict[tuple[str, str], Entry]) -> None:
        self.archive, self.number, self.earlier = archive, number, earlier
        self.entries: dict[tuple[str, str], Entry] = {}

    def copy(self, place: str, folder: Path) -> None:
        for path in files_in(folder):
            name = path.relative_to(folder).as_posix()
            if name.startswith(LEFT_OUT):
                continue
            try:
                self.entries[place, name] = self._entry(place, name, path)
            except FileNotFoundError:  # removed in this moment; no row of the dump names it
                continue

    def _entry(self, place: str, name: str, path: Path) -> Entry:
        found = path.stat()
        copied = self.entries.get((place, name))
        known = copied or self.earlier.get((place, name))
        if known is not None and (known.size, known.changed) == (found.st_size, found.st_mtime_ns):
            return known
        # A file that was being written at the first look was copied in part: it is copied again, beside that copy.
        member = f"again/{place}/{name}" if copied else f"{place}/{name}"
        with path.open("rb") as file:
            sha256, size = add(self.archive, member, file, zipfile.ZIP_STORED)
        return Entry(place, name, sha256, size, found.st_mtime_ns, self.number, member)


def missing_names(manifest: Manifest, folder: Path) -> list[str]:
    """The backups that this one needs and that do not lie in the folder: without one of them none is restored."""
    return [name for name in manifest.names.values() if not (folder / name).is_file()]


def files_in(folder: Path) -> Iterator[Path]:
    """Every plain file below a folder; links are not followed, as no storage makes any.

    Raises BackupError for a folder that cannot be read: os.walk alone would leave its files out in silence.
    """
    for root, folders, names in os.walk(folder, onerror=_decline_unreadable):
        folders.sort()
        for name in sorted(names):
            path = Path(root) / name
            try:
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path
            except FileNotFoundError:
                continue


def _decline_unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # one that is removed in this moment
        raise BackupError(f"{error.filename} cannot be read ({error.strerror}).") from error


def add(archive: zipfile.ZipFile, member: str, source: IO[bytes], compression: int) -> tuple[str, int]:
    """Write a stream as a member. -> the SHA-256 and the bytes that were written."""
    digest, size = hashlib.sha256(), 0
    info = zipfile.ZipInfo(member)
    info.compress_type = compression
    with archive.open(info, "w", force_zip64=True) as target:
        while piece := source.read(PIECE):
            digest.update(piece)
            target.write(piece)
            size += len(piece)
    return digest.hexdigest(), size


def manifest_of(site: Site, backup: Path) -> Manifest:
    """The list of contents of an earlier backup: from its file, or where that is encrypted from what was kept."""
    kept = site.kept / f"{backup.name}.json"
    if backup.is_file() and encryption.is_encrypted(backup) and kept.is_file():
        return Manifest.from_json(kept.read_text())
    return read_manifest(backup)


def read_manifest(backup: Path) -> Manifest:
    """Raises BackupError for a file that is no backup, or an encrypted one."""
    try:
        with zipfile.ZipFile(backup) as archive:
            return Manifest.from_json(archive.read(MANIFEST))
    except FileNotFoundError:
        raise BackupError(f"There is no file {backup}.") from None
    except (zipfile.BadZipFile, KeyError) as error:
        if encryption.is_encrypted(backup):
            raise BackupError(f"{backup} is encrypted: name the file with the private key (--identity).") from None
        raise BackupError(f"{backup} is no backup of Boxwise, or it is damaged.") from error


def _keep(site: Site, target: Path, manifest: Manifest) -> None:
    site.kept.mkdir(mode=0o700, exist_ok=True)
    (site.kept / f"{target.name}.json").write_text(manifest.as_json())


def remove_leftovers(folder: Path) -> None:
    """Remove what killed backups left in a folder. A backup that is being made holds the lock of its file.

    Where the file system knows no locks, nothing is removed.
    """
    for half in folder.glob(f".*{UNFINISHED}"):
        try:
            with half.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                half.unlink()
        except OSError:  # at work, or gone by now
            continue


def _private(path: Path) -> IO[bytes]:
    """A new file that nobody else may read: a backup holds everything. It is locked until it is closed."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _plain_end(file: IO[bytes], recipient: str) -> AbstractContextManager[IO[bytes]]:
    """Where the archive is written: into the file, or through the encryption."""
    return encryption.encrypting(file, recipient) if recipient else contextlib.nullcontext(file)


def _sync_folder(folder: Path) -> None:
    """The name is on the disk before anybody is told that there is a backup."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _version() -> str:
    try:
        return version("boxwise")
    except PackageNotFoundError:
        return "source"
