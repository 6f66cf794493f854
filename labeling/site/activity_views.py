"""What the signed-in person has done, day by day: a page, and the same as CSV. Nobody else sees it."""

import csv
import io

from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.annotations.own_activity import DAYS, KINDS, own_days
from labeling.audit.downloads import download
from labeling.site.requests import Request, signed_in
from labeling.spreadsheets import as_text


@signed_in
@require_safe
def own_activity(request: Request) -> HttpResponseBase:
    rows = own_days(request.user)
    if request.GET.get("format") != "csv":
        return render(request, "site/own_activity.html", {"rows": rows, "days": DAYS})
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["day", "project", "images", *KINDS, "active_seconds"])
    for row in rows:
        numbers = [row.numbers[kind] for kind in KINDS]
        table.writerow([row.day.isoformat(), as_text(row.project.name), row.images, *numbers, f"{row.seconds:.0f}"])
    content = text.getvalue().encode()
    return download(content, name="my-activity.csv", content_type="text/csv; charset=utf-8")
