"""From the page My work into the workspace: take the next item, take the next review."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling.assignments.reviewing import take_review
from labeling.assignments.services import take_next
from labeling.errors import sentence
from labeling.guidelines.services import NotAcknowledged
from labeling.site.requests import Request, attempt, reach_project, signed_in


@signed_in
@require_POST
def take(request: Request, project: int) -> HttpResponse:
    """The next item of a project, opened; at the end of the queue the page of the projects says so."""
    found = reach_project(request, "annotate", project)
    # What went wrong is a toast; None is also the end of the queue, which is good news and no error.
    try:
        claimed = attempt(request, lambda: (take_next(project=found, user=request.user),), besides=NotAcknowledged)
    except NotAcknowledged as error:
        messages.warning(request, sentence(error))
        return redirect("guidelines", found.pk)
    if not claimed:
        return redirect("home")
    (reading,) = claimed
    if reading is None:
        messages.success(request, _("{name}: nothing is left for you at the moment.").format(name=found.name))
        return redirect("home")
    return redirect("image", reading.item.image_id)


@signed_in
@require_POST
def review(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "review", project)
    claimed = attempt(request, lambda: (take_review(project=found, user=request.user),))
    if not claimed:
        return redirect("home")
    (item,) = claimed
    if item is None:
        messages.success(request, _("{name}: nothing waits for your review.").format(name=found.name))
        return redirect("home")
    return redirect("image", item.image_id)
