"""An object storage of the test's own, as S3 speaks, which can be slow and can stop answering.

It knows what the site asks for: objects written (in parts, too), read (by ranges and if they match, too), listed and
removed. It checks no signature. What is asked for without S3's parameters is answered as any web server would.
"""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

SECRETS = {
    "AWS_ACCESS_KEY_ID": "of-the-test",
    "AWS_SECRET_ACCESS_KEY": "of-the-test",
    # Otherwise a body comes in signed pieces, which this server would have to put together.
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}


class ObjectStorage:
    """objects  path with its bucket -> content
    delay    seconds that each answer waits
    asked    (method, path) of each request, and its Range
    denies   whether every request is declined, as with keys that have no right"""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.delay = 0.0
        self.asked: list[tuple[str, str, str]] = []
        self.denies = False
        self.answers = threading.Event()
        self.answers.set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"storage": self}))
        self.server.daemon_threads = True
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, bucket: str) -> str:
        """As STORAGE_URL takes it."""
        return f"s3://{bucket}?endpoint_url=http://127.0.0.1:{self.port}&region_name=eu-central-1"

    def close(self) -> None:
        self.answers.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    found = ObjectStorage()
    try:
        yield found
    finally:
        found.close()


class _Handler(BaseHTTPRequestHandler):
    storage: ObjectStorage

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def begin(self) -> tuple[str, dict[str, str]]:
        """Path of the object and the parameters, after the wait."""
        place = urlsplit(self.path)
        name = unquote(place.path).strip("/")
        self.storage.asked.append((self.command, name, self.headers.get("Range", "")))
        self.storage.answers.wait()
        time.sleep(self.storage.delay)
        given = {key: values[0] for key, values in parse_qs(place.query, keep_blank_values=True).items()}
        return name, given

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        length = headers.get("Content_Length")
        if length is None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def is_denied(self) -> bool:
        if self.storage.denies:
            self.say(403, b"<Error><Code>AccessDenied</Code></Error>", Content_Type="application/xml")
        return self.storage.denies

    def do_HEAD(self) -> None:
        name, _given = self.begin()
        if self.is_denied():
            return
        content = self.storage.objects.get(name)
        if content is None:
            self.say(404)
            return
        self.say(200, Content_Length=str(len(content)), **_facts(content))

    def do_GET(self) -> None:
        name, given = self.begin()
        if self.is_denied():
            return
        if "list-type" in given:
            self.say(200, _listed(self.storage, name, given), Content_Type="application/xml")
            return
        content = self.storage.objects.get(name)
        if content is None:
            self.say(404, b"<Error><Code>NoSuchKey</Code></Error>", Content_Type="application/xml")
            return
        if self.headers.get("If-Match", _facts(content)["ETag"]) != _facts(content)["ETag"]:
            self.say(412, b"<Error><Code>PreconditionFailed</Code></Error>", Content_Type="application/xml")
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self.say(200, content, **_facts(content))
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        place = f"bytes {first}-{last}/{len(content)}"
        self.say(206, content[first : last + 1], Content_Range=place, **_facts(content))

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name, given = self.begin()
        if "partNumber" in given:
            self.storage.parts[given["uploadId"]][int(given["partNumber"])] = content
        else:
            self.storage.objects[name] = content
        self.say(200, ETag=_facts(content)["ETag"])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name, given = self.begin()
        if "uploads" in given:
            self.storage.parts[name] = {}
            self.say(200, f"<R><UploadId>{escape(name)}</UploadId></R>".encode(), Content_Type="application/xml")
            return
        parts = self.storage.parts.pop(given["uploadId"])
        self.storage.objects[name] = b"".join(parts[number] for number in sorted(parts))
        self.say(200, b"<R><ETag>whole</ETag></R>", Content_Type="application/xml")

    def do_DELETE(self) -> None:
        name, _given = self.begin()
        self.storage.objects.pop(name, None)
        self.say(204)


@lru_cache(maxsize=256)
def _mark(content: bytes) -> str:
    """The ETag; bytes keep their own hash, so that a large object is not digested for each request."""
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _facts(content: bytes) -> dict[str, str]:
    return {
        "ETag": _mark(content),
        "Last_Modified": "Mon, 02 Nov 2026 10:00:00 GMT",
        "Accept_Ranges": "bytes",
    }


def _row(key: str, content: bytes) -> str:
    mark = escape(_facts(content)["ETag"])
    return f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>{mark}</ETag></Contents>"


def _listed(storage: ObjectStorage, bucket: str, given: dict[str, str]) -> bytes:
    prefix, mark = given.get("prefix", ""), given.get("delimiter", "")
    keys, folders = [], set()
    for name in sorted(storage.objects):
        key = name.removeprefix(f"{bucket}/")
        if key == name or not key.startswith(prefix):
            continue
        inside, _mark, below = key[len(prefix) :].partition(mark) if mark else (key, "", "")
        if below or _mark:
            folders.add(f"{prefix}{inside}{mark}")
        else:
            keys.append((key, storage.objects[name]))
    rows = [_row(key, content) for key, content in keys]
    rows += [f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)]
    body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>"
    return body.encode()
