"""The settings of slides that are registered where they lie: SLIDE_ROOTS and SLIDE_CACHE_GIB."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class RemoteRoot:
    """A storage below which slides are registered where they lie (labeling/images/remote_roots.py).

    scheme   "s3", "https", or "http" on this machine
    host     the bucket, or the host with its port
    prefix   what all paths begin with, without slashes at its ends
    options  of S3: endpoint_url, region_name, profile_name
    """

    scheme: str
    host: str
    prefix: str = ""
    options: tuple[tuple[str, str], ...] = ()


ROOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it is the host of an address, too
ROOT_OPTIONS = {"endpoint_url", "region_name", "profile_name"}


def slide_roots() -> dict[str, Path | RemoteRoot]:
    """SLIDE_ROOTS: NAME=/folder, NAME=s3://bucket/prefix?endpoint_url=https://...&region_name=...&profile_name=... or
    NAME=https://host/path, several with commas between them. A folder may itself be reached by links."""
    found: dict[str, Path | RemoteRoot] = {}
    for entry in filter(None, (part.strip() for part in os.environ.get("SLIDE_ROOTS", "").split(","))):
        name, mark, place = (part.strip() for part in entry.partition("="))
        if not mark or not name:
            raise SystemExit("Boxwise does not start: SLIDE_ROOTS has a part that is not NAME=/folder or NAME=address.")
        found[name] = Path(place) if place.startswith("/") else _remote_root(name, place)
    return found


def _remote_root(name: str, place: str) -> RemoteRoot:
    parts = urlsplit(place)
    options = tuple(sorted(parse_qsl(parts.query)))
    is_near = parts.hostname in ("localhost", "127.0.0.1", "::1")
    is_known = parts.scheme in ("s3", "https") or (parts.scheme == "http" and is_near)
    endpoint = urlsplit(dict(options).get("endpoint_url", ""))
    has_keys = any("@" in address.netloc for address in (parts, endpoint))
    if not is_known or not parts.hostname or has_keys:
        raise SystemExit(
            "Boxwise does not start: SLIDE_ROOTS must be NAME=/folder, NAME=s3://bucket/prefix or "
            "NAME=https://host/path, several with commas between, and no keys in them."
        )
    unknown = [key for key, _value in options if parts.scheme != "s3" or key not in ROOT_OPTIONS]
    if unknown or not ROOT_NAME.fullmatch(name):
        words = f"does not know {unknown[0]}" if unknown else f"needs letters and digits as the name of {name}"
        raise SystemExit(f"Boxwise does not start: SLIDE_ROOTS {words}.")
    return RemoteRoot(parts.scheme, parts.netloc, parts.path.strip("/"), options)


def slide_cache_bytes() -> int:
    """SLIDE_CACHE_GIB: how much of the disk copies of slides from object storage may take; 20 where it is not set."""
    given = os.environ.get("SLIDE_CACHE_GIB", "").strip() or "20"
    try:
        found = float(given)
    except ValueError:
        found = -1.0
    if not 0 <= found < 2**20:
        raise SystemExit(f"Boxwise does not start: SLIDE_CACHE_GIB is {given!r}, but must be a number of GiB.")
    return int(found * 2**30)
