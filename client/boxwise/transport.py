"""Requests to a server: with the token, tried again where that is safe, errors as exceptions.

A GET is tried again by itself. Everything else carries an Idempotency-Key where its address takes one, so that a
request whose answer was lost is done once although it is sent twice (docs/api.md); without a key only a request that
certainly did not arrive is sent again.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from boxwise.errors import NotReachable, UnexpectedAnswer, declined

TRIES = 4
FIRST_PAUSE = 0.5  # seconds; doubled with each try
LONGEST_PAUSE = 60.0
AGAIN = (429, 502, 503, 504)  # the server is busy or restarts
PART = 2**20  # bytes of a download at a time
Files = Sequence[tuple[str, Any]]
Wait = Callable[[float], None]


class Transport:
    """Sends requests to one server as one person. `sleep` is how it waits between two tries."""

    def __init__(self, server: str, token: str, *, timeout: float = 60.0, sleep: Wait = time.sleep) -> None:
        self.server = server.rstrip("/")
        self.sleep = sleep
        self.http = httpx.Client(
            base_url=f"{self.server}/api/v1/",
            headers={"Authorization": f"Token {token}", "Accept": "application/json"},
            timeout=httpx.Timeout(timeout, connect=10.0),
            follow_redirects=False,  # a token goes nowhere else
        )

    def close(self) -> None:
        self.http.close()

    def json(self, method: str, path: str, **given: Any) -> Any:
        """The JSON of an answer. Raises Declined, NotReachable, UnexpectedAnswer."""
        answer = self.request(method, path, **given)
        try:
            return answer.json()
        except ValueError:
            raise UnexpectedAnswer(f"{self.server} answered with something that is no JSON; is it a Boxwise?") from None

    def content(self, method: str, path: str, **given: Any) -> bytes:
        """The bytes of an answer."""
        return bytes(self.request(method, path, **given).content)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, Any] | None = None,
        files: Files | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Send until it is answered, TRIES times at most. `content` is a body of bytes, whose type a header says."""
        sent = dict(headers or {})
        repeatable = method in ("GET", "PUT", "DELETE") or bool(headers and "Idempotency-Key" in headers)
        given: dict[str, Any] = {"params": _plain(query), "headers": sent}
        if body is not None:
            given["content"] = json.dumps(body, allow_nan=False)
            given["headers"]["Content-Type"] = "application/json"
        if content is not None:
            given["content"] = content
        if form is not None or files is not None:
            given["data"], given["files"] = _plain(form), list(files or ())
        for number in range(1, TRIES + 1):
            _rewind(files)
            last = number == TRIES
            try:
                answer = self.http.request(method, path, **given)
            except httpx.TransportError as error:
                arrived_nowhere = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if last or not (arrived_nowhere or repeatable):
                    raise self._not_reachable(error, is_upload=bool(files)) from None
                self._pause(number)
                continue
            if answer.status_code in AGAIN and not last and (repeatable or answer.status_code in (429, 503)):
                self._pause(number, answer)
                continue
            return self._checked(answer)
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        """The answer of a GET as it arrives, for large files."""
        try:
            with self.http.stream("GET", path) as answer:
                if answer.status_code >= 300:
                    answer.read()
                    self._checked(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._not_reachable(error, is_upload=False) from None

    def download(self, path: str, target: Path, report: Callable[[int, int], None] | None = None) -> Path:
        """Write the answer of a GET into a file, there whole or not at all. `report` hears bytes so far, of."""
        part = target.with_name(f"{target.name}.part")
        try:
            with self.stream(path) as answer, part.open("wb") as file:
                total = int(answer.headers.get("Content-Length", 0))
                done = 0
                for chunk in answer.iter_bytes(PART):
                    file.write(chunk)
                    done += len(chunk)
                    if report is not None:
                        report(done, total)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        """Raises what is no answer to the request. A verdict for each of what was sent is one (docs/api.md)."""
        kind = answer.headers.get("Content-Type", "")
        has_verdicts = answer.status_code in (409, 422) and kind.startswith("application/json")
        if answer.status_code < 300 or has_verdicts:
            return answer
        if "problem+json" in kind:
            raise declined(answer.json())
        if answer.status_code < 400:
            place = answer.headers.get("Location", "elsewhere")
            raise UnexpectedAnswer(f"{self.server} sends us on to {place}: name that server, if it is yours")
        raise UnexpectedAnswer(
            f"{self.server} answered with the status {answer.status_code} and no reason; its log says more, "
            "or it is no Boxwise"
        )

    def _not_reachable(self, error: httpx.TransportError, *, is_upload: bool) -> NotReachable:
        words = str(error) or type(error).__name__
        if is_upload and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return NotReachable(
                f"the connection to {self.server} broke during the upload ({words}); send the same files again: what "
                "the server has already is recognised and not stored twice"
            )
        return NotReachable(f"{self.server} does not answer ({words})")

    def _pause(self, number: int, answer: httpx.Response | None = None) -> None:
        """As long as the server asks for, or doubled each time, a little apart from others who wait as well."""
        asked = answer.headers.get("Retry-After", "") if answer is not None else ""
        seconds = float(asked) if asked.isdecimal() else FIRST_PAUSE * 2 ** (number - 1)
        self.sleep(min(LONGEST_PAUSE, seconds) + random.uniform(0, 0.1 * seconds))


def _plain(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is said: None is left out, a truth is a word."""
    found = {name: value for name, value in (given or {}).items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in found.items()}


def _rewind(files: Files | None) -> None:
    """Before another try each file is read from its beginning again."""
    for _name, sent in files or ():
        file = sent[1] if isinstance(sent, tuple) else sent
        if hasattr(file, "seek"):
            file.seek(0)
