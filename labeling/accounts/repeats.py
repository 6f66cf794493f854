"""Idempotency-Key: a POST that is sent twice, since its answer was lost, is done once and answered twice.

    class ProjectList(APIView):
        @once
        @contract(body=NewProject, answer=ProjectAnswer, status=201)
        def post(...): ...

The row of a key is written in the transaction of what it stands for: both are there, or neither. A second request with
the key waits for the first, as the database makes it wait, and gets its answer. A request that was declined leaves no
row, so it may be sent again.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.request import Request

from labeling.accounts.models import AnsweredRequest, User
from labeling.errors import Invalid

KEPT_FOR = timedelta(days=1)
HEADERS = ("Location", "ETag")  # that are said again


def once(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A POST that takes an Idempotency-Key. It stands around @contract."""

    @wraps(view)
    def answered(self: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.headers.get("Idempotency-Key", "")
        if not key or not isinstance(request.user, User):
            return view(self, request, *args, **kwargs)
        if len(key) > 200 or not key.isprintable():
            raise Invalid(_("an Idempotency-Key has at most 200 characters, on one line"), field="Idempotency-Key")
        sent = _fingerprint(request)
        with transaction.atomic():
            row, is_new = AnsweredRequest.objects.get_or_create(
                user=request.user, key=key, defaults={"path": request.path, "sent_sha256": sent}
            )
            if not is_new:
                return _again(row, request.path, sent)
            response = view(self, request, *args, **kwargs)
            if response.status_code >= 400 or response.streaming:
                row.delete()  # the key is free: it may be tried again
                return response
            row.status, row.answer = response.status_code, bytes(getattr(response, "content", b"")).decode()
            row.headers = {name: response[name] for name in HEADERS if name in response}
            row.save(update_fields=["status", "answer", "headers"])
            return response

    answered.takes_key = True  # type: ignore[attr-defined]
    return answered


def _again(row: AnsweredRequest, path: str, sent: str) -> HttpResponse:
    """The answer that the first request got. Raises Invalid for a key that stood for something else."""
    if (row.path, row.sent_sha256) != (path, sent):
        raise Invalid(
            _("this Idempotency-Key stood for another request; make a new key for each"), field="Idempotency-Key"
        )
    answer = HttpResponse(row.answer, status=row.status, content_type="application/json", headers=row.headers)
    answer["Idempotent-Replayed"] = "true"
    return answer


def _fingerprint(request: Request) -> str:
    """Of what was sent: of a form its fields and files, since the text between them differs each time."""
    found = hashlib.sha256()
    if (request.content_type or "").startswith(("multipart/", "application/x-www-form-urlencoded")):
        plain = request._request
        for name, values in sorted(plain.POST.lists()):
            found.update(repr((name, values)).encode(errors="replace"))
        for name, files in sorted(plain.FILES.lists()):
            for file in files:
                _add_file(found, name, file)
    else:
        found.update(request.body)
    return found.hexdigest()


def _add_file(found: "hashlib._Hash", name: str, file: Any) -> None:
    found.update(repr((name, file.name)).encode(errors="replace"))
    for chunk in file.chunks():
        found.update(chunk)
    file.seek(0)


def forget_old(now: datetime) -> list[str]:
    """Delete what was answered more than KEPT_FOR ago. -> sentences."""
    deleted, _by_table = AnsweredRequest.objects.filter(at__lt=now - KEPT_FOR).delete()
    return [f"{deleted} answers that nobody asks for again are deleted"] if deleted else []
