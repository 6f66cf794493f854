"""Restoring a backup into an empty place, and checking one without restoring it. Every hash is compared."""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from labeling.server import dumps, postgres, processes
from labeling.server.backup import encryption
from labeling.server.backup.making import PIECE, files_in, read_manifest, site_of
from labeling.server.backup.manifest import DATABASE, Entry, Manifest
from labeling.server.dumps import BackupError
from labeling.server.instance import Instance

Tell = Callable[[str], None]


class Opened:
    """A backup and the earlier ones whose files it needs, decrypted where that is needed."""

    def __init__(self, manifest: Manifest, archives: dict[str, zipfile.ZipFile]) -> None:
        self.manifest, self.archives = manifest, archives

    def read(self, entry: Entry) -> IO[bytes]:
        return _member(self.archives[entry.backup], entry.member)

    def database(self) -> IO[bytes]:
        return _member(self.archives[self.manifest.number], DATABASE)

    def check(self) -> None:
        """Compare the hash of the dump and of every file. Raises BackupError that names the first that differs."""
        with self.database() as dump:
            _compare(dump, self.manifest.database_sha256, "the dump of the database")
        for entry in self.manifest.files:
            with self.read(entry) as file:
                _compare(file, entry.sha256, entry.member)

    def decline_newer(self) -> None:
        """Raises BackupError for a backup of a newer version."""
        dumps.decline_newer(self.manifest.migrations)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return archive.open(name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise BackupError(f"{archive.filename} does not hold {name}: it is damaged.") from error


def _compare(file: IO[bytes], sha256: str, what: str) -> None:
    try:
        digest = hashlib.sha256()
        while piece := file.read(PIECE):
            digest.update(piece)
    except (zipfile.BadZipFile, OSError) as error:
        raise BackupError(f"{what} cannot be read: the backup is damaged.") from error
    if digest.hexdigest() != sha256:
        raise BackupError(f"{what} is not what it was when the backup was made: its hash differs.")


@contextmanager
def opened(backup: Path, identity: Path | None = None) -> Iterator[Opened]:
    """Raises BackupError, also for an earlier backup that is missing beside this one."""
    with tempfile.TemporaryDirectory(prefix="boxwise-", dir=backup.parent) as aside, ExitStack() as stack:
        plain = _plain(backup, Path(aside), identity)
        manifest = read_manifest(plain)
        archives = {}
        for number, name in manifest.names.items():
            own = number == manifest.number
            path = plain if own else _plain(backup.with_name(Path(name).name), Path(aside), identity)
            if not own and read_manifest(path).number != number:
                raise BackupError(f"{path.name} is not the earlier backup that {backup.name} was made after.")
            archives[number] = stack.enter_context(zipfile.ZipFile(path))
        yield Opened(manifest, archives)


def _plain(backup: Path, aside: Path, identity: Path | None) -> Path:
    if not backup.is_file():
        raise BackupError(f"There is no file {backup}, and it is needed: put it there.")
    if not encryption.is_encrypted(backup):
        return backup
    if identity is None:
        raise BackupError(f"{backup} is encrypted: name the file with the private key (--identity).")
    target = aside / backup.name
    encryption.decrypt(backup, target, identity)
    return target


def decline_unless_empty(instance: Instance) -> None:
    """Raises BackupError unless the data directory is missing or empty: nothing that exists is overwritten.

    The file of the lock does not count, so that whoever holds it can ask.
    """
    if instance.folder.is_dir() and any(path.name != "lock" for path in instance.folder.iterdir()):
        raise BackupError(
            f"{instance.folder} is not empty, and a backup is restored into an empty place only: set "
            "BOXWISE_DATA_DIR to a new folder."
        )


def restore(backup: Opened, instance: Instance, tell: Tell) -> None:
    """Fill an empty place. The backup was checked before. What a failure leaves of the data directory is removed.

    The hashes of a large backup are compared for hours, and a Boxwise may have started in the place meanwhile. So
    the place is looked at again under its lock, and only what came after that look is ever removed.

    Raises BackupError, and BadSurroundings where a running Boxwise holds the place.
    """
    with instance.locked():
        decline_unless_empty(instance)
        try:
            _fill(backup, instance, tell)
        except BaseException:
            _empty(instance.folder)
            raise


def _fill(backup: Opened, instance: Instance, tell: Tell) -> None:
    places = site_of(instance.environment(), instance.folder).places
    instance.make_folders()
    _decline_files_in(places)
    with _database(instance) as url:
        tell("Restoring the database ...")
        _restore_database(backup, url)
    tell(f"Restoring {len(backup.manifest.files)} files ...")
    for entry in backup.manifest.files:
        _restore_file(backup, entry, places)
    tell("Comparing every hash ...")
    _compare_all(backup.manifest, places)
    if instance.account:
        for folder in places.values():
            os.chown(folder, os.geteuid(), os.getegid())  # adopt() passes over what is the account's already
            processes.adopt(instance.account, folder)


def _decline_files_in(places: dict[str, Path]) -> None:
    """Raises BackupError for a storage outside of the data directory that holds files."""
    for folder in places.values():
        first = next(files_in(folder), None)
        if first is not None:
            raise BackupError(
                f"{folder} is not empty ({first.name}), and a backup is restored into an empty place only: set "
                "STORAGE_URL and ORIGINALS_URL to new folders."
            )


def _empty(folder: Path) -> None:
    """It was empty before, so all that is in it is ours."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _database(instance: Instance) -> Iterator[str]:
    """An empty database: the embedded one, started for this, or the one that DATABASE_URL names."""
    given = os.environ.get("DATABASE_URL", "").strip()
    if given:
        if not dumps.is_empty(given):
            raise BackupError(
                "The database that DATABASE_URL names has tables, and only an empty one is restored into."
            )
        yield given
        return
    log = instance.logs / "postgres.log"
    instance.postgres.initialise()
    child = instance.postgres.start(log)
    try:
        postgres.wait_until_ready(instance.postgres, child, log)
        yield instance.postgres.url
    finally:
        child.send_signal(instance.postgres.STOP_SIGNAL)
        child.wait()


def _restore_database(backup: Opened, url: str) -> None:
    with tempfile.NamedTemporaryFile(prefix="boxwise-") as dump:  # pg_restore moves about in it
        with backup.database() as source:
            shutil.copyfileobj(source, dump, PIECE)
        dump.flush()
        dumps.load(url, Path(dump.name))


def _restore_file(backup: Opened, entry: Entry, places: dict[str, Path]) -> None:
    if entry.place not in places:
        raise BackupError(f"The backup has files for “{entry.place}”: set ORIGINALS_URL to a folder of its own.")
    target = entry.within(places[entry.place])
    target.parent.mkdir(parents=True, exist_ok=True)
    with backup.read(entry) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, PIECE)
        file.flush()
        os.fsync(file.fileno())
    os.utime(target, ns=(entry.changed, entry.changed))


def _compare_all(manifest: Manifest, places: dict[str, Path]) -> None:
    for entry in manifest.files:
        with entry.within(places[entry.place]).open("rb") as file:
            _compare(file, entry.sha256, entry.member)
