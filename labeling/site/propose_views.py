"""Propose now on pages: choosing models and images, how far it is, what came of it, taking it back."""

from collections.abc import Mapping
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from inference.documents.proposing import Region
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.jobs.access import reach_job
from labeling.jobs.models import Job
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.rounds.configuration import DEVICES
from labeling.rounds.proposing.choices import Models, choices, scale_warning, scale_words
from labeling.rounds.proposing.description import Described, described_job
from labeling.rounds.proposing.estimate import estimate_of
from labeling.rounds.proposing.publishing import withdraw
from labeling.rounds.proposing.services import NothingToProposeOn, Wanted, images_of, pixels_of, propose
from labeling.rounds.weights.starting import FROM_SHIPPED
from labeling.site.overview import Counts, count
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in

SHOWN = 3  # the newest jobs
LISTED = 500  # images that can be ticked on the page


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def propose_page(request: Request, project: int) -> HttpResponse:
    """GET: which models, on which images, how long. POST: the job. `?image=` and `?region=x,y,w,h` choose before."""
    found = reach_project(request, "manage" if request.method == "POST" else "oversee", project)
    if request.method != "POST":
        return render(request, "site/propose.html", _context(request, found))
    if "select" in request.POST:
        return _with_images(found, request.POST.getlist("chosen"))
    done = _("Cells are being proposed. You can leave this page.")
    job = attempt(request, lambda: _start(request, found), done=done)
    if job is None:
        return redirect(f"{reverse('propose', args=[found.pk])}?{request.GET.urlencode()}")
    if request.POST.get("back") == "image" and len(job.request["images"]) == 1:
        return redirect("image", job.request["images"][0])
    return _to_panel(found)


@signed_in
@require_safe
def proposals(request: Request, project: int) -> HttpResponse:
    """The panel on the project's page, which fetches itself while a job is at work."""
    found = reach_project(request, "oversee", project)
    return render(request, "site/parts/proposals.html", panel(request, found))


@signed_in
@require_POST
def withdraw_job(request: Request, job: int) -> HttpResponse:
    found = reach_job(request.user, job, Job.CHANGED_BY)
    done = _("The proposals are withdrawn. What people accepted stays.")
    attempt(request, lambda: withdraw(job=found, by=request.user), done=done)
    return _to_panel(found.project)


def _with_images(project: Project, keys: list[str]) -> HttpResponse:
    """To the page, with these images chosen."""
    return redirect(f"{reverse('propose', args=[project.pk])}?{urlencode([('image', key) for key in keys])}")


def _to_panel(project: Project) -> HttpResponse:
    return redirect(reverse("project", args=[project.pk]) + "#proposals")


def panel(request: Request, project: Project) -> dict[str, object]:
    """The newest jobs that proposed, and where review begins."""
    newest = project.jobs.filter(kind=Job.Kind.PROPOSE).select_related("owner")[:SHOWN]
    found = [described_job(job) for job in newest]
    return {
        "project": project,
        "proposing": found,
        "is_proposing": any(one.job.is_active for one in found),
        "review_next": _next_to_review(request, project, found),
        "may": acts_of(project, project.role_of(request.user)),
    }


def _next_to_review(request: Request, project: Project, found: list[Described]) -> Image | None:
    """The first image with an open proposal, where the newest job has ended."""
    if not found or found[0].job.is_active:
        return None
    counts = count(images=project.images.order_by(), user=request.user, per="image")
    return next((image for image in project.images.all() if counts.get(image.pk, Counts()).undecided), None)


def _context(request: Request, project: Project) -> Mapping[str, object]:
    named = [key for key in map(whole_number, request.GET.getlist("image")) if key]
    region = region_of(request.GET.get("region", ""))
    try:
        meant = images_of(project, Wanted(images=named or None))
    except (Invalid, NothingToProposeOn):
        meant = []
    listed, more = _listed(project, meant)
    ticked = set(listed).intersection(meant)  # what the form sends
    chosen = [image for image in meant if image in ticked]
    if len(chosen) != 1:
        region = None
    pixels = sum(pixels_of(image, region) for image in chosen)
    scales = [image.um_per_px for image in chosen]
    return {
        "project": project,
        "models": [
            {"models": one, "scale": scale_words(one.scale), "warning": scale_warning(scales, one.scale)}
            for one in choices(project)
        ],
        "images": listed,
        "more": more,
        "chosen": {image.pk for image in chosen},
        "chosen_count": len(chosen),
        "megapixels": pixels / 1e6,
        "estimate": estimate_of(pixels) if chosen else None,
        "region": region,
        "only": chosen[0] if len(chosen) == 1 else None,
        "back": request.GET.get("back", ""),
        "devices": list(DEVICES.items()),
        "may": acts_of(project, project.role_of(request.user)),
        "own_scale": _scales_in_words(scales),
    }


def _listed(project: Project, meant: list[Image]) -> tuple[list[Image], int]:
    """The images that can be ticked, those that are meant first, and how many there are besides."""
    keys = {image.pk for image in meant}
    meant_first = sorted(project.images.order_by("position"), key=lambda image: image.pk not in keys)
    return meant_first[:LISTED], max(0, len(meant_first) - LISTED)


def _scales_in_words(scales: list[float | None]) -> str:
    known = sorted({scale for scale in scales if scale is not None})
    if not known:
        return _("not stated")
    if len(known) == 1:
        return _("{scale:g} µm per pixel").format(scale=known[0])
    return _("{least:g} to {most:g} µm per pixel").format(least=known[0], most=known[-1])


def region_of(text: str) -> Region | None:
    """ "x,y,w,h" of an address; None for anything else."""
    parts = [whole_number(part, largest=2**31) for part in text.split(",")]
    if len(parts) != 4 or any(part is None for part in parts):
        return None
    x, y, width, height = (part or 0 for part in parts)
    return x, y, width, height


def _start(request: Request, project: Project) -> Job:
    """Raises LabelingError."""
    keys = [key for key in map(whole_number, request.POST.getlist("image")) if key]
    if not keys:
        raise Invalid(_("choose an image to propose cells on"), field="image")
    models = _chosen(project, request.POST.get("models", FROM_SHIPPED))
    wanted = Wanted(
        images=keys,
        region=region_of(request.POST.get("region", "")),
        **models.named,
        device=request.POST.get("device", "auto"),
    )
    return propose(project=project, by=request.user, wanted=wanted)


def _chosen(project: Project, key: str) -> Models:
    for models in choices(project):
        if models.key == key:
            return models
    raise Invalid(_("these models are there no more; choose others"), field="models")
