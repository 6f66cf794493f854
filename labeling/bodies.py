"""How large the body of a request may be, held while it arrives and before any of it is stored.

Django writes a whole body to the disk before it looks at the address or at who sends it. This stands in front of
Django: it counts what arrives, whether a length was declared or not, and answers 413 at the first byte too many.
Somebody who is not signed in may send a form, and no more.
"""

import json
from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.http.cookie import parse_cookie
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve

from labeling.accounts.credentials import Credentials
from labeling.exchange.image_tables import MOST_BYTES as MOST_TABLE
from labeling.exchange.importing.services import MOST_BYTES as MOST_IMPORT
from labeling.guidelines.services import MOST_BYTES as MOST_PICTURE
from labeling.images.resumable.services import MOST_PART
from labeling.images.uploads import MOST_BYTES as MOST_IMAGE
from labeling.problems import PROBLEM, TOO_LARGE, problem_body
from labeling.rounds.reference_masks import MOST_BYTES as MOST_MASKS
from labeling.rounds.weights.importing import MOST_BYTES as MOST_WEIGHTS
from labeling.server.asgi_types import Application, Receive, Scope, Send
from labeling.site.forms.projects import MOST_FILES
from labeling.site.study_views import MOST_ARCHIVE

ANONYMOUS = 64 * 2**10
AROUND = 2**20  # bytes of a form around its files
# The routes that take files: name -> bytes of the files. Every other one takes DATA_UPLOAD_MAX_MEMORY_SIZE.
# tests/labeling/test_bodies.py holds that every view that reads a file stands here.
FILES: dict[str, int] = {
    "image-list": 4 * MOST_IMAGE,
    "upload-detail": MOST_PART,
    "image-table": MOST_TABLE,
    "weights-import-list": MOST_WEIGHTS,
    "reference-mask-list": 4 * MOST_MASKS,  # several label maps at once, as pictures
    "image-reference-masks": MOST_MASKS,
    "add-reference-masks": 4 * MOST_MASKS,
    "project-images": 4 * MOST_IMAGE,  # the page sends up to MOST_FILES at once, each at most MOST_IMAGE
    "settings-image-table": MOST_TABLE,
    "import-weights": MOST_WEIGHTS,
    "import-list": MOST_IMPORT,
    "project-imports": MOST_IMPORT,
    "guideline-picture-list": MOST_PICTURE,
    "add-guideline-picture": MOST_PICTURE,
    "study-act": MOST_ARCHIVE,
}
assert MOST_FILES == 100  # project-images: a hundred usual fields, not a hundred of the largest


class TooLarge(Exception):
    """More has arrived than this address and this person may send."""


class LimitBodies:
    """ASGI application in front of another one."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        allowed = ANONYMOUS
        declared = _declared_length(scope)
        if declared > allowed:  # what is small costs nothing here
            limit = limit_of(scope["path"])
            if declared > limit or not await is_somebody(scope):
                await _decline(scope, send)
                return
            allowed = limit
        arrived, answered = 0, False

        async def counted() -> Mapping[str, Any]:
            nonlocal arrived, allowed
            message = await receive()
            if message["type"] == "http.request":
                arrived += len(message.get("body", b""))
                if arrived > allowed == ANONYMOUS:
                    limit = limit_of(scope["path"])
                    if arrived <= limit and await is_somebody(scope):
                        allowed = limit
                if arrived > allowed:
                    raise TooLarge
            return message

        async def noticed(message: Mapping[str, Any]) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.application(scope, counted, noticed)
        except TooLarge:
            if not answered:
                await _decline(scope, send)


def limit_of(path: str) -> int:
    """Bytes that somebody who is signed in may send to an address."""
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        name = resolve(path).url_name
    except (Resolver404, ValueError):
        return ANONYMOUS  # nothing is there to take it
    return FILES[name] + AROUND if name in FILES else most


def _declared_length(scope: Scope) -> int:
    """Content-Length; 0 without one. The server in front refuses what is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) < 19:
            return int(value)
    return 0


@sync_to_async(thread_sensitive=False)
def is_somebody(scope: Scope) -> bool:
    """Whether a request comes with a session or token that holds. Asked for large bodies only: it costs a query."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    words = headers.get(b"authorization", "").split()
    cookies = parse_cookie(headers.get(b"cookie", ""))
    try:
        if len(words) == 2 and words[0].lower() == "token":
            return Credentials.of_token(words[1]).user() is not None
        return Credentials(session=cookies.get(settings.SESSION_COOKIE_NAME, "")).user() is not None
    except ValueError:  # a NUL in a header
        return False
    finally:
        connection.close()  # this thread is not one of a request: nobody else gives its connection back


async def _decline(scope: Scope, send: Send) -> None:
    """413, and the end of the connection: the rest of the body is not read."""
    if scope["path"].startswith("/api/"):
        body = json.dumps(problem_body(status=413, code="too_large", detail=TOO_LARGE)).encode()
        kind = PROBLEM
    else:
        page = await sync_to_async(render_to_string, thread_sensitive=False)("413.html")
        body, kind = page.encode(), "text/html; charset=utf-8"
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
