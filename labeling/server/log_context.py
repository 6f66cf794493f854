"""Which request or which work a line of the log belongs to, and the number that a request has in answer and log."""

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "X-Request-ID"
GIVEN = re.compile(r"[A-Za-z0-9_.-]{8,64}")  # by a proxy; anything else would forge lines of the log
REQUEST: ContextVar[str] = ContextVar("boxwise_request_id", default="")
WORK: ContextVar[str] = ContextVar("boxwise_work", default="")


class RequestIds:
    """Middleware, the outermost: every answer says X-Request-ID, which stands in each line that the request logs.

    The number of a proxy is kept, so that its log and ours can be laid beside each other.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        number = given if GIVEN.fullmatch(given) else uuid.uuid4().hex
        mark = REQUEST.set(number)
        try:
            answer = self.get_response(request)
        finally:
            REQUEST.reset(mark)
        answer[HEADER] = number
        return answer


@contextmanager
def at_work(name: str) -> Iterator[None]:
    """Lines that are logged meanwhile belong to this work: "stage 12", "job 7"."""
    mark = WORK.set(name)
    try:
        yield
    finally:
        WORK.reset(mark)


class AddContext(logging.Filter):
    """Gives each record `context`: the request and the work it belongs to. Lets every record through."""

    def filter(self, record: logging.LogRecord) -> bool:
        parts = []
        if number := REQUEST.get():
            parts.append(f"[request {number}] ")
        if work := WORK.get():
            parts.append(f"[{work}] ")
        record.context = "".join(parts)
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line (LOG_FORMAT=json): at, level, logger, message, process; request, work, exception where
    there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if number := REQUEST.get():
            line["request"] = number
        if work := WORK.get():
            line["work"] = work
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)
