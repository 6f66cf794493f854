"""A whole Boxwise with real processes, for tests that kill them and for tests that drive a browser."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FINAL_LINE = re.compile(r"Boxwise: (http://\S+) - sign in (?:as (\S+) with password (\S+)|as before)")
OURS = (
    "BOXWISE_PROCESS",
    "HEALTH_TOKEN",
    "DATABASE_URL",
    "BROKER_URL",
    "FEED_URL",
    "STORAGE_URL",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "PLAIN_HTTP",
    "HOST",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: Callable[[], object], seconds: float, name: str) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"{name}: not within {seconds} s"
        time.sleep(0.05)


class Running:
    """`boxwise COMMAND` in a data directory of its own, in its own process; what it said is in `output`."""

    def __init__(
        self,
        folder: Path,
        command: str = "up",
        *arguments: str,
        port: int | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.output: list[str] = []
        self.address = self.username = self.password = ""
        # The addresses of the test run's own servers must not reach it: it is to start embedded ones.
        self.env = {name: value for name, value in os.environ.items() if name not in OURS}
        self.env |= {"BOXWISE_DATA_DIR": str(folder), "PORT": str(self.port), "PYTHONPATH": str(ROOT)} | (env or {})
        self.process = subprocess.Popen(
            self.command_line(command, *arguments),
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @staticmethod
    def command_line(command: str, *arguments: str) -> list[str]:
        call = f"import sys; from labeling.server import commands; sys.exit(commands.{command}(sys.argv[1:]))"
        return [sys.executable, "-c", call, *arguments]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)

    @property
    def text(self) -> str:
        return "".join(self.output)

    def wait_until_up(self, seconds: float = 120) -> "Running":
        wait_for(
            lambda: self.process.poll() is not None or FINAL_LINE.search(self.text), seconds, f"start\n{self.text}"
        )
        found = FINAL_LINE.search(self.text)
        assert found, f"it ended with {self.process.poll()}:\n{self.text}"
        self.address, self.username, self.password = found[1], found[2] or "", found[3] or ""
        return self

    def wait_for_line(self, pattern: str, seconds: float = 30, *, after: int = 0) -> None:
        """Wait until a line that was said after the first `after` characters matches."""
        wait_for(lambda: re.search(pattern, self.text[after:]), seconds, f"a line like {pattern!r} in\n{self.text}")

    def children(self) -> dict[str, int]:
        """The process id of each child, by name."""
        return dict(json.loads((self.folder / "lock").read_text())["children"])

    def kill(self, name: str) -> None:
        os.kill(self.children()[name], signal.SIGKILL)

    def healthz(self) -> tuple[int, dict[str, object]]:
        """Status and body with the state of each part; (0, {}) when nobody answers."""
        try:
            token = (self.folder / "secrets" / "health_token").read_text()
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}/healthz", headers={"X-Health-Token": token})
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def wait_until_healthy(self, seconds: float = 60) -> None:
        wait_for(lambda: self.healthz()[0] == 200, seconds, f"health\n{self.text}")

    def manage(self, code: str) -> str:
        """Run Python code in a Django shell of this instance; what it printed, stripped."""
        command = self.command_line("manage", "shell", "--no-imports", "-c", code)
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self, number: int = signal.SIGINT, seconds: float = 20) -> int:
        """Ctrl-C; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(seconds)
        self.reader.join(5)
        return code


@contextmanager
def own_boxwise(name: str, env: dict[str, str] | None = None, *, patience: float = 240) -> Iterator[Running]:
    """A whole Boxwise, without the demo, in a folder of its own, gone at the end. patience: seconds to start."""
    # Not below pytest's folder, which is closed to others: as root the database runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix=f"boxwise-{name}-"))
    folder.chmod(0o711)
    instance = Running(folder / "data", env=env)
    try:
        yield instance.wait_until_up(patience)
    finally:
        instance.stop()
        shutil.rmtree(folder, ignore_errors=True)
