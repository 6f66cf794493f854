"""The tables as the migrations make them, kept as SQL between test runs: migrations take 8 s, the SQL 1 s.

The file's name holds a hash of the migrations and of the installed packages, so what has changed is made anew.
"""

import hashlib
import os
import subprocess
from pathlib import Path

from django.db import connection

from labeling.server.postgres import program
from tests.embedded import EMBEDDED

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".build" / "test-database"
TEMPLATE = "kept"


def file_of_now() -> Path:
    digest = hashlib.sha256()
    for path in [*sorted((ROOT / "labeling" / "migrations").glob("*.py")), ROOT / "requirements.lock"]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return FOLDER / f"{digest.hexdigest()}.sql"


def use() -> None:
    """Let Django copy its test database from the kept one, if there is one. Its migrations then find nothing to do."""
    if not file_of_now().exists():
        return
    _run("psql", "--quiet", "-c", f"CREATE DATABASE {TEMPLATE}", EMBEDDED.database.url)
    load_into(TEMPLATE)
    connection.settings_dict["TEST"]["TEMPLATE"] = TEMPLATE


def load_into(database: str) -> None:
    """Make the kept tables in an empty database; without any it stays empty, and migrations make them there."""
    kept = file_of_now()
    if kept.exists():
        _run("psql", "--quiet", "-v", "ON_ERROR_STOP=1", "-1", "-f", str(kept), EMBEDDED.database.url_of(database))


def keep() -> None:
    """Keep the test database that the migrations have just made. It appears whole or not at all."""
    kept = file_of_now()
    if kept.exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.sql"):
        if old != kept:  # another process of this run may have just made it
            old.unlink(missing_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    name = str(connection.settings_dict["NAME"])
    _run("pg_dump", "--no-owner", "--no-privileges", "-f", str(part), EMBEDDED.database.url_of(name))
    part.rename(kept)


def _run(name: str, *arguments: str) -> None:
    done = subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
