"""What somebody does to a job on a page: cancel it, try files again, choose a picture of one, discard the rest."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling.errors import Archived, LabelingError, sentence
from labeling.images.uploads import choose_picture
from labeling.jobs import items, services
from labeling.jobs.access import reach_job
from labeling.jobs.models import Job, JobItem
from labeling.numbers import whole_number
from labeling.site import upload_views
from labeling.site.requests import Request, signed_in

# The page of the project on which a kind is shown, and where on it. A consensus is shown on a page of its
# image, an acceptance on that of its certificate.
PLACE: dict[str, tuple[str, str]] = {
    Job.Kind.EXPORT: ("project-exports", "exports"),
    Job.Kind.READ: ("project-images", "uploads"),
    Job.Kind.IMPORT: ("project-exports", "imports"),
    Job.Kind.FIELDS: ("project-images", "images"),
    Job.Kind.PROPOSE: ("project", "proposals"),
    Job.Kind.AGREEMENT: ("project-agreement", "main"),
    Job.Kind.CLASS_MERGE: ("project-settings", "classes"),
    Job.Kind.VECTORS: ("gallery", "gallery"),
    Job.Kind.CELL_MAP: ("gallery", "gallery"),
    Job.Kind.COPY: ("project-images", "copying"),
}


def place_of(job: Job) -> str:
    """The address at which a job is shown."""
    if job.kind == Job.Kind.CONSENSUS:
        return reverse("adjudication", args=[job.request["image"]])
    if job.kind == Job.Kind.CERTIFICATE:
        return reverse("certificate", args=[job.request["lot"]])
    page, part = PLACE[job.kind]
    return f"{reverse(page, args=[job.project_id])}#{part}"


@signed_in
@require_POST
def cancel(request: Request, job: int) -> HttpResponse:
    found = reach_job(request.user, job, Job.CHANGED_BY)
    done = _("The export stops.") if found.kind == Job.Kind.EXPORT else ""
    return act(request, found, lambda: services.cancel(found.pk), done=done)


@signed_in
@require_POST
def retry(request: Request, job: int) -> HttpResponse:
    found = reach_job(request.user, job, Job.CHANGED_BY)
    return act(request, found, lambda: items.retry(found.pk))


@signed_in
@require_POST
def choose(request: Request, job: int) -> HttpResponse:
    """Which picture of a file is meant; with `all` for every file of the job that needs a choice."""
    found = reach_job(request.user, job, Job.CHANGED_BY)
    asking = found.items.filter(state=JobItem.State.CHOICE)
    if "all" not in request.POST:
        asking = asking.filter(pk=whole_number(request.POST.get("item")) or 0)
    page, channel = (whole_number(request.POST.get(name), largest=100_000) or None for name in ("page", "channel"))
    keys = list(asking.values_list("pk", flat=True))
    return act(request, found, lambda: choose_picture(job=found, items=keys, page=page, channel=channel))


@signed_in
@require_POST
def discard(request: Request, job: int) -> HttpResponse:
    found = reach_job(request.user, job, Job.CHANGED_BY)
    return act(request, found, lambda: items.discard(found.pk))


def act(request: Request, job: Job, service: Callable[[], object], *, done: str = "") -> HttpResponse:
    """Run a service on a job, then show where the job stands: as a part of the page to htmx, else the page."""
    problems = []
    try:
        service()
    except Archived:
        raise
    except LabelingError as error:
        problems.append(sentence(error))
    if request.htmx and job.kind == Job.Kind.READ:
        return upload_views.answer(request, job.project, problems=problems)
    for problem in problems:
        messages.error(request, problem)
    if done and not problems:
        messages.success(request, done)
    return redirect(place_of(job))
