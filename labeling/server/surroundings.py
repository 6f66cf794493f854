"""What must be true of a machine before Boxwise starts; each fault is one sentence that says what to do.

Standard library only: the bootstrap asks before anything is installed, the supervisor asks again.
"""

import errno
import os
import socket
from pathlib import Path

from labeling.server import processes


class BadSurroundings(Exception):
    """Boxwise cannot run here; str(error) is the sentence to show."""


def free_port_after(port: int, host: str = "127.0.0.1") -> int | None:
    """The next port above `port` that nobody listens on, or None when the next thousand are all taken."""
    for candidate in range(port + 1, min(port + 1000, 65536)):
        if _can_listen(host, candidate):
            return candidate
    return None


def _can_listen(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server will: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise BadSurroundings(
                f"Cannot listen on {host}: {error.strerror}. Set HOST to an address of this machine."
            ) from error
    return True


def check_port(port: int, host: str = "127.0.0.1") -> None:
    """Raises BadSurroundings when the port cannot be listened on; the sentence names one that can."""
    if not 0 < port < 65536:
        raise BadSurroundings(f"PORT={port} is no port: choose one from 1024 to 65535.")
    if _can_listen(host, port):
        return
    free = free_port_after(max(port, 1023), host)
    hint = f"PORT={free} is free" if free else "choose another with PORT="
    reason = "needs root" if port < 1024 and os.geteuid() != 0 else "is taken by another program"
    raise BadSurroundings(f"Port {port} {reason}; {hint}.")


def make_data_dir(folder: Path) -> None:
    """Make the data directory; raises BadSurroundings when it cannot be made, entered or written.

    Ours alone (0700); as root others may pass through it (0711), since the database runs as somebody else.
    """
    advice = "set BOXWISE_DATA_DIR to a folder of yours"
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise BadSurroundings(f"The data directory {folder} is a file; {advice}.") from error
    except NotADirectoryError as error:
        raise BadSurroundings(f"The data directory {folder} lies below a file; {advice}.") from error
    except OSError as error:
        raise BadSurroundings(f"The data directory {folder} cannot be made ({error.strerror}); {advice}.") from error
    if folder in missing:
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    probe = folder / f".writable-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise BadSurroundings(f"The data directory {folder} cannot be written ({error.strerror}); {advice}.") from error


def check_reachable_when_root(folder: Path, programs: Path) -> processes.Account | None:
    """The account that everything but the supervisor will run as (None when we are not root).

    Raises BadSurroundings when that account cannot enter the data directory `folder` or the folder `programs`, which
    holds Boxwise itself.
    """
    account = processes.unprivileged_account(folder)
    if account is None:
        return None
    for path, what in ((folder, "the data directory"), (programs, "Boxwise itself")):
        closed = processes.unreachable_for(account, path)
        if closed is not None:
            cure = (
                "set BOXWISE_DATA_DIR to one that everybody can enter"
                if path == folder
                else "move the checkout, for example to /opt"
            )
            raise BadSurroundings(
                f"As root, Boxwise runs as user {account.name}, who may not enter {closed} on the way to "
                f"{what}: {cure}, or start Boxwise as an ordinary user."
            )
    return account


def check_port_without_root(port: int) -> None:
    """Boxwise gives root up before it listens. Raises BadSurroundings for a port that needs root."""
    if port < first_open_port():
        raise BadSurroundings(
            f"Port {port} needs root, and Boxwise gives root up: choose one from 1024 with PORT=, and let a proxy "
            f"listen on {port}."
        )


def first_open_port() -> int:
    """The first port that needs no root; containers often open all of them."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024
