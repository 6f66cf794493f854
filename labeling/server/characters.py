"""A request whose address or form holds a NUL is refused: PostgreSQL cannot store one, and no person types it."""

from collections.abc import Callable
from itertools import chain
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponseBase

NUL = "\0"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class DeclineNul:
    """Middleware; Django answers 400 to what it raises.

    Forms are looked at after the check against forged requests, which reads them anyway. JSON is not: the API names
    the field that holds the character.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if NUL in request.path_info or _contains_nul(request.GET):
            raise SuspiciousOperation("the address holds a NUL")
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        is_form = request.method == "POST" and request.content_type in FORMS
        if is_form and not request.path_info.startswith("/api/") and _contains_nul(request.POST):
            raise SuspiciousOperation("the form holds a NUL")


def _contains_nul(fields: Any) -> bool:
    values = chain.from_iterable(map(fields.getlist, fields))
    parts = [*fields, *values]
    return any(NUL in part for part in parts)
