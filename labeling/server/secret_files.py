"""Secrets from files, as containers and systemd hand them out: NAME_FILE names the file that holds the value of NAME.

Nothing here imports Django. A file keeps a secret out of `docker inspect`, of unit files and of the environment with
which a process is started.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

SECRETS = (
    "SECRET_KEY",
    "DATABASE_PASSWORD",
    "BROKER_PASSWORD",
    "HEALTH_TOKEN",
    "MAIL_URL",
    "OIDC_CLIENT_SECRET",
    "SENTRY_DSN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)
# Addresses that may leave out their password -> the secret that completes them. The command `celery` copies BROKER_URL
# into the last one before it loads the settings, and believes it more than them.
COMPLETED = {
    "DATABASE_URL": "DATABASE_PASSWORD",
    "BROKER_URL": "BROKER_PASSWORD",
    "FEED_URL": "BROKER_PASSWORD",
    "CELERY_BROKER_URL": "BROKER_PASSWORD",
}


def read_secret_files(env: MutableMapping[str, str] = os.environ) -> None:
    """Put the value of every NAME_FILE into NAME, and passwords into the addresses that leave theirs out.

    An empty file counts as a setting that is not there, so that a container may always be given all of them.
    Raises SystemExit, with a sentence, for a file that cannot be read and for a secret that is set twice.
    """
    for name in SECRETS:
        path = env.pop(f"{name}_FILE", "").strip()
        if not path:
            continue
        if env.get(name, "").strip():
            raise SystemExit(f"Boxwise does not start: set {name} or {name}_FILE, not both.")
        value = _content(name, path)
        if value:
            env[name] = value
    for name, secret in COMPLETED.items():
        password = env.get(secret, "").strip()
        if password and env.get(name, "").strip():
            env[name] = with_password(env[name].strip(), password)


def with_password(url: str, password: str) -> str:
    """The address with this password where it names a host and no password of its own."""
    parts = urlsplit(url)
    if parts.password or not parts.hostname:
        return url
    user, at, host = parts.netloc.rpartition("@")
    user = user.rstrip(":") if at else ""
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SystemExit(f"Boxwise does not start: {name}_FILE names {path}, which cannot be read: {why}.") from None
