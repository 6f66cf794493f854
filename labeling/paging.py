"""Lists, a page at a time: what is asked for next is named by the last row that was given.

A page number would skip rows or repeat them when somebody adds one meanwhile; a cursor does not.
"""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import pydantic
from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from labeling.contract import Answer, InDigits, Query
from labeling.errors import Invalid
from labeling.numbers import LARGEST

R = TypeVar("R", bound=Model)
T = TypeVar("T")
USUAL = 100
MOST = 1000


class Page(Answer, Generic[T]):
    """Part of a list. `next` is the address of the following part; null at the end."""

    items: list[T]
    next: str | None = None


class Listing(Query):
    """What every list takes. A list adds its filters, and `ordering` as a Literal of what it is ordered by."""

    cursor: str | None = pydantic.Field(
        default=None, max_length=2000, description="where the page before ended, from its next"
    )
    limit: Annotated[int, pydantic.Field(ge=1, le=MOST, description="rows of a page at most"), InDigits] = USUAL


def page(rows: QuerySet[R], request: Request, query: Listing, *, ordering: str, answer: Callable[[R], T]) -> Page[T]:
    """The rows of one page.

    ordering  a column that is never null, with "-" in front for the largest first; the key decides between equals
    answer    what is said of a row
    Raises Invalid for a cursor that is none of this list's.
    """
    column, backwards = ordering.removeprefix("-"), ordering.startswith("-")
    ordered = rows.order_by(ordering, "-pk" if backwards else "pk")
    if query.cursor is not None:
        ordered = ordered.filter(_after(rows.model, column, query.cursor, "lt" if backwards else "gt"))
    found = list(ordered[: query.limit + 1])
    shown = found[: query.limit]
    items = [answer(row) for row in shown]
    if len(found) == len(shown):
        return Page(items=items)
    last = _cursor(shown[-1], column)
    return Page(items=items, next=_address(request, last))


def _cursor(row: Model, column: str) -> str:
    value = row.serializable_value(column)
    text = json.dumps([value, row.pk], default=str)
    encoded = base64.urlsafe_b64encode(text.encode())
    return encoded.decode().rstrip("=")


def _after(model: type[Model], column: str, cursor: str, side: str) -> Q:
    """The rows behind the one that a cursor names."""
    try:
        padding = "=" * (-len(cursor) % 4)
        text = base64.urlsafe_b64decode(cursor + padding)
        value, number = json.loads(text)
        field = model._meta.get_field(column)
        assert isinstance(field, Field)
        at = field.to_python(value)
        key = model._meta.pk.to_python(number)
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError, ValidationError):
        raise _foreign() from None
    if at is None or key is None or not _fits(at) or not _fits(key):
        raise _foreign()
    beyond = Q(**{f"{column}__{side}": at})
    among_equals = Q(**{column: at, f"pk__{side}": key})
    return beyond | among_equals


def _foreign() -> Invalid:
    return Invalid(_("cursor is none of this list: take it from the field next of the page before"), field="cursor")


def _fits(value: Any) -> bool:
    """Whether PostgreSQL can hold what a forged cursor says."""
    if isinstance(value, str):
        return "\0" not in value and value.encode(errors="ignore").decode() == value
    return not isinstance(value, int) or abs(value) <= LARGEST


def _address(request: Request, cursor: str) -> str:
    given = request.query_params.copy()
    given["cursor"] = cursor
    return f"{request.path}?{given.urlencode()}"
