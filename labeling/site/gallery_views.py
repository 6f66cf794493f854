"""The gallery: its page holds the controls, frontend/gallery draws the cells."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe

from labeling.gallery.likeness import ORDERS as LIKENESS_ORDERS
from labeling.gallery.services import LEAST_MS, LEAST_PIXELS
from labeling.site.requests import Request, acts_of, reach_project, signed_in

ORDERS = (
    ("doubt", gettext_noop("most doubtful first")),
    ("class", gettext_noop("by proposed class")),
    ("size", gettext_noop("largest first")),
    ("place", gettext_noop("image by image")),
    ("likeness", gettext_noop("by likeness, with suggestions")),
    ("duplicates", gettext_noop("near-duplicates first")),
    ("errors", gettext_noop("likely errors of the class first")),
)


@signed_in
@require_safe
def gallery(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "see", project)
    order = request.GET.get("order", "doubt")
    context = {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "classes": list(found.classes.current()),
        "orders": ORDERS,
        "is_by_likeness": order in LIKENESS_ORDERS,
        "order": order if order in dict(ORDERS) else "doubt",
        "least_ms": LEAST_MS,
        "least_pixels": LEAST_PIXELS,
    }
    return render(request, "site/gallery.html", context)
