"""The page Rounds of a project: those there are, what the next one would meet, and the form that starts it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from inference.documents.methods import DEFAULT, METHODS, PROMPTERS
from labeling.projects.models import Project
from labeling.rounds.configuration import BY_NAME, CHOICES, DEVICES, NAMES, PRESET_NAMES
from labeling.rounds.execution.services import start_round
from labeling.rounds.methods import offered, preselected
from labeling.rounds.models import ModelVersion, Round
from labeling.rounds.readiness import limitations, work_of
from labeling.rounds.results.estimate import estimate
from labeling.rounds.weights.starting import FROM_SHIPPED, KINDS, Start, Starts
from labeling.site.image_rows import image_rows
from labeling.site.project_frame import frame
from labeling.site.requests import Request, attempt, reach_project, signed_in
from labeling.site.round_progress import progress_of


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def rounds(request: Request, project: int) -> HttpResponse:
    """GET: the page. POST: start a round, or line one up behind the round at work."""
    if request.method == "POST":
        return start(request, reach_project(request, "manage", project))
    return show(request, reach_project(request, "see", project))


def show(request: Request, found: Project) -> HttpResponse:
    framed = frame(request, found, image_rows(found, request.user))
    methods = offered(work_of(found).taught_by)
    context: dict[str, object] = {
        **framed,
        "rounds": list(found.rounds.select_related("started_by")),
        "presets": list(PRESET_NAMES.items()),
        "choices": CHOICES,
        "devices": list(DEVICES.items()),
        "methods": methods,
        "method": preselected(methods),
        "prompters": list(PROMPTERS.items()),
        "own_prompters": list(found.model_versions.filter(kind=ModelVersion.Kind.PROMPTER)),
        "starts": starts(found) if "manage" in framed["may"] else [],
    }
    if framed["active"] is not None:
        context |= progress_of(framed["active"]).context() | {"outcome": framed["outcome"]}
    return render(request, "site/rounds.html", context)


@dataclass(frozen=True)
class StartChoices:
    """The versions that a detector or segmenter can start from."""

    kind: str
    versions: list[ModelVersion]


def starts(found: Project) -> list[StartChoices]:
    """What the models of a round can start from: the versions of this project."""
    versions = list(found.model_versions.all())
    return [StartChoices(kind, [v for v in versions if v.kind == kind]) for kind in KINDS]


def start(request: Request, found: Project) -> HttpResponse:
    method = METHODS.get(request.POST.get("method", DEFAULT), METHODS[DEFAULT])
    # The form hides what the chosen method does not have; what was typed there before another was chosen is not meant.
    names = [name for name in NAMES if name not in BY_NAME or BY_NAME[name].is_of(method)]
    options: dict[str, Any] = {
        "preset": request.POST.get("preset", "quick"),
        "changes": {name: request.POST[name].strip() for name in names if request.POST.get(name, "").strip()},
        "same_patient": "same_patient" in request.POST,
        "start": {} if method.is_whole else starts_of(request),
        "line_up": "line_up" in request.POST,
    }
    made = attempt(request, lambda: start_round(project=found, by=request.user, **options))
    if made is None:
        return redirect("project-rounds", found.pk)
    if made.state == Round.State.PLANNED:
        text = _(
            "Round {n} is queued: it starts when the round before it has ended, with the annotations as they are now."
        )
    else:
        text = _("Round {n} is running. You can leave this page; it continues.")
    messages.success(request, text.format(n=made.number))
    return redirect(made)


@signed_in
@require_safe
@never_cache
def before(request: Request, project: int) -> HttpResponse:
    """What will limit a round that is started now, and how long it will take: a part of the project's page."""
    found = reach_project(request, "oversee", project)
    preset, device = (request.GET.get(name, usual) for name, usual in (("preset", "quick"), ("device", "auto")))
    asked = request.GET.get("method", DEFAULT)
    method = asked if asked in METHODS else DEFAULT
    learns = METHODS[method].is_whole or not all(f"{kind}_as_is" in request.GET for kind in KINDS)
    prompter = request.GET.get("prompter", "")
    context = {
        "project": found,
        "limits": limitations(found, learns=learns, method=method, preset=preset, prompter=prompter),
        "time": estimate(found, preset, device=device, method=method),
        "gpu": device == "gpu",
    }
    return render(request, "site/parts/before_round.html", context)


def starts_of(request: Request) -> Starts:
    """What the form says of the weights: DETECTOR_from, DETECTOR_as_is and the same of the segmenter."""
    return {
        kind: Start(request.POST.get(f"{kind}_from") or FROM_SHIPPED, f"{kind}_as_is" in request.POST) for kind in KINDS
    }
