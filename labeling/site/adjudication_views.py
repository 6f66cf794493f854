"""The page on which a third person decides where the readings of an image differ."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from inference.agreement.consensus import Method
from inference.agreement.readings import Matching
from labeling.errors import LabelingError, sentence
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.projects.access import reach
from labeling.reviews.consensus.deciding import decline_reader, lock_as_reference
from labeling.reviews.consensus.making import Parameters, ask_for_consensus, closed_item
from labeling.reviews.models import Consensus
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in


def reach_image(request: Request, image: int, act: str) -> Image:
    images = Image.objects.visible_to(request.user).filter(project__is_sheet=False)
    return reach(images.select_related("project", "work_item"), request.user, act, pk=image)


@signed_in
@require_safe
def adjudication(request: Request, image: int) -> HttpResponse:
    found = reach_image(request, image, "export")  # the readings of others; an archived project is looked at
    consensus = Consensus.objects.filter(image=found).select_related("locked_in", "made_by").first()
    jobs = Job.objects.filter(project=found.project, kind=Job.Kind.CONSENSUS, request__image=found.pk)
    last = jobs.order_by("-pk").first()
    context = {
        "project": found.project,
        "image": found,
        "consensus": consensus,
        "places": consensus.disagreements.count() if consensus else 0,
        "job": last if last is not None and last.is_active else None,
        "failed": last if last is not None and last.state == Job.State.FAILED else None,
        "declined": _why_not(request, found),
        "may": acts_of(found.project, found.project.role_of(request.user)),
        "classes": list(found.project.classes.in_use()),
        "shapes": Consensus.Shapes.choices,
        "ways": Consensus.Classes.choices,
    }
    return render(request, "site/adjudication.html", context)


def _why_not(request: Request, found: Image) -> str:
    """Why this person cannot decide here now; "" where they can."""
    try:
        closed_item(found)
        decline_reader(found, request.user)
    except LabelingError as error:
        return sentence(error)
    return ""


@signed_in
@require_POST
def make_consensus(request: Request, image: int) -> HttpResponse:
    found = reach_image(request, image, "review")
    shapes, classes = request.POST.get("shapes", ""), request.POST.get("classes", "")
    if shapes not in Consensus.Shapes.values or classes not in Consensus.Classes.values:
        messages.error(request, _("choose how outlines and classes are decided"))
        return redirect("adjudication", found.pk)
    parameters = Parameters(Matching(), Method(shapes, classes))
    attempt(request, lambda: ask_for_consensus(image=found, by=request.user, parameters=parameters))
    return redirect("adjudication", found.pk)


@signed_in
@require_POST
def lock_consensus(request: Request, project: int) -> HttpResponse:
    """The decided consensuses outside training become the reference of the rounds."""
    found = reach_project(request, "manage", project)
    locked = attempt(request, lambda: lock_as_reference(project=found, by=request.user))
    if locked is not None:
        messages.success(request, _("Locked as reference set {n}: {note}.").format(n=locked.number, note=locked.note))
    return redirect("project-agreement", found.pk)
