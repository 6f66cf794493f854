"""The page Learning of a project: what is asked, one's attempts and their fields; and the workspace of one field."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods

from labeling.assignments.rules import admissions_of
from labeling.errors import Archived, sentence
from labeling.guidelines.services import NotAcknowledged
from labeling.projects.models import MAY, Project
from labeling.qualification import services
from labeling.qualification.models import Attempt, AttemptField, Curriculum
from labeling.site.forms.team import CurriculumForm
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def learning(request: Request, project: int) -> HttpResponse:
    """POST begins or goes on with a training or a test (`kind`), or declares what is asked (`declare`)."""
    if request.method != "POST":
        return show(request, reach_project(request, "see", project))
    if "declare" in request.POST:
        found = reach_project(request, "manage", project)
        form = CurriculumForm(request.POST, images=services.reference_images(found))
        if not form.is_valid():
            return show(request, found, status=422, form=form)
        asked = form.cleaned_data
        done = _("Saved. Attempts that were begun keep the version before.")
        attempt(request, lambda: services.declare_curriculum(project=found, by=request.user, **asked), done=done)
        return redirect("learning", found.pk)
    found = reach_project(request, "annotate", project)
    kind = Attempt.Kind.TEST if request.POST.get("kind") == Attempt.Kind.TEST else Attempt.Kind.TRAINING
    try:
        begun = attempt(
            request,
            lambda: services.begin_attempt(project=found, person=request.user, kind=kind),
            besides=NotAcknowledged,
        )
    except NotAcknowledged as error:
        messages.warning(request, sentence(error))
        return redirect("guidelines", found.pk)
    following = begun.fields.filter(done_at__isnull=True).first() if begun else None
    return redirect("learning-field", following.pk) if following else redirect("learning", found.pk)


def _initial(curriculum: Curriculum) -> dict[str, object]:
    """What the form of a new version begins with."""
    return {
        "training": curriculum.training,
        "least_cells": curriculum.least_cells,
        "least_patients": curriculum.least_patients,
        "least_share": curriculum.least_share,
    }


def show(request: Request, found: Project, *, status: int = 200, form: CurriculumForm | None = None) -> HttpResponse:
    may = acts_of(found, found.role_of(request.user))
    curriculum = services.current_curriculum(found)
    rows = Attempt.objects.filter(curriculum__project=found).select_related("curriculum", "person")
    if "oversee" not in may:
        rows = rows.filter(person=request.user)
    images = services.reference_images(found) if "manage" in may else []
    initial = _initial(curriculum) if curriculum else {}
    context = {
        "project": found,
        "may": may,
        "curriculum": curriculum,
        "attempts": list(rows.prefetch_related("fields").order_by("-pk")[:100]),
        "admissions": list(admissions_of(found, request.user)),
        "form": form or CurriculumForm(images=images, initial=initial),
        "has_reference": bool(images),
        "learns_first": curriculum is not None and services.learns_first(curriculum, request.user),
    }
    return render(request, "site/learning.html", context, status=status)


@signed_in
@ensure_csrf_cookie
@require_http_methods(["GET", "HEAD", "POST"])
def learning_field(request: Request, field: int) -> HttpResponse:
    """The field in the workspace, opened by POST; a finished training field shows what was right. POST with `finish`
    ends it and leads to the next."""
    visible = Project.objects.visible_to(request.user)
    rows = AttemptField.objects.select_related("attempt__curriculum__project", "sheet")
    found = get_object_or_404(rows, pk=field, attempt__person=request.user, attempt__curriculum__project__in=visible)
    project = found.attempt.curriculum.project
    if project.role_of(request.user) not in MAY["annotate"]:
        return redirect("learning", project.pk)
    if request.method == "POST":
        return _act(request, found, project)
    is_training = found.attempt.kind == Attempt.Kind.TRAINING
    if found.done_at is not None and not is_training:
        return redirect("learning", project.pk)
    context: dict[str, Any] = {
        "field": found,
        "project": project,
        "total": found.attempt.fields.count(),
    }
    if found.done_at is None and found.sheet is not None:
        context["image"] = found.sheet.images.get()
        return render(request, "site/learning_field.html", context)
    context["following"] = found.attempt.fields.filter(done_at__isnull=True).first()
    if found.done_at is not None:
        context["judged"] = services.feedback(field_id=found.pk, person=request.user)
    return render(request, "site/learning_result.html", context)


def _act(request: Request, found: AttemptField, project: Project) -> HttpResponse:
    if "finish" not in request.POST:
        attempt(request, lambda: services.open_field(field_id=found.pk, person=request.user), besides=Archived)
        return redirect("learning-field", found.pk)
    ended = attempt(request, lambda: services.finish_field(field_id=found.pk, person=request.user), besides=Archived)
    if ended is not None and ended.kind == Attempt.Kind.TEST:
        following = ended.fields.filter(done_at__isnull=True).first()
        return redirect("learning-field", following.pk) if following else redirect("learning", project.pk)
    return redirect("learning-field", found.pk)
