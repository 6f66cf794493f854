"""The answers to requests that are refused before a view sees them, or after one failed: pages, and problem+json for
programs."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.defaults import server_error as page_of_server_error

from labeling.problems import TOO_LARGE, plain_problem

# Not sent back into a page: a password has no place in HTML, and the new form carries a token of its own.
NOT_KEPT = ("password", "csrfmiddlewaretoken", "secret")


def wants_json(request: HttpRequest) -> bool:
    """Whether a program asks: any address of the API, and the workspace's own requests elsewhere."""
    return request.path_info.startswith("/api/") or request.headers.get("Accept", "") == "application/json"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of what it calls suspicious: 413 where the body is too large, 400 for everything else."""
    too_large = isinstance(exception, RequestDataTooBig)
    if wants_json(request):
        if too_large:
            return plain_problem(status=413, code="too_large", detail=TOO_LARGE)
        return plain_problem(status=400, code="bad_request", detail="The request is malformed.")
    if too_large:
        return HttpResponse(render_to_string("413.html"), status=413)
    return HttpResponse(render_to_string("400.html"), status=400)


def server_error(request: HttpRequest) -> HttpResponse | JsonResponse:
    """A fault of the server's own; the log says which."""
    if wants_json(request):
        detail = "The server met a fault of its own. Try again; if it stays, tell whoever runs this server."
        return plain_problem(status=500, code="server_error", detail=detail)
    return page_of_server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form whose token is missing or old: after signing in in another tab, or when cookies were cleared.

    What was typed is not lost: a form that comes from a page of this site can be sent again, with a new token, once
    the person has looked at it. A form from elsewhere cannot, since that is what the token protects from.
    """
    if wants_json(request):
        detail = "The token against forged requests is missing or old; read it again from the cookie, then repeat."
        return plain_problem(status=403, code="csrf_failed", detail=detail)
    context: dict[str, Any] = {"fields": [], "had_files": False}
    if request.method == "POST" and _from_here(request) and request.path not in _signs_in():
        context = {"fields": _typed(request), "had_files": bool(request.FILES), "csrf_token": get_token(request)}
    elif request.path in _signs_in():
        context["sign_in"] = True
    return render(request, "403_csrf.html", context, status=403)


def _signs_in() -> tuple[str, ...]:
    return (reverse("sign-in"),)


def _from_here(request: HttpRequest) -> bool:
    """Whether the browser says that a page of this site sent the form. Browsers name the origin of every POST."""
    origin = request.headers.get("Origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.get_host()


def _typed(request: HttpRequest) -> list[tuple[str, str]]:
    """(name, value) of the fields of the form, in order."""
    found = []
    for name, values in request.POST.lists():
        if any(word in name for word in NOT_KEPT):
            continue
        found += [(name, value) for value in values]
    return found
