"""The page Images of a project: its images as cards or as a list, filtered and ordered, and the form that adds some."""

from collections.abc import Callable
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.accounts.models import User
from labeling.assignments.models import Reading, Workflow, WorkItem
from labeling.assignments.states import TAKES_A_PLACE, ItemState
from labeling.images.facts import stated, tags_of
from labeling.projects.access import members_seen_by
from labeling.projects.models import Project
from labeling.site import upload_views
from labeling.site.forms.images import ImageFilterForm, Wanted
from labeling.site.forms.projects import MOST_FILES, STATED, TAG_ACTS, UploadForm
from labeling.site.image_rows import ImageRow, annotated_by, image_rows
from labeling.site.project_copies import copying_of
from labeling.site.project_frame import frame
from labeling.site.requests import Request, reach_project, signed_in
from labeling.site.suggestions import STRATEGIES
from labeling.upkeep.deleting import restorable

PER_PAGE = 60
LARGE_FROM = 32 * 2**20  # bytes of a file that the page sends in parts
PART_SIZE = 8 * 2**20  # bytes of a part: what a cut costs at most
# What else on the page depends on the images, by id of the element. When images were added, the page fetches itself and
# takes these out of it beside the grid, so that they are what a reload shows. All other acts load the page anew.
DEPENDS_ON_IMAGES = ("project-head", "known-values", "upload-button")


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def images(request: Request, project: int) -> HttpResponse:
    """GET: the page, out of which htmx takes the parts that depend on the images. POST: files to be read."""
    if request.method != "POST":
        return show(request, reach_project(request, "see", project))
    found = reach_project(request, "manage", project)
    return upload_views.receive(request, found, request.FILES.getlist("images"))


def show(request: Request, found: Project) -> HttpResponse:
    form = filter_form(request, found)
    wanted = form.wanted()
    rows = image_rows(found, request.user, wanted.by)
    framed = frame(request, found, rows)
    shown = ordered(filtered(rows, wanted, found, request.user), wanted.order)
    context: dict[str, object] = {
        **framed,
        "form": form,
        "wanted": wanted,
        "page": Paginator(shown, PER_PAGE).get_page(request.GET.get("page")),
        "shown": len(shown),
        "query": query_of(request),
        "query_without_view": query_of(request, "view"),
        "has_suggestions": any(row.waiting for row in rows),
        "depends_on_images": ",".join(f"#{name}" for name in DEPENDS_ON_IMAGES),
        "copying": copying_of(found, framed["may"]),
        "factors": [*STATED.items(), *TAG_ACTS.items()],
        "deleted_count": restorable(found).count() if "manage" in framed["may"] else 0,
        **(uploads(request, found) if "manage" in framed["may"] else {}),
    }
    return render(request, "site/images.html", context)


def uploads(request: Request, found: Project) -> dict[str, object]:
    panel = upload_views.panel(request, found)
    sizes = {"large_from": LARGE_FROM, "part_size": PART_SIZE}
    return {**panel, **sizes, "upload_form": UploadForm(), "stated": stated(found), "most_files": MOST_FILES}


def filter_form(request: Request, found: Project) -> ImageFilterForm:
    members = members_seen_by(request.user, found).order_by("user__username")
    people = [(member.user_id, member.shown_name) for member in members]
    strategies = [(name, _(label)) for name, label in STRATEGIES.items()]
    return ImageFilterForm(
        request.GET, people=people, strategies=strategies, tags=tags_of(found), works=works_of(found)
    )


# Beside the states of an item: by its readings.
MINE, FREE = "mine", "free"


def works_of(project: Project) -> list[tuple[str, str]]:
    """By what the images of a workflow are told apart; [] without one."""
    if not Workflow.objects.filter(project=project).exists():
        return []
    states = [(value, _(label)) for value, label in ItemState.choices]
    return [*states, (MINE, _("read by me")), (FREE, _("with a free reading"))]


def in_workflow(project: Project, work: str, viewer: User) -> set[int]:
    """The images that one of works_of names."""
    items = WorkItem.objects.filter(project=project)
    if work == MINE:
        items = items.filter(readings__in=Reading.objects.filter(reader=viewer, state__in=TAKES_A_PLACE))
    elif work == FREE:
        items = items.filter(free__gt=0)
    else:
        items = items.filter(state=work)
    return set(items.values_list("image", flat=True))


STATE_TESTS: dict[str, Callable[[ImageRow], bool]] = {
    "review": lambda row: row.counts.undecided > 0,
    "done": lambda row: row.counts.is_done,
    "unproposed": lambda row: row.counts.proposed == 0,
    "complete": lambda row: row.counts.exhaustive > 0,
    "incomplete": lambda row: row.counts.exhaustive == 0,
}


def filtered(rows: list[ImageRow], wanted: Wanted, project: Project, viewer: User) -> list[ImageRow]:
    if wanted.q:
        rows = [row for row in rows if row.says(wanted.q)]
    if wanted.tag:
        rows = [row for row in rows if wanted.tag in row.image.tags]
    if wanted.state:
        rows = [row for row in rows if STATE_TESTS[wanted.state](row)]
    if wanted.split:
        rows = [row for row in rows if row.image.split == wanted.split]
    if wanted.work:
        there = in_workflow(project, wanted.work, viewer)
        rows = [row for row in rows if row.image.pk in there]
    if wanted.person:
        theirs = annotated_by(project, wanted.person, viewer)
        rows = [row for row in rows if row.image.pk in theirs]
    return rows


ORDER_KEYS: dict[str, Callable[[ImageRow], Any]] = {
    "added": lambda row: row.image.position,
    "name": lambda row: row.image.name.casefold(),
    "review": lambda row: -row.counts.undecided,
    "cells": lambda row: -row.counts.boxes,
    "suggested": lambda row: row.waiting.place if row.waiting else float("inf"),
}


def ordered(rows: list[ImageRow], order: str) -> list[ImageRow]:
    """Images that are equal in this order stay in the order of adding."""
    return sorted(rows, key=ORDER_KEYS[order])


def query_of(request: Request, *without: str) -> str:
    """The address's filter, to be followed by a page's number and by what it is `without`: "state=review&"."""
    query = request.GET.copy()
    for name in ("page", *without):
        query.pop(name, None)
    return f"{query.urlencode()}&" if query else ""
