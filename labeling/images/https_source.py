"""Slides on a web server that answers ranges."""

from dataclasses import dataclass, field
from typing import IO
from urllib.parse import quote

import urllib3

from inference.reading.questions import About
from inference.reading.types import Unreadable
from labeling.images.storage_answers import CHUNK, Report, declined, is_root, key_of
from labeling.server.slide_places import RemoteRoot


@dataclass(frozen=True)
class HttpsSource:
    """Files below an address, on a server that answers ranges. It cannot say what lies in a folder: paths are typed.

    No redirection is followed: it could lead anywhere.
    """

    root: RemoteRoot
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=15), retries=urllib3.Retry(2, redirect=0, raise_on_redirect=False)
        ),
        compare=False,
    )

    def about(self, path: str) -> About:
        if is_root(path):
            return About(is_folder=True)
        answer = self._asked("HEAD", path, {})
        answer.drain_conn()
        size = answer.headers.get("Content-Length", "")
        if not 200 <= answer.status < 300 or not (size.isascii() and size.isdigit()):
            raise declined({str(answer.status)})
        mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        return About(size=int(size), mark=mark)

    def listed(self, path: str) -> dict[str, About]:
        """Nothing: a slide of several files needs a folder that can be listed."""
        return {}

    def read(self, path: str, mark: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        answer = self._content(path, mark, {"Range": f"bytes={start}-{end - 1}"}, 206)
        try:
            content = answer.read(end - start + 1)
        except urllib3.exceptions.HTTPError:
            raise Unreadable("storage_silent") from None
        if len(content) != end - start:
            answer.close()
            raise Unreadable("storage_silent")
        answer.drain_conn()
        return content

    def copy(self, path: str, mark: str, target: IO[bytes], report: Report) -> None:
        answer = self._content(path, mark, {}, 200)
        done = 0
        try:
            for chunk in answer.stream(CHUNK):
                target.write(chunk)
                done += len(chunk)
                report(done)
        except urllib3.exceptions.HTTPError:
            raise Unreadable("storage_silent") from None

    def _content(self, path: str, mark: str, headers: dict[str, str], status: int) -> urllib3.BaseHTTPResponse:
        """The answer to a GET, not yet read. Raises Unreadable."""
        answer = self._asked("GET", path, headers)
        if answer.status != status:
            answer.close()  # unread: it may be the whole slide
            found = declined({str(answer.status)})
            raise Unreadable("slide_gone") if isinstance(found, FileNotFoundError) else found
        if mark not in (answer.headers.get("ETag"), answer.headers.get("Last-Modified"), ""):
            answer.close()
            raise Unreadable("slide_changed")
        return answer

    def _asked(self, method: str, path: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        url = f"{self.root.scheme}://{self.root.host}/{quote(key_of(self.root, path))}"
        headers = {"Accept-Encoding": "identity", **headers}
        try:
            return self.pool.request(method, url, headers=headers, preload_content=False, redirect=False)
        except urllib3.exceptions.HTTPError:
            raise Unreadable("storage_silent") from None
