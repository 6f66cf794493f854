"""Starting and ending child processes so that none outlives its parent."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
EVERY_INTERFACE = ("0.0.0.0", "::")  # noqa: S104 (what somebody may name; the default is the loopback address)
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None  # loaded before any fork


@dataclass(frozen=True)
class Account:
    """A user of the machine that a child runs as."""

    name: str
    uid: int
    gid: int

    @property
    def groups(self) -> list[int]:
        """Its groups: those of an ordinary user may open a graphics card."""
        return os.getgrouplist(self.name, self.gid)

    def can(self, what: str, path: Path) -> bool:
        """Whether it may read (-r), write (-w) or enter (-x) a path.

        Asked of the system by a child with the account's identity: permission bits alone know no access lists.
        """
        test = ["/usr/bin/env", "test", what, str(path)]
        done = subprocess.run(test, user=self.uid, group=self.gid, extra_groups=self.groups, check=False)
        return done.returncode == 0

    def become(self) -> None:
        """Turn this process into one of the account, for good."""
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)


def unprivileged_account(near: Path) -> Account | None:
    """Who everything but the supervisor runs as: nobody else (None) unless we are root. PostgreSQL refuses root, and
    what reads files of strangers needs no right to change the machine.

    As root it is the owner of `near`, or of the nearest folder above that is not root's, or else nobody.
    """
    if os.geteuid() != 0:
        return None
    for folder in (near, *near.parents):
        if folder.exists() and folder.stat().st_uid != 0:
            try:
                found = pwd.getpwuid(folder.stat().st_uid)
            except KeyError:
                continue  # initdb wants a name in the user database
            return Account(found.pw_name, found.pw_uid, found.pw_gid)
    found = pwd.getpwnam("nobody")
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def unreachable_for(account: Account, path: Path) -> Path | None:
    """The first folder on the way to `path` that `account` may not enter, or None when it can get there."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            return None
        if not account.can("-x", folder):
            return folder
    return None


def adopt(account: Account, folder: Path) -> None:
    """Give a folder and all in it to the account, where an older version or root made it. Links are not followed.

    The folder itself comes last: a walk that was broken off is done again at the next start.
    """
    if folder.stat().st_uid == account.uid:
        return
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(root) / name, account.uid, account.gid, follow_symlinks=False)
    os.chown(folder, account.uid, account.gid)


def _die_with_parent(parent: int, death_signal: int, niceness: int) -> Callable[[], None]:
    def in_child() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != parent:  # the parent died between fork and prctl
                os._exit(1)
        if niceness:
            os.nice(niceness)

    return in_child


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    death_signal: int = signal.SIGKILL,
    niceness: int = 0,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, that gets `death_signal` when this process dies (on Linux).

    A session of its own: Ctrl-C in the terminal reaches us alone and we end the children in order; its
    process group is the child with all its descendants. To be called from the main thread only, since
    Linux sends the death signal when the thread that forked ends. The signal is set after the change of
    user, which would clear it.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout or log,
        stderr=log,
        cwd=cwd,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=account.groups if account else None,
        preexec_fn=_die_with_parent(os.getpid(), death_signal, niceness),
    )


def signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a child and all its descendants; one that is gone already is no error."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:  # macOS says so of a group of zombies
        pass


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log file, to be quoted when a child failed."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
