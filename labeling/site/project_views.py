"""The page Work of a project: what to do next, and how far it is."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.projects.models import Project
from labeling.site import propose_views
from labeling.site.first_steps import first_steps
from labeling.site.image_rows import ImageRow, image_rows
from labeling.site.project_copies import copying_of
from labeling.site.project_frame import frame
from labeling.site.requests import Request, reach_project, signed_in
from labeling.site.round_progress import progress_of

MOST_NEXT = 6  # images to go on with, shown at once


@signed_in
@require_safe
def project(request: Request, project: int) -> HttpResponse:
    return show(request, reach_project(request, "see", project))


def show(request: Request, found: Project) -> HttpResponse:
    rows = image_rows(found, request.user)
    framed = frame(request, found, rows)
    context: dict[str, object] = {
        **framed,
        "classes": list(found.classes.in_use()),
        "going_on": going_on(rows),
        "tally": tally(rows),
        **(propose_views.panel(request, found) if "oversee" in framed["may"] else {}),
        "copying": copying_of(found, framed["may"]),
        "steps": first_steps(found, request.user, rows),
    }
    if framed["active"] is not None:
        # The headline is of the current round, not of the one at work.
        context |= progress_of(framed["active"]).context() | {"outcome": framed["outcome"]}
    return render(request, "site/project.html", context)


def going_on(rows: list[ImageRow]) -> list[ImageRow]:
    """The images to go on with: by what the round suggests, then those with most to review, then in order."""

    def urgency(row: ImageRow) -> tuple[float, int, int]:
        place = row.waiting.place if row.waiting else float("inf")
        return (place, -row.counts.undecided, row.image.position)

    open_ones = [row for row in rows if not row.is_finished]
    return sorted(open_ones, key=urgency)[:MOST_NEXT]


def tally(rows: list[ImageRow]) -> dict[str, int]:
    """Images by how far they are: annotated or reviewed to the end, with something to review, neither."""
    done = sum(row.is_finished for row in rows)
    to_review = sum(row.counts.undecided > 0 for row in rows)
    return {"done": done, "to_review": to_review, "open": len(rows) - done - to_review}
