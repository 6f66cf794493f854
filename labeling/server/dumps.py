"""PostgreSQL's own programs: dump, restore, and what a database holds already."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
from psycopg.conninfo import conninfo_to_dict

from labeling.server.environment import CHECKOUT
from labeling.server.postgres import program


class BackupError(Exception):
    """A backup cannot be made, read or restored; str(error) is a sentence for the person who asked."""


VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}


def environment_of(url: str) -> dict[str, str]:
    """The variables by which PostgreSQL's programs find a database: a password on a command line is seen by all."""
    parts = conninfo_to_dict(url)
    given = {VARIABLES.get(key, f"PG{key.upper()}"): str(value) for key, value in parts.items()}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **given}


@contextmanager
def dumping(url: str) -> Iterator[IO[bytes]]:
    """A dump as a stream: one moment of the database, however long it takes. Raises BackupError when it fails."""
    command: list[str | Path] = [program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", "--compress=1"]
    process = subprocess.Popen(command, env=environment_of(url), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process.stdout
        message = process.stderr.read().decode(errors="replace").strip()
    finally:
        process.stdout.close()
        process.stderr.close()
        process.wait()
    if process.returncode != 0:
        raise BackupError(f"The database could not be dumped; is Boxwise running? {message}")


def write_dump(url: str, target: Path) -> None:
    """A dump as a file of its own, whole or not at all. Raises BackupError."""
    half = target.with_name(f".{target.name}")
    try:
        with half.open("xb") as file, dumping(url) as dump:
            half.chmod(0o600)
            shutil.copyfileobj(dump, file)
            file.flush()
            os.fsync(file.fileno())
        half.rename(target)
    finally:
        half.unlink(missing_ok=True)


def load(url: str, dump: Path) -> None:
    """Restore a dump into an empty database, all of it or nothing. Raises BackupError."""
    command: list[str | Path] = [
        program("pg_restore"),
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        "--exit-on-error",
    ]
    name = environment_of(url)["PGDATABASE"]
    done = subprocess.run(
        [*command, "--dbname", name, str(dump)], env=environment_of(url), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BackupError(f"The database could not be restored: {done.stderr.strip()[-1000:]}")


def migrations_in(url: str) -> list[str]:
    """The migrations of this site that a database has; [] for one without its tables. Raises BackupError."""
    try:
        with psycopg.connect(url, connect_timeout=5) as link:
            known = link.execute("SELECT to_regclass('django_migrations') IS NOT NULL").fetchone()
            if known is None or not known[0]:
                return []
            rows = link.execute("SELECT name FROM django_migrations WHERE app = 'labeling' ORDER BY name").fetchall()
            return [str(name) for (name,) in rows]
    except psycopg.OperationalError as error:
        raise BackupError("The database does not answer: start Boxwise (`boxwise up`), then try again.") from error


def is_empty(url: str) -> bool:
    """Whether a database has no table at all."""
    with psycopg.connect(url, connect_timeout=5) as link:
        row = link.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        return row is not None and row[0] == 0


def migrations_of_code() -> set[str]:
    """The names of the migrations that this version has."""
    folder = CHECKOUT / "labeling" / "migrations"
    return {path.stem for path in folder.glob("[0-9]*.py")}


def decline_newer(found: list[str]) -> None:
    """Raises BackupError for migrations that this version does not have."""
    unknown = sorted(set(found) - migrations_of_code())
    if unknown:
        raise BackupError(
            f"This comes from a newer version of Boxwise: the database has {unknown[-1]}, which this version does not "
            "know. Install that version or a later one."
        )
