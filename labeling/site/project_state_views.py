"""Archiving, deleting, restoring and copying a project."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError, sentence
from labeling.rounds.execution.archiving import archive_project, delete_project, restore_project
from labeling.site import settings_views
from labeling.site.forms.projects import CopyForm
from labeling.site.requests import Request, attempt, reach_project, signed_in
from labeling.upkeep.copying import copy_project


@signed_in
@require_POST
def archive(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "archive", project)
    done = _("{name} is archived. Nothing was deleted.").format(name=found.name)
    attempt(request, lambda: archive_project(project=found, by=request.user), done=done)
    return redirect("project", found.pk)


@signed_in
@require_POST
def restore(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "archive", project)
    restored = attempt(request, lambda: restore_project(project=found, by=request.user))
    if restored is not None:
        words = _("{name} is in use again.") if restored.archived_at is None else _("{name} is archived, as before.")
        messages.success(request, words.format(name=found.name))
    return redirect("project", found.pk)


@signed_in
@require_POST
def delete(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "delete", project)
    typed = request.POST.get("typed", "")
    try:
        deleted = delete_project(project=found, typed=typed, by=request.user)
    except LabelingError as error:
        return settings_views.show(request, found, status=error.status, deletion_problem=sentence(error))
    assert deleted.removed_at is not None
    words = _("{name} is deleted. Owners can restore it until {date}.")
    messages.success(request, words.format(name=found.name, date=date_format(deleted.removed_at, "Y-m-d")))
    return redirect("home")


@signed_in
@require_POST
def copy(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "copy", project)
    form = CopyForm(request.POST)
    if form.is_valid():
        try:
            made = copy_project(source=found, by=request.user, **form.chosen())
        except LabelingError as error:
            form.add_error("name" if error.field == "name" else None, sentence(error))
        else:
            messages.success(request, _("This is the copy of {name}.").format(name=found.name))
            return redirect("project", made.project.pk)
    return settings_views.show(request, found, status=422, copy_form=form)
