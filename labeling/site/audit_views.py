"""The audit log, for administrators alone: read by act, person and day, and taken along as a table."""

from datetime import date

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.dateparse import parse_date
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from labeling.accounts.models import User
from labeling.audit.models import LEAST_DAYS, Act
from labeling.audit.services import as_csv, events, kept_days, record
from labeling.numbers import whole_number
from labeling.site.requests import Request, signed_in

PER_PAGE = 100


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def audit(request: Request) -> HttpResponseBase:
    """To everybody else there is no such page. POST: the rows that are chosen as CSV, which is an event itself."""
    if not request.user.is_staff:
        raise Http404
    asked = request.POST if request.method == "POST" else request.GET
    act = asked.get("act", "") if asked.get("act", "") in Act.values else ""
    person = whole_number(asked.get("person", ""))
    since = _day(asked.get("since", ""))
    found = events(act=act, person=person, since=since)
    chosen = {"act": act, "person": person or "", "since": since.isoformat() if since else ""}
    if request.method == "POST":
        record(Act.AUDIT_EXPORTED, chosen=chosen)
        return StreamingHttpResponse(
            as_csv(found),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
        )
    page = Paginator(found, PER_PAGE).get_page(asked.get("page"))
    return _page(request, chosen, page)


def _page(request: Request, chosen: dict[str, int | str], page: object) -> HttpResponse:
    context = {
        **chosen,
        "page": page,
        "query": f"{urlencode(chosen)}&",
        "acts": Act.choices,
        "people": User.objects.order_by("username"),
        "kept_days": kept_days(),
        "least_days": LEAST_DAYS,
    }
    return render(request, "site/audit.html", context)


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:  # a day that no calendar has
        return None
