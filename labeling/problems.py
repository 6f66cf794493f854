"""The one shape of an error that leaves as JSON: problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse
from pydantic import BaseModel, ConfigDict
from rest_framework.response import Response

PROBLEM = "application/problem+json"
TOO_LARGE = "The request is larger than this address accepts; send it in smaller parts."


class Problem(BaseModel):
    """An error as every address of the API answers it. An error may say more, as the round that is in the way."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    lines: list[str] | None = None


_TITLES = {460: "Checksum Mismatch"}  # of the tus protocol; http.HTTPStatus does not know it


def problem_body(
    *, status: int, code: str, detail: str, field: str = "", lines: tuple[str, ...] = ()
) -> dict[str, Any]:  # untyped: its keys are Problem's
    """An error for programs (code, field) and people (detail; lines, where several things are wrong)."""
    title = _TITLES[status] if status in _TITLES else HTTPStatus(status).phrase
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    if field:
        body["field"] = field
    if lines:
        body["lines"] = list(lines)
    return body


def problem(*, status: int, code: str, detail: str, field: str = "", lines: tuple[str, ...] = ()) -> Response:
    """problem_body as an answer of a view of REST framework."""
    body = problem_body(status=status, code=code, detail=detail, field=field, lines=lines)
    return Response(body, status=status, content_type=PROBLEM)


def plain_problem(*, status: int, code: str, detail: str) -> JsonResponse:
    """problem_body as an answer from outside the views of REST framework."""
    body = problem_body(status=status, code=code, detail=detail)
    return JsonResponse(body, status=status, content_type=PROBLEM)
