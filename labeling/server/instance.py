"""One Boxwise on one machine: the data directory, its lock, its secrets and its two servers.

    data directory/
      lock           held while an instance runs; says which process and which port
      secrets/       secret key and database password, 0600, made at the first start
      postgres/ valkey/ files/ static/ work/ home/ logs/

Started as root, everything but the supervisor runs as another account, which owns what it writes.
Standard library only.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TypedDict

from labeling.server import compiled, environment, processes, surroundings
from labeling.server.postgres import Postgres
from labeling.server.secret_files import SECRETS, read_secret_files
from labeling.server.surroundings import BadSurroundings
from labeling.server.valkey import Valkey

LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")  # a Unix socket's path has at most 107 characters


# What the site and the workers write in: images and artifacts, static files, work that is not finished, caches, and
# dumps before a migration with the lists of contents of backups.
WRITTEN = ("files", "static", "work", "home", "backups")
# Secrets that belong to us; whatever else of the caller's environment looks like one stays with the caller.
OUR_SECRETS = frozenset({*SECRETS, "AWS_SESSION_TOKEN"})
SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_KEY", re.IGNORECASE)


def passes_on(name: str) -> bool:
    """Whether a variable of the caller reaches the processes."""
    if name == "PYTHONDONTWRITEBYTECODE":  # without compiled modules every start takes twice as long
        return False
    return name in OUR_SECRETS or SECRET_NAME.search(name) is None


@dataclass(frozen=True)
class Lock:
    """The lock of a data directory, held; its file tells others who holds it."""

    file: IO[str]
    address: str

    def tell(self, children: Mapping[str, int]) -> None:
        """Write {"pid", "address", "children": {name: pid}}."""
        self.file.seek(0)
        self.file.truncate(0)
        self.file.write(json.dumps({"pid": os.getpid(), "address": self.address, "children": dict(children)}))
        self.file.flush()


class Holder(TypedDict, total=False):
    """Who holds the lock, as Lock.tell wrote it: the supervisor, its address, and name -> pid of its children."""

    pid: int
    address: str
    children: dict[str, int]


@dataclass(frozen=True)
class Instance:
    """Where one Boxwise lives and how to reach its parts. Nothing is made or started by looking."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    debug: bool = False

    @classmethod
    def from_environment(cls, *, debug: bool = False) -> "Instance":
        host = os.environ.get("HOST", "").strip() or "127.0.0.1"
        return cls(environment.data_dir(), environment.number("PORT", 8000), host, debug)

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def address(self) -> str:
        name = "localhost" if self.host in ("127.0.0.1", "::1", *processes.EVERY_INTERFACE) else self.host
        return f"http://{name}:{self.port}"

    @cached_property
    def account(self) -> processes.Account | None:
        return processes.unprivileged_account(self.folder)

    @property
    def python(self) -> Path:
        """The Python that runs the site and the workers."""
        return compiled.python_for(self.account)

    @cached_property
    def sockets(self) -> Path:
        """The folder of the Unix sockets: in the data directory, or a short one named after it."""
        inside = self.folder / "sockets"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER:
            return inside
        mark = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"boxwise-{os.geteuid()}-{mark}"

    @cached_property
    def postgres(self) -> Postgres:
        return Postgres(self.folder / "postgres", self.sockets, self.secret("database_password"), self.account)

    @cached_property
    def valkey(self) -> Valkey:
        return Valkey(self.folder / "valkey", self.sockets / "valkey", self.account)

    def secret(self, name: str) -> str:
        """A random secret of this instance, made the first time it is asked for and readable by us alone."""
        path = self.folder / "secrets" / name
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            half = path.with_suffix(f".{os.getpid()}")  # renamed when complete: a kill leaves no empty secret
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            half.rename(path)
        return path.read_text()

    def make_folders(self) -> None:
        """Everything below the data directory that processes expect; what they write in is their account's."""
        self.logs.mkdir(mode=0o700, exist_ok=True)
        for name in WRITTEN:
            folder = self.folder / name
            folder.mkdir(mode=0o700, exist_ok=True)
            if self.account:
                processes.adopt(self.account, folder)
        for folder in (self.folder / "postgres", self.folder / "valkey", self.sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
            if self.account and folder.stat().st_uid != self.account.uid:
                os.chown(folder, self.account.uid, self.account.gid)
        if self.account:
            try:
                compiled.make_folders(self.account)
            except OSError as error:
                raise BadSurroundings(
                    f"As root, Boxwise runs as user {self.account.name}, who cannot reach the Python of root; its copy "
                    f"in {compiled.BUILD} cannot be made ({error.strerror}). Start Boxwise as an ordinary user."
                ) from error
        if self.sockets.stat().st_uid not in (os.geteuid(), self.account.uid if self.account else os.geteuid()):
            raise BadSurroundings(
                f"{self.sockets} belongs to another user; remove it or choose a shorter BOXWISE_DATA_DIR."
            )

    def environment(self) -> dict[str, str]:
        """What the web server, the workers and the management commands of this instance find in their environment.

        What the caller set wins (a real database, S3, ...): only what is missing is embedded.
        """
        read_secret_files()
        embedded = {
            "DJANGO_SETTINGS_MODULE": "labeling.settings",
            "PLAIN_HTTP": "1",
            "SITE_URL": self.address,
            "SECRET_KEY": self.secret("secret_key"),
            "HEALTH_TOKEN": self.secret("health_token"),
            "STORAGE_URL": f"file://{self.folder}/files",
            "PYTHONUNBUFFERED": "1",  # a log is read while it is written
        }
        if not os.environ.get("DATABASE_URL"):
            embedded["DATABASE_URL"] = self.postgres.url
        if not os.environ.get("BROKER_URL"):
            embedded |= {"BROKER_URL": self.valkey.broker_url, "FEED_URL": self.valkey.feed_url}
        given = {name: value for name, value in os.environ.items() if value and passes_on(name)}
        if self.account:
            given = {name: value for name, value in given.items() if not name.startswith("XDG_")}
            given |= {"HOME": str(self.folder / "home"), "USER": self.account.name, "LOGNAME": self.account.name}
            given |= compiled.environment(self.account)
        fixed = {
            "BOXWISE_DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "DEBUG": "1" if self.debug else "0",
            # The supervisor itself asks for /healthz at the local address, whatever names people use.
            "ALLOWED_HOSTS": ",".join(
                ["localhost", "127.0.0.1", "[::1]", self.host, *environment.words("ALLOWED_HOSTS")]
            ),
        }
        return embedded | given | fixed

    # -- the lock

    @contextlib.contextmanager
    def locked(self) -> Iterator["Lock"]:
        """Hold the data directory; raises BadSurroundings when a running instance holds it.

        The lock is the kernel's: it is gone with the process, also after a kill -9.
        """
        with (self.folder / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = self.holder()
                who = f" (process {holder['pid']}, {holder['address']})" if holder else ""
                raise BadSurroundings(
                    f"The data directory {self.folder} is in use by a running Boxwise{who}: "
                    "end that one with `make stop`, or set BOXWISE_DATA_DIR and PORT to run another beside it."
                ) from None
            lock = Lock(file, self.address)
            lock.tell({})
            try:
                yield lock
            finally:
                file.truncate(0)

    def holder(self) -> Holder | None:
        """Who holds the lock, as Lock.tell wrote it; {} when it has not written yet, None when nobody holds it."""
        try:
            with (self.folder / "lock").open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    with contextlib.suppress(ValueError):
                        holder: Holder = json.loads(file.read())
                        return holder
                    return Holder()
        except OSError:
            pass
        return None

    # -- checks before the start

    def check_surroundings(self) -> None:
        """All that must be true before anything is started. Raises BadSurroundings; leaves at most an empty folder."""
        surroundings.make_data_dir(self.folder)
        holder = self.holder()
        if holder is not None:
            with self.locked():  # refuses, with the sentence
                pass
        surroundings.check_port(self.port, self.host)
        account = surroundings.check_reachable_when_root(self.folder, environment.CHECKOUT)
        if account is not None:
            surroundings.check_port_without_root(self.port)
