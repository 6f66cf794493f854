"""The throw-away database and broker of a test run; loaded by `-p tests.embedded` (pyproject.toml).

Django reads its settings before any conftest is imported, and the settings refuse to load without addresses.
So the addresses are decided here, at import; the servers behind them start with the first test that needs them.
"""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labeling.server import postgres, processes, valkey


@dataclass(frozen=True)
class Embedded:
    """Where the servers of this run are. Short paths: a Unix socket's may have 107 characters at most."""

    folder: Path
    database: postgres.Postgres
    broker: valkey.Valkey


def prepare() -> Embedded:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-test-"))
    folder.chmod(0o711)
    (folder / "static").mkdir()
    account = processes.unprivileged_account(folder)
    for name in ("postgres", "valkey", "sockets"):
        (folder / name).mkdir(mode=0o700)
        if account:
            os.chown(folder / name, account.uid, account.gid)
    database = postgres.Postgres(
        folder / "postgres", folder / "sockets", secrets.token_urlsafe(16), account=account, durable=False
    )
    broker = valkey.Valkey(folder / "valkey", folder / "sockets" / "valkey", account=account, durable=False)
    os.environ.update(
        SECRET_KEY=secrets.token_urlsafe(48),
        ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
        PLAIN_HTTP="1",
        DATABASE_URL=database.url,
        BROKER_URL=broker.broker_url,
        FEED_URL=broker.feed_url,
        STORAGE_URL=f"file://{folder}/files",
        BOXWISE_DATA_DIR=str(folder),
    )
    # The nets of the tests are tiny. Two threads for one of them spin while another process has the second core: on a
    # busy machine with two cores the trainings of tests/inference/test_boxcell.py took five times as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in ("DEBUG", "PORT", "DATABASE_POOL_SIZE"):  # the caller's shell has no say in a test run
        os.environ.pop(name, None)
    return Embedded(folder, database, broker)


EMBEDDED = prepare()

# Not pytest_unconfigure, which a run that fails before its first test does not reach.
atexit.register(shutil.rmtree, EMBEDDED.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def embedded_postgres() -> Iterator[postgres.Postgres]:
    """A running PostgreSQL, at the address that the settings hold."""
    log = EMBEDDED.folder / "postgres.log"
    EMBEDDED.database.initialise()
    child = EMBEDDED.database.start(log)
    try:
        postgres.wait_until_ready(EMBEDDED.database, child, log)
        yield EMBEDDED.database
    finally:
        child.send_signal(EMBEDDED.database.STOP_SIGNAL)
        child.wait()


@pytest.fixture(scope="session")
def embedded_valkey() -> Iterator[valkey.Valkey]:
    """A running Valkey, at the address that the settings hold."""
    log = EMBEDDED.folder / "valkey.log"
    child = EMBEDDED.broker.start(log)
    try:
        valkey.wait_until_ready(EMBEDDED.broker, child, log)
        yield EMBEDDED.broker
    finally:
        child.send_signal(EMBEDDED.broker.STOP_SIGNAL)
        child.wait()
