"""`boxwise up`: starts every process of one instance, keeps them running, ends them all.

One thread, one loop, no framework: children are started in order, each waited for; from then on the
loop looks at them five times a second. A child that ends is started again after 0.5 s, 1 s, 2 s ... 30 s.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from labeling.server import postgres, processes, valkey
from labeling.server.environment import CHECKOUT, flag
from labeling.server.instance import Instance, Lock
from labeling.server.postgres import CannotStart

TICK = 0.2  # seconds between two looks at the children
CHECK_FILES_EVERY = 1.0  # seconds between two looks at the Python files (make dev)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a crashed child is started again
STEADY = 60.0  # seconds after which a crash counts as the first one again
PATIENCE = 90.0  # seconds for everything to come up
CRASHES_AT_START = 3  # of one child before everything is up: then the start has failed
# Ctrl-C ends everything within 5 s: 2 s for those that hold connections, then 2 s for the servers behind them. Who
# needs longer (a worker in a round, a large checkpoint) is killed, and goes on where it was at the next start.
GRACE, SERVER_GRACE = 2.0, 2.0
LARGE_LOG = 10 * 2**20  # bytes; a larger log is put aside at the next start


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


class Stopped(Exception):
    """Somebody asked us to stop while we were still starting."""


@dataclass
class Child:
    """One process to keep running."""

    name: str
    start: Callable[[Path], subprocess.Popen[bytes]]  # log file -> process
    stop_signal: int = signal.SIGTERM
    watch: tuple[str, ...] = ()  # folders whose Python files restart it when they change (make dev)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    crashes: int = 0
    again_at: float | None = None  # when to start it again
    seen: dict[Path, float] = field(default_factory=dict)


def how_it_ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def worker_command(python: str, name: str, queues: str) -> list[str]:
    """One Celery worker with one thread: threads and not forks, since CUDA does not survive a fork; a task is
    cancelled by a flag that it reads."""
    return [
        *(python, "-m", "celery", "-A", "labeling.celery", "worker", "-P", "threads", "-c", "1"),
        *("-Q", queues, "-n", f"{name}@%h", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def thread_caps(count: int) -> dict[str, str]:
    """The number of threads that each numeric library may use: all of them think the machine is theirs alone."""
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
    return {name: os.environ.get(name) or str(count) for name in names}


def environment_of(name: str, env: dict[str, str]) -> dict[str, str]:
    """The environment of one process, with the secrets that it needs and no others.

    Only the web server signs cookies, signs people in and answers for health; only the worker sends mail, and the web
    server shows whether it can. Every process has the addresses of database, broker and storage, which hold their
    passwords.
    """
    mine = env | {"BOXWISE_PROCESS": name}
    if name != "web":
        mine.pop("SECRET_KEY", None)
        mine.pop("HEALTH_TOKEN", None)
        mine.pop("OIDC_CLIENT_SECRET", None)
    if name != "worker" and mine.get("MAIL_URL"):
        mine["MAIL_URL"] = without_password(mine["MAIL_URL"])
    return mine


def without_password(url: str) -> str:
    """The address of a mail server without its user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class Supervisor:
    """The processes of one instance. `run()` returns the exit code."""

    def __init__(
        self,
        instance: Instance,
        *,
        after_start: list[str] | None = None,
        extra: Iterable[Child] = (),
        reload: bool = False,
    ) -> None:
        """
        after_start  a command to run once while everything comes up, before the last line is said (the demo)
        extra        more children (the front end's watcher)
        reload       restart web server and workers when their Python files change
        """
        self.instance = instance
        self.env = instance.environment()
        self.after_start = after_start
        self.extra = list(extra)
        self.reload = reload
        self.children: list[Child] = []
        self.stop_requested = 0
        self.next_check = 0.0
        self.lock: Lock

    # -- what runs

    def servers(self) -> list[Child]:
        """PostgreSQL and Valkey, each unless an address of another one was given."""
        found = []
        if not os.environ.get("DATABASE_URL"):
            found.append(Child("postgres", self.instance.postgres.start, postgres.Postgres.STOP_SIGNAL))
        if not os.environ.get("BROKER_URL"):
            found.append(Child("valkey", self.instance.valkey.start, valkey.Valkey.STOP_SIGNAL))
        return found

    def site(self) -> list[Child]:
        cores = os.cpu_count() or 1
        training = thread_caps(max(1, cores - 1)) | {"DATABASE_POOL_SIZE": "5"}
        interactive = thread_caps(max(1, cores // 2)) | {"DATABASE_POOL_SIZE": "5"}
        python = str(self.instance.python)
        return [
            self.python_child(
                "web",
                [
                    *(python, "-m", "uvicorn", "labeling.asgi:application", "--no-server-header"),
                    *("--host", self.instance.host, "--port", str(self.instance.port)),
                    *("--timeout-graceful-shutdown", "1"),  # seconds: a live feed would keep it for ever
                    # Else whoever is on this machine could name any address, and the limit on sign-ins counts those.
                    *([] if flag("BEHIND_PROXY") else ["--no-proxy-headers"]),
                ],
                watch=("labeling",),
            ),
            # Training is polite: the lowest priority and one core left over, so that the site stays fast.
            self.python_child(
                "worker", worker_command(python, "cpu", "cpu,gpu"), training, 15, watch=("labeling", "inference")
            ),
            self.python_child(
                "interactive",
                worker_command(python, "interactive", "interactive"),
                interactive,
                watch=("labeling", "inference"),
            ),
            # Exports and other files: never behind a training, and without torch.
            self.python_child(
                "files",
                worker_command(python, "files", "files"),
                {"WORKER_TASKS": "files"} | training,
                5,
                watch=("labeling",),
            ),
            self.python_child("recovery", [python, str(CHECKOUT / "manage.py"), "recover"], watch=("labeling",)),
            *self.scheduled_backup(),
        ]

    def scheduled_backup(self) -> list[Child]:
        """A process of its own, where BACKUP_DIR names a folder: copying takes as long as it takes."""
        if not os.environ.get("BACKUP_DIR", "").strip():
            return []
        command = [str(self.instance.python), "-m", "labeling.server.backup.schedule"]
        return [self.python_child("backup", command, niceness=15)]

    def python_child(
        self,
        name: str,
        command: list[str],
        env: dict[str, str] | None = None,
        niceness: int = 0,
        watch: tuple[str, ...] = (),
    ) -> Child:
        def start(log: Path) -> subprocess.Popen[bytes]:
            with log.open("ab") as file:
                return processes.spawn(
                    command,
                    env=environment_of(name, self.env | (env or {})),
                    log=file,
                    cwd=CHECKOUT,
                    account=self.instance.account,
                    niceness=niceness,
                )

        return Child(name, start, watch=watch)

    # -- the life of an instance

    def run(self) -> int:
        """Start, watch, stop. The data directory is held all the while. Raises BadSurroundings, CannotStart."""
        with self.instance.locked() as self.lock:
            previous = {number: signal.signal(number, self.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                self.start_everything()
                self.watch_until_stopped()
            except Stopped:
                pass
            finally:
                self.stop_everything()
                for number, handler in previous.items():
                    signal.signal(number, handler)
        return 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_requested += 1

    def start_everything(self) -> None:
        begin = time.monotonic()
        self.instance.make_folders()
        self.env = self.instance.environment()  # again: it names folders that were made just now
        if self.instance.account:
            say(f"Started as root: everything but this supervisor runs as user {self.instance.account.name}.")
        for server in self.servers():
            self.start_server(server)
        account = self.prepare()
        try:
            self.start_site()
        except CannotStart as error:
            if account["password"]:  # it exists now, and nobody has seen it
                raise CannotStart(
                    f"{error}\n(The administrator was made all the same: {account['administrator']}, "
                    f"password {account['password']}, shown only now.)"
                ) from error
            raise
        say(f"Everything is up after {time.monotonic() - begin:.0f} s; logs are in {self.instance.logs}. Ctrl-C stops.")
        sign_in = (
            f"sign in as {account['administrator']} with password {account['password']} (shown only now)"
            if account["password"]
            else "sign in as before (`boxwise password` makes a new password)"
        )
        print(f"\n  Boxwise: {self.instance.address} - {sign_in}\n", flush=True)

    def start_site(self) -> None:
        site = [*self.site(), *self.extra]
        say(f"Starting {', '.join(child.name for child in site)} ...")
        for child in site:
            self.start(child)
        if self.after_start:  # while the others come up: it needs only the servers
            for line in self.run_once("demo", self.after_start, "Loading the demo project").splitlines():
                print(f"          {line}", flush=True)
        self.wait_until_healthy()

    def start(self, child: Child) -> None:
        log = self.log_of(child.name)
        if log.exists() and log.stat().st_size > LARGE_LOG:
            log.replace(log.with_suffix(".log.1"))
        child.again_at = None
        child.started = time.monotonic()
        if self.reload and child.watch:
            child.seen = self.times(child)  # before it reads any: what is written from now on is another change
        child.process = child.start(log)
        if child not in self.children:
            self.children.append(child)
        self.lock.tell({one.name: one.process.pid for one in self.children if one.process is not None})

    def log_of(self, name: str) -> Path:
        return self.instance.logs / f"{name}.log"

    def start_server(self, child: Child) -> None:
        """Start PostgreSQL or Valkey and wait for it: what comes next needs it."""
        begin = time.monotonic()
        log = self.log_of(child.name)
        if child.name == "postgres":
            if not (self.instance.postgres.cluster / "PG_VERSION").exists():
                say("Making the database (once) ...")
            self.instance.postgres.initialise()
        self.start(child)
        assert child.process is not None
        if child.name == "postgres":
            postgres.wait_until_ready(self.instance.postgres, child.process, log, meanwhile=self.heed_stop)
        else:
            valkey.wait_until_ready(self.instance.valkey, child.process, log, meanwhile=self.heed_stop)
        say(f"{child.name} is up ({time.monotonic() - begin:.1f} s).")
        self.heed_stop()

    def prepare(self) -> dict[str, str | None]:
        """Tables, static files, administrator (labeling.server.prepare); the administrator's name and new password."""
        answer = self.run_once(
            "prepare", [str(self.instance.python), "-m", "labeling.server.prepare"], "Preparing the database"
        )
        return dict(json.loads(answer.splitlines()[-1]))

    def run_once(self, name: str, command: list[str], doing: str) -> str:
        """Run a command to its end while looking after the children; its standard output. Raises CannotStart."""
        say(f"{doing} ...")
        begin = time.monotonic()
        log = self.log_of(name)
        output = self.instance.logs / f"{name}.out"
        with log.open("ab") as errors, output.open("wb") as out:
            output.chmod(0o600)  # it may hold the first password
            process = processes.spawn(
                command, env=self.env, stdout=out, log=errors, cwd=CHECKOUT, account=self.instance.account
            )
        try:
            while process.poll() is None:
                self.check_children()
                self.heed_stop()
                time.sleep(TICK / 4)
            text = output.read_text(errors="replace")
        finally:
            processes.signal_group(process, signal.SIGKILL)
            process.wait()
            output.unlink(missing_ok=True)
        if process.returncode != 0:
            raise CannotStart(f"{doing} failed; the end of {log} says:\n{processes.tail(log)}")
        say(f"{doing}: done ({time.monotonic() - begin:.1f} s).")
        return text

    def wait_until_healthy(self) -> None:
        end = time.monotonic() + PATIENCE
        state = ""
        while (state := self.health()) != "healthy":
            self.check_children()
            self.heed_stop()
            for child in self.children:
                if child.crashes >= CRASHES_AT_START:
                    log = self.log_of(child.name)
                    raise CannotStart(f"{child.name} does not stay up; the end of {log} says:\n{processes.tail(log)}")
            if time.monotonic() > end:
                raise CannotStart(
                    f"Not everything came up within {PATIENCE:.0f} s ({state}); see the logs in {self.instance.logs}"
                )
            time.sleep(TICK)

    def health(self) -> str:
        """ "healthy", or what the site says is down."""
        host = "127.0.0.1" if self.instance.host in processes.EVERY_INTERFACE else self.instance.host
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy must not come between
        try:
            request = urllib.request.Request(
                f"http://{host}:{self.instance.port}/healthz", headers={"X-Health-Token": self.env["HEALTH_TOKEN"]}
            )
            with opener.open(request, timeout=5) as answer:
                return "healthy" if answer.status == 200 else str(answer.status)
        except urllib.error.HTTPError as error:
            return error.read(1000).decode(errors="replace")
        except OSError as error:
            return f"the web server does not answer: {error}"

    def heed_stop(self) -> None:
        if self.stop_requested:
            raise Stopped

    def watch_until_stopped(self) -> None:
        while not self.stop_requested:
            self.check_children()
            time.sleep(TICK)

    # -- crashes

    def check_children(self) -> None:
        """Start again what has ended (after its pause), and what has changed (make dev)."""
        now = time.monotonic()
        check_files = self.reload and now >= self.next_check
        if check_files:
            self.next_check = now + CHECK_FILES_EVERY
        for child in self.children:
            if child.again_at is not None:
                if now >= child.again_at:
                    self.start(child)
                    say(f"{child.name} was started again.")
            elif child.process is not None and (code := child.process.poll()) is not None:
                self.note_crash(child, code, now)
            elif check_files and child.watch and self.times(child) != child.seen:
                self.end([child], GRACE)
                self.start(child)
                say(f"Python files changed: {child.name} is started again.")

    def note_crash(self, child: Child, code: int, now: float) -> None:
        assert child.process is not None
        processes.signal_group(child.process, signal.SIGKILL)  # descendants that it left behind
        child.crashes = 1 if now - child.started > STEADY else child.crashes + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (child.crashes - 1))
        child.again_at = now + pause
        say(f"{child.name} {how_it_ended(code)}; it is started again in {pause:g} s (see {self.log_of(child.name)}).")

    def times(self, child: Child) -> dict[Path, float]:
        """When each Python file that the child watches was written last."""
        found: dict[Path, float] = {}
        for folder in child.watch:
            for path in (CHECKOUT / folder).rglob("*.py"):
                try:
                    found[path] = path.stat().st_mtime
                except FileNotFoundError:  # an editor replaces files
                    continue
        return found

    # -- the end

    def stop_everything(self) -> None:
        """End all children: first those that use the servers, then the servers. Nothing is left after it."""
        servers = [child for child in self.children if child.name in ("postgres", "valkey")]
        users = [child for child in self.children if child not in servers]
        if self.children:
            say("Stopping ...")
        begin = time.monotonic()
        self.end(users, GRACE)
        self.end(servers, SERVER_GRACE)
        if self.children:
            say(f"Stopped ({time.monotonic() - begin:.1f} s).")

    def end(self, children: list[Child], grace: float) -> None:
        """Ask politely, wait at most `grace` seconds, then kill; each with all its descendants."""
        running = [child.process for child in children if child.process is not None]
        for child in children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(child.stop_signal)
        end = time.monotonic() + grace
        while any(process.poll() is None for process in running) and time.monotonic() < end and self.stop_requested < 2:
            time.sleep(0.02)
        for process in running:
            processes.signal_group(process, signal.SIGKILL)
            process.wait()
