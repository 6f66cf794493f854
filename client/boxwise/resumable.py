"""One large file, sent piece by piece by the tus protocol (1.0.0): it goes on after a cut, in a later call too."""

import base64
import hashlib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boxwise.errors import BoxwiseError, Declined, NotReachable
from boxwise.transport import FIRST_PAUSE, TRIES, Transport

PIECE = 16 * 2**20  # bytes of one request
TUS = {"Tus-Resumable": "1.0.0"}
AGAIN = ("wrong_offset", "being_written", "checksum_differs")  # codes after which the offset is asked for


def send_file(transport: Transport, project: int, path: Path, facts: Mapping[str, Any], *, piece: int = PIECE) -> int:
    """Send a file, or the rest of one that was begun before. -> the job that reads it.

    facts  as for files of a form, None for what is not stated; an upload that goes on keeps those of its beginning

    Raises Declined, and NotReachable after TRIES cuts without a byte in between.
    """
    address, offset = _begun(transport, project, path) or _created(transport, project, path, facts)
    failures = 0
    with path.open("rb") as file:
        while True:
            file.seek(offset)
            part = file.read(piece)
            try:
                answer = transport.request("PATCH", address, content=part, headers=_headers(offset, part))
            except (NotReachable, Declined) as error:
                failures += 1
                if failures == TRIES or (isinstance(error, Declined) and error.code not in AGAIN):
                    raise
                transport.sleep(FIRST_PAUSE * 2**failures)
                offset = _offset(transport, address)
                continue
            failures, offset = 0, int(answer.headers["Upload-Offset"])
            if "Boxwise-Job" in answer.headers:
                return int(answer.headers["Boxwise-Job"])
            if not part:
                raise BoxwiseError(f"{path.name} has become shorter while it was sent; send it again")


def _headers(offset: int, part: bytes) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
    return {
        **TUS,
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
        "Upload-Checksum": f"sha256 {digest}",
    }


def _begun(transport: Transport, project: int, path: Path) -> tuple[str, int] | None:
    """The unfinished upload of the same file: (address, offset)."""
    found = transport.json(
        "GET", f"projects/{project}/uploads/", query={"filename": unicodedata.normalize("NFC", path.name)}
    )
    for one in found["items"]:
        if (one["size"], one["modified"]) == (path.stat().st_size, _modified(path)):
            return f"uploads/{one['id']}/", int(one["offset"])
    return None


def _created(transport: Transport, project: int, path: Path, facts: Mapping[str, Any]) -> tuple[str, int]:
    stated = {name: _text(value) for name, value in facts.items() if value is not None}
    metadata = {"filename": path.name, "modified": _modified(path)} | stated
    pairs = [f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items()]
    headers = {**TUS, "Upload-Length": str(path.stat().st_size), "Upload-Metadata": ",".join(pairs)}
    answer = transport.request("POST", f"projects/{project}/uploads/", headers=headers)
    return f"uploads/{answer.headers['Location'].rstrip('/').rpartition('/')[2]}/", 0


def _offset(transport: Transport, address: str) -> int:
    return int(transport.json("GET", address)["offset"])


def _text(value: Any) -> str:
    return ";".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _modified(path: Path) -> str:
    return str(path.stat().st_mtime_ns)
