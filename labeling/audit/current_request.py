"""The request that this thread answers, so that what is written down can say who asked and from where."""

from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

_CURRENT: ContextVar[HttpRequest | None] = ContextVar("boxwise_request", default=None)


class CurrentRequest:
    """Middleware. Services then need no request among their arguments."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        mark = _CURRENT.set(request)
        try:
            return self.get_response(request)
        finally:
            _CURRENT.reset(mark)


def current_request() -> HttpRequest | None:
    """None in a worker and in a command."""
    return _CURRENT.get()
