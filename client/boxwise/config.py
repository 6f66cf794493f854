"""Which server, and as whom: flags, then the environment, then the file that `boxwise login` writes.

The file is ~/.config/boxwise/config.json, or below XDG_CONFIG_HOME, and readable by its owner alone (0600), since it
holds a token. A file that others can read is declined, so that nobody keeps one by accident.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from boxwise.errors import BoxwiseError


class BadConfiguration(BoxwiseError):
    """No server or token is named, or the file of `boxwise login` cannot be used."""


@dataclass(frozen=True)
class Settings:
    server: str
    token: str


def settings(server: str | None = None, token: str | None = None) -> Settings:
    """The server and token to use. Raises BadConfiguration with what to do.

    The token of the file is used for the server of the file alone: it is sent to nobody else.
    """
    stored = read_file()
    chosen = (server or os.environ.get("BOXWISE_URL") or stored.get("server", "")).rstrip("/")
    if not chosen:
        raise BadConfiguration("no server is named: boxwise login URL, or --server URL, or BOXWISE_URL=URL")
    if not chosen.startswith(("http://", "https://")):
        raise BadConfiguration(f"{chosen} is no address of a server; it begins with https:// or http://")
    fitting = stored.get("token", "") if stored.get("server") == chosen else ""
    secret = token or os.environ.get("BOXWISE_TOKEN") or fitting
    if not secret:
        raise BadConfiguration(
            f"no token is given for {chosen}: make one there on the page Your account, then boxwise login {chosen}, "
            "or --token, or BOXWISE_TOKEN"
        )
    return Settings(chosen, secret.strip())


def path() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "boxwise" / "config.json"


def read_file() -> dict[str, str]:
    """What `boxwise login` wrote; empty without a file. Raises BadConfiguration."""
    file = path()
    try:
        mode = file.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BadConfiguration(f"{file} holds a token and others can read it: chmod 600 {file}")
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadConfiguration(
            f"{file} cannot be read ({error}); delete it and sign in again: boxwise login URL"
        ) from None
    if not isinstance(found, dict):
        raise BadConfiguration(f"{file} does not hold what boxwise login writes; delete it and sign in again")
    return {str(name): str(value) for name, value in found.items()}


def write_file(found: Settings) -> Path:
    """Store server and token, readable by their owner alone from the first byte on."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump({"server": found.server, "token": found.token}, stream)
    new.replace(file)
    return file
