"""What a project's rounds left behind: its models, which round is current, and how rounds compare."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling.errors import LabelingError, sentence
from labeling.images.models import Image
from labeling.numbers import whole_number
from labeling.projects.access import reach
from labeling.projects.models import Project
from labeling.rounds.models import ModelVersion, Promotion, ReferenceSet, Round, WeightsImport
from labeling.rounds.reference import candidates, current, lock
from labeling.rounds.reference_masks import Added, add_references, referenced, remove_reference
from labeling.rounds.results.drift import over_rounds
from labeling.rounds.results.tuning import request_tuning
from labeling.rounds.weights.importing import MOST_BYTES, import_weights
from labeling.rounds.weights.promotion import change_policy, current_round, figures_of, policy_of, promote, roll_back
from labeling.site.drift_plots import History, histories_of
from labeling.site.requests import Request, acts_of, attempt, reach_project, reach_round, signed_in
from labeling.site.round_progress import SLOW_TO_START

IMPORTS = 20  # shown
DRIFT_ROUNDS = 12  # the newest; each is a file to read


@signed_in
@require_safe
def models(request: Request, project: int) -> HttpResponse:
    """Every model version with where it came from, and the history of which round was current."""
    found = reach_project(request, "see", project)
    versions = found.model_versions.select_related("artifact", "round", "parent", "snapshot", "source__imported_by")
    context: dict[str, Any] = {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "versions": [version_row(version) for version in versions],
        "promotions": Promotion.objects.filter(project=found).select_related("round", "by").order_by("-pk")[:50],
        "current": current_round(found),
        "policy": policy_of(found),
        "finished": found.rounds.filter(state=Round.State.PUBLISHED),
        "reference": reference_of(found),
        "histories": histories(found.rounds.filter(state=Round.State.PUBLISHED)[:DRIFT_ROUNDS]),
        "candidates": candidates(found).count(),
        "referenced": referenced(found),
        "images": list(found.images.only("pk", "name", "project").order_by("position")),
        "origins": ReferenceSet.Origin.choices,
        "most_mib": MOST_BYTES // 2**20,
        **imports_of(found),
    }
    return render(request, "site/models.html", context)


@dataclass(frozen=True)
class VersionRow:
    """A line of the table of versions; a figure that nobody has measured is None."""

    version: ModelVersion
    has_boxes: bool
    box_ap50: float | None
    mask_dice: float | None
    is_optimistic: bool


def version_row(version: ModelVersion) -> VersionRow:
    """A line of the table of versions; a figure that its kind of model has, and that nobody has measured, is None."""
    figures = figures_of(version)
    alone = next(iter(figures.masks.values()), None)  # of its own kind, where it was measured
    return VersionRow(
        version=version,
        has_boxes=version.kind in (ModelVersion.Kind.DETECTOR, ModelVersion.Kind.METHOD),
        box_ap50=figures.box_ap50,
        mask_dice=alone.dice if alone else None,
        is_optimistic=any((figures.elsewhere, figures.seen_before, figures.optimistic)),
    )


def histories(rounds: Iterable[Round]) -> list[History]:
    """How good the rounds were by scanner, centre, stain and patient, whatever order they come in."""
    in_order = sorted(rounds, key=lambda round_: round_.number)
    return histories_of(over_rounds(in_order), in_order)


def imports_of(found: Project) -> dict[str, object]:
    """What was brought along, the newest first, each with the versions it became."""
    brought = list(found.weights_imports.select_related("imported_by").prefetch_related("versions")[:IMPORTS])
    checking = [one for one in brought if one.state == WeightsImport.State.CHECKING]
    late = any(timezone.now() - one.imported_at > SLOW_TO_START for one in checking)
    return {"brought": brought, "checking": bool(checking), "late": late}


@signed_in
@require_safe
@never_cache
def imports(request: Request, project: int) -> HttpResponse:
    """The imports alone, for the poll; when all are checked the page is asked to load anew, with its versions."""
    found = reach_project(request, "see", project)
    context = {"project": found, "may": acts_of(found, found.role_of(request.user)), **imports_of(found)}
    answer = render(request, "site/parts/weights_imports.html", context)
    if not context["checking"]:
        answer["HX-Refresh"] = "true"
    return answer


@signed_in
@require_POST
def import_own(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "manage", project)
    files = [*request.FILES.getlist("files"), *request.FILES.getlist("folder")]
    given = {"data_licence": request.POST.get("data_licence", ""), "note": request.POST.get("note", "")}
    done = _("The weights are being checked. When they fit, rounds can start from them.")
    attempt(request, lambda: import_weights(project=found, by=request.user, files=files, **given), done=done)
    return redirect(f"{reverse('project-models', args=[found.pk])}#imports-title")


@dataclass(frozen=True)
class LockedReference:
    """patients: those that are named."""

    set: ReferenceSet
    patients: int


def reference_of(found: Project) -> LockedReference | None:
    """The locked reference set in words, or None."""
    locked = current(found)
    if locked is None:
        return None
    return LockedReference(locked, len({e["patient"] for e in locked.images if e["patient"]}))


@signed_in
@require_POST
def lock_reference(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "manage", project)
    readers = whole_number(request.POST.get("readers", "1")) or 0
    given = {"origin": request.POST.get("origin", ""), "note": request.POST.get("note", "").strip()}
    done = _("The reference set is locked. Rounds that start from now on are judged by it.")
    attempt(
        request,
        lambda: lock(project=found, by=request.user, readers=readers, **given),
        done=done,
    )
    return redirect("project-models", found.pk)


@signed_in
@require_POST
def add_masks(request: Request, project: int) -> HttpResponse:
    """Label maps as reference masks: for the images of their names, or one for the image that was chosen."""
    found = reach_project(request, "manage", project)
    files = request.FILES.getlist("masks")
    chosen = request.POST.get("image", "")
    image = found.images.filter(pk=int(chosen)).first() if re.fullmatch("[0-9]{1,18}", chosen) else None
    replace = "replace" in request.POST

    def add() -> tuple[list[Added], list[LabelingError]]:
        return add_references(project=found, files=files, image=image, replace=replace)

    result = attempt(request, add)
    added, declined = result if result else ([], [])
    for one in added:
        text = ngettext("{image}: {n} reference cell.", "{image}: {n} reference cells.", one.cells)
        messages.success(request, text.format(image=one.image.name, n=one.cells))
        for note in one.notes:
            messages.warning(request, note)
    for error in declined:
        messages.error(request, sentence(error, begins_with_a_name=True))
    return redirect(f"{reverse('project-models', args=[found.pk])}#masks-title")


@signed_in
@require_POST
def remove_masks(request: Request, image: int) -> HttpResponse:
    found = reach(Image.objects.visible_to(request.user), request.user, "manage", pk=image)
    confirmed = "confirmed" in request.POST
    done = _("The reference masks of {name} are removed.").format(name=found.name)
    notes = attempt(request, lambda: remove_reference(image=found, confirmed=confirmed), done=done)
    for note in notes or ():
        messages.warning(request, note)
    return redirect(f"{reverse('project-models', args=[found.project_id])}#masks-title")


@signed_in
@require_POST
def policy(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "manage", project)
    promotes, licence = "promotes_itself" in request.POST, request.POST.get("data_licence", "")
    attempt(request, lambda: change_policy(project=found, promotes_itself=promotes, data_licence=licence))
    return redirect("project-models", found.pk)


@signed_in
@require_POST
def promote_round(request: Request, round: int) -> HttpResponse:
    found = reach_round(request, "manage", round)
    done = _("The proposals of round {n} are the current ones. Nothing was deleted.").format(n=found.number)
    attempt(request, lambda: promote(round_=found, by=request.user), done=done)
    return redirect(found)


@signed_in
@require_POST
def roll_back_rounds(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "manage", project)
    done = _("The earlier round's proposals are current again. Nothing was deleted.")
    attempt(request, lambda: roll_back(project=found, by=request.user), done=done)
    return redirect("project-models", found.pk)


@signed_in
@require_POST
def tune(request: Request, round: int) -> HttpResponse:
    found = reach_round(request, "manage", round)
    done = _("Settings are being tried on the cached masks; the table appears on this page within a minute or so.")
    attempt(request, lambda: request_tuning(round_=found, by=request.user), done=done)
    return redirect(found)
