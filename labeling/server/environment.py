"""Settings from the environment: what is required, and what the addresses mean.

Nothing here imports Django, so that the supervisor and the tests can use it before the settings exist.
"""

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

CHECKOUT = Path(__file__).resolve().parents[2]

BASE_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")  # no name begins with a dot: no way up

# libpq keywords that Django names itself; every other one is handed through (sslmode, application_name, ...).
DJANGO_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
# A network that swallows what is sent says nothing: without these a connection waits for hours, and its thread with it.
# Seconds, but for tcp_user_timeout. They mean nothing to a Unix socket; what the address says itself counts.
NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def required(name: str, what: str) -> str:
    """The value of a setting that nobody may guess.

    Ends the process with one sentence when it is missing: SystemExit and not an exception of
    Django's, so that manage.py, uvicorn and celery all say the sentence and none a traceback.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise SystemExit(f"Boxwise does not start: set {name} to {what} (`boxwise up` sets everything by itself).")
    return value


def log_format() -> str:
    """LOG_FORMAT: "line" (the default) or "json"; anything else ends the process with a sentence."""
    chosen = os.environ.get("LOG_FORMAT", "").strip() or "line"
    if chosen not in ("line", "json"):
        raise SystemExit(f"Boxwise does not start: LOG_FORMAT is {chosen!r}, but must be line or json.")
    return chosen


def flag(name: str, *, default: bool = False) -> bool:
    """1, true, yes, on or 0, false, no, off; anything else ends the process with a sentence."""
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise SystemExit(f"Boxwise does not start: {name} is {value!r}, but must be 1 or 0.")


def words(name: str) -> list[str]:
    """A list separated by commas."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


def number(name: str, default: int) -> int:
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise SystemExit(f"Boxwise does not start: {name} is {value!r}, but must be a whole number.")
    return int(value)


def data_dir() -> Path:
    """Where an embedded instance keeps everything: BOXWISE_DATA_DIR, or .data in the checkout."""
    return Path(os.environ.get("BOXWISE_DATA_DIR", "").strip() or CHECKOUT / ".data").expanduser().absolute()


def database(url: str) -> dict[str, Any]:  # untyped: Django's own, which it fills in
    """Django's DATABASES entry of a libpq address: postgresql://user:password@host:port/name?sslmode=require.

    A directory as the host is a Unix socket: postgresql://user:password@/name?host=/run/boxwise
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    if not url.startswith(("postgres://", "postgresql://")):
        raise SystemExit(
            "Boxwise does not start: DATABASE_URL must begin with postgresql:// (no other database will do)."
        )
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise SystemExit(f"Boxwise does not start: DATABASE_URL cannot be read: {str(error).strip()}.") from error
    if not parts.get("dbname"):
        raise SystemExit(
            "Boxwise does not start: DATABASE_URL names no database (postgresql://user:password@host/NAME)."
        )
    entry: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql"}
    entry |= {DJANGO_NAMES[key]: str(value) for key, value in parts.items() if key in DJANGO_NAMES}
    entry["OPTIONS"] = NETWORK | {key: value for key, value in parts.items() if key not in DJANGO_NAMES}
    return entry


def storage(url: str) -> dict[str, Any]:  # untyped: Django's own, which it fills in
    """Django's STORAGES entry of file:///directory or s3://bucket/prefix?endpoint_url=https://...&region_name=...

    The keys of S3 come from where its client library always looks (AWS_ACCESS_KEY_ID, a role, ...).
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": unquote(parts.path),
                "base_url": None,
            },  # files go out through views that check access
        }
    if parts.scheme == "s3" and parts.netloc:
        options: dict[str, object] = dict(parse_qsl(parts.query))
        options |= {"bucket_name": parts.netloc, "location": parts.path.strip("/"), "file_overwrite": False}
        return {"BACKEND": "labeling.server.object_storage.ObjectStorage", "OPTIONS": options}
    raise SystemExit("Boxwise does not start: STORAGE_URL must be file:///directory or s3://bucket/prefix.")


def originals_url(storage_url: str) -> str:
    """Where files are kept as they came: ORIGINALS_URL, or "originals" inside the storage of everything else."""
    own = os.environ.get("ORIGINALS_URL", "").strip()
    if own:
        return own
    address, mark, options = storage_url.partition("?")
    return f"{address.rstrip('/')}/originals{mark}{options}"


def site_url(hosts: list[str], origins: list[str]) -> str:
    """Where people reach the site, without a slash at its end: SITE_URL, or what the host names say."""
    url = os.environ.get("SITE_URL", "").strip().rstrip("/")
    if url and not url.startswith(("http://", "https://")):
        raise SystemExit(f"Boxwise does not start: SITE_URL is {url!r}, but must begin with https:// or http://.")
    named = next((host for host in hosts if not host.startswith((".", "*"))), "localhost")
    return url or (origins[0].rstrip("/") if origins and "*" not in origins[0] else f"https://{named}")


def base_path(url: str) -> str:
    """The path of the site's address, without a slash at its end: "" or "/boxwise".

    Raises SystemExit for one that is more than plain names.
    """
    path = urlsplit(url).path.rstrip("/")
    if not BASE_PATH.fullmatch(path):
        raise SystemExit(
            f"Boxwise does not start: the path of SITE_URL is {path!r}, but must be names of letters, digits, . _ ~ "
            "and - with slashes between them, as in https://lab.example/boxwise."
        )
    return path


@dataclass(frozen=True)
class Mail:
    """Django's settings of a mail server; the defaults write mail to the log."""

    backend: str = "django.core.mail.backends.console.EmailBackend"
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    ssl: bool = False
    starttls: bool = False


def mail(url: str) -> Mail:
    """Django's mail settings of smtp://user:password@host:587?starttls=1 or smtps://user:password@host:465.

    Without an address mail is written to the log of the process that sends it.
    """
    if not url:
        return Mail()
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    try:
        port = parts.port or (465 if parts.scheme == "smtps" else 25)
    except ValueError:
        port = 0
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not port or set(options) - {"starttls"}:
        raise SystemExit(
            "Boxwise does not start: MAIL_URL must be smtp://user:password@host:587?starttls=1 or smtps://..."
        )
    return Mail(
        backend="django.core.mail.backends.smtp.EmailBackend",
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        ssl=parts.scheme == "smtps",
        starttls=options.get("starttls") == "1",
    )


def web_address(name: str) -> str:
    """An http or https address, or "" where the setting is empty. Ends the start with a sentence otherwise."""
    value = os.environ.get(name, "").strip()
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise SystemExit(
            f"{name} is no address: {value!r}. Write one like https://time.example.org/tsr, or leave it out."
        )
    return value


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """A list of networks separated by commas: 10.1.0.0/16, 192.168.7.5, fd00::/8."""
    try:
        return [ip_network(word) for word in words(name)]
    except ValueError as error:
        raise SystemExit(f"Boxwise does not start: {name} must be networks like 10.1.0.0/16; {error}.") from None


def feed_url(broker_url: str) -> str:
    """The address of the live feed for redis-py: FEED_URL, or the broker where that is a Redis or Valkey."""
    url = os.environ.get("FEED_URL", "").strip()
    if url:
        return url
    if broker_url.startswith("redis+socket://"):
        return broker_url.replace("redis+socket://", "unix://", 1)
    if broker_url.startswith(("redis://", "rediss://")):
        return broker_url
    return required("FEED_URL", "the address of a Redis or Valkey for the live feed, as BROKER_URL is none")


def languages(folder: Path) -> list[tuple[str, str]]:
    """English and every language that has a catalogue in `folder`: code and the language's own name for itself."""
    from django.conf.locale import LANG_INFO

    codes = sorted(path.parts[-3].lower().replace("_", "-") for path in folder.glob("*/LC_MESSAGES/django.mo"))
    return [(code, str(LANG_INFO.get(code, {}).get("name_local", code))) for code in ["en", *codes]]


@dataclass(frozen=True)
class IdentityProvider:
    """A provider of OpenID Connect by which people sign in.

    creates_accounts   whether somebody without an account gets one at the first sign-in
    checks_factor      whether the provider asks for a second factor itself, so that Boxwise requires none of its own
    """

    issuer: str
    client_id: str
    secret: str
    name: str
    creates_accounts: bool
    checks_factor: bool

    def as_allauth(self) -> dict[str, object]:
        """The value of SOCIALACCOUNT_PROVIDERS["openid_connect"]."""
        app = {
            "provider_id": "oidc",
            "name": self.name,
            "client_id": self.client_id,
            "secret": self.secret,
            "settings": {"server_url": self.issuer, "fetch_userinfo": False, "oauth_pkce_enabled": True},
        }
        return {"APPS": [app], "provider_class": "labeling.accounts.single_sign_on.Provider"}


def identity_provider() -> IdentityProvider | None:
    """OIDC_ISSUER with OIDC_CLIENT_ID and OIDC_CLIENT_SECRET; None without OIDC_ISSUER.

    Raises SystemExit for an address that is not https, and for one that is half-configured.
    """
    issuer = os.environ.get("OIDC_ISSUER", "").strip()
    if not issuer:
        return None
    address = urlsplit(issuer)
    is_local = address.hostname in ("localhost", "127.0.0.1", "::1")
    if address.scheme != "https" and not (address.scheme == "http" and is_local):
        raise SystemExit("Boxwise does not start: OIDC_ISSUER must be an https:// address.")
    return IdentityProvider(
        issuer=issuer,
        secret=required("OIDC_CLIENT_SECRET", "the secret of Boxwise at the identity provider"),
        client_id=required("OIDC_CLIENT_ID", "the name of Boxwise at the identity provider"),
        name=os.environ.get("OIDC_NAME", "").strip() or str(address.hostname),
        creates_accounts=flag("OIDC_CREATES_ACCOUNTS"),
        checks_factor=flag("OIDC_CHECKS_SECOND_FACTOR"),
    )
