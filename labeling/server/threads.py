"""Requests in threads: one hop into a thread of this process, where Django's WSGI handler does the whole request.

Django's ASGI handler changes between event loop and thread at each middleware that is not written for both, and makes a
thread for each request. That was half of what an operation cost (docs/benchmarks.md, "The load").
"""

import asyncio
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, cast

from django.core.handlers.wsgi import WSGIHandler
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from labeling.server.asgi_types import Receive, Scope, Send

THREADS = 64  # more than the pool has connections: who waits for the interactive worker holds none
IN_MEMORY = 2**20  # bytes of a body; a larger one lies in a file until it is read
JOINED_BY = {"cookie": "; "}  # how a header that comes more than once is joined; the others by a comma


PARTS = b"application/offset+octet-stream"  # a body of which each byte counts that has arrived


class Disconnected(Exception):
    """The client has gone before its request was whole. `length` bytes of the body have arrived."""

    def __init__(self, length: int) -> None:
        self.length = length


class InThreads:
    """ASGI application for HTTP, around Django's WSGI handler."""

    def __init__(self, handler: WSGIHandler) -> None:
        self.handler = handler
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as body:
            try:
                length = await read_into(body, receive)
            except Disconnected as gone:
                if not keeps_parts(scope):
                    return
                length = gone.length
                body.seek(0)
            loop = asyncio.get_running_loop()
            answer = Answer(loop, receive, send)
            await loop.run_in_executor(self.threads, self._run, environ_of(scope, body, length), answer)
        await answer.finish()

    def _run(self, environ: dict[str, object], answer: "Answer") -> None:
        """In a thread: the request from beginning to end, so that its database connection is given back here."""
        response = self.handler(environ, answer.start)
        try:
            answer.take(response)
        finally:
            response.close()


class Answer:
    """What goes back: a whole answer once the thread is free again, of a stream each part as soon as it is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive, send: Send) -> None:
        self._loop, self._receive, self._send = loop, receive, send
        self._head: dict[str, object] = {}
        self._whole: bytes | None = None

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None, /) -> Callable[[bytes], Any]:
        """WSGI's start_response. Django never calls what it returns."""
        # Django's WSGI handler writes a blank before each cookie, which the HTTP parser of the server refuses.
        encoded = [(name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers]
        self._head = {"type": "http.response.start", "status": int(status[:3]), "headers": encoded}
        return _no_write

    def take(self, response: HttpResponseBase) -> None:
        """In the thread."""
        if response.streaming:
            self._stream(cast(StreamingHttpResponse, response))
        else:
            self._whole = b"".join(cast("list[bytes]", response))

    def _stream(self, response: StreamingHttpResponse) -> None:
        """Send each part before the next one is read; stop once nobody listens."""
        gone = asyncio.run_coroutine_threadsafe(self._until_gone(), self._loop)
        try:
            self._send_now(self._head)
            for part in response:
                if gone.done():
                    return
                self._send_now({"type": "http.response.body", "body": part, "more_body": True})
            self._send_now({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()

    def _send_now(self, message: dict[str, object]) -> None:
        asyncio.run_coroutine_threadsafe(self._sent(message), self._loop).result()

    async def _sent(self, message: dict[str, object]) -> None:
        await self._send(message)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def finish(self) -> None:
        """Send what was not streamed."""
        if self._whole is not None:
            await self._send(self._head)
            await self._send({"type": "http.response.body", "body": self._whole})


def keeps_parts(scope: Scope) -> bool:
    """Whether a request that is cut off is done with what has arrived: the next part of a resumable upload.

    A checksum that was sent with it then differs, and the part is thrown away.
    """
    return scope["method"] == "PATCH" and (b"content-type", PARTS) in [tuple(pair) for pair in scope["headers"]]


async def read_into(body: IO[bytes], receive: Receive) -> int:
    """Store the body. -> its bytes. Raises Disconnected, and what `receive` raises for one that is too large."""
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected(length)
        part = message.get("body", b"")
        body.write(part)
        length += len(part)
        more = message.get("more_body", False)
    body.seek(0)
    return length


def environ_of(scope: Scope, body: IO[bytes], length: int) -> dict[str, object]:
    """The request as WSGI has it (PEP 3333).

    A name with an underscore would look like the one with a hyphen, which a proxy may have set: it is left out.
    """
    root = scope.get("root_path", "")
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, object] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _text(root),
        "PATH_INFO": _text(scope["path"].removeprefix(root)),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = scope["client"][0], str(scope["client"][1])
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        if b"_" not in name:
            found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    for header, values in found.items():
        key = header.upper().replace("-", "_")
        known = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        environ[key if known else f"HTTP_{key}"] = JOINED_BY.get(header, ",").join(values)
    environ["CONTENT_LENGTH"] = str(length)  # also of a body that came in chunks
    return environ


def _no_write(part: bytes) -> None:
    raise NotImplementedError


def _text(path: str) -> str:
    """A path as WSGI has it: its bytes, each as one character."""
    return path.encode().decode("latin-1")
