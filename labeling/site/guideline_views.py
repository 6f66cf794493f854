"""The page Guidelines of a project: the version that holds, earlier ones, who has acknowledged it, and writing."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labeling.errors import LabelingError, sentence
from labeling.guidelines import services
from labeling.guidelines.models import Guideline, GuidelineReader
from labeling.guidelines.rendering import as_html
from labeling.numbers import whole_number
from labeling.projects.models import Membership, Project
from labeling.site.forms.guidelines import GuidelineForm, PictureForm
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def guidelines(request: Request, project: int) -> HttpResponse:
    """The version that holds, or with `version` an earlier one. POST writes a new one."""
    if request.method != "POST":
        return show(request, reach_project(request, "see", project))
    found = reach_project(request, "manage", project)
    form = GuidelineForm(request.POST)
    if form.is_valid():
        try:
            written = services.write_guideline(project=found, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            messages.success(request, _("Version {n} holds now.").format(n=written.version))
            return redirect("guidelines", found.pk)
    return show(request, found, status=422, form=form)


def show(request: Request, found: Project, *, status: int = 200, **forms: Any) -> HttpResponse:
    """The whole page; `forms` are the ones that came back with errors."""
    now = services.current_guideline(found)
    shown = _shown(request, found) or now
    may = acts_of(found, found.role_of(request.user))
    initial = {"text": now.text, "must_acknowledge": now.must_acknowledge} if now else {}
    context = {
        "project": found,
        "may": may,
        "now": now,
        "shown": shown,
        "html": as_html(shown) if shown else "",
        "versions": list(found.guidelines.select_related("written_by")[:50]),
        "is_acknowledged": now is None or services.is_acknowledged(now, request.user),
        "form": GuidelineForm(initial=initial),
        "picture_form": PictureForm(),
        "pictures": list(found.guideline_pictures.defer("content")) if "manage" in may else [],
        "readers": _readers(found, now) if now and "oversee" in may else [],
        **forms,
    }
    return render(request, "site/guidelines.html", context, status=status)


def _shown(request: Request, found: Project) -> Guideline | None:
    """The version that the address names; None for none."""
    version = whole_number(request.GET.get("version", ""))
    return found.guidelines.filter(version=version).first() if version is not None else None


def _readers(found: Project, now: Guideline) -> list[tuple[Membership, GuidelineReader | None]]:
    """Each member with what they have done about the version that holds."""
    members: QuerySet[Membership] = found.memberships.select_related("user").order_by("pk")
    by_person = {reader.person_id: reader for reader in now.readers.all()}
    return [(member, by_person.get(member.user_id)) for member in members]


@signed_in
@require_POST
def acknowledge(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "comment", project)
    guideline = get_object_or_404(found.guidelines, version=whole_number(request.POST.get("version", "")))

    def act() -> GuidelineReader:
        return services.read_guideline(guideline=guideline, person=request.user, acknowledges=True)

    attempt(request, act, done=_("Acknowledged."))
    return redirect("guidelines", found.pk)


@signed_in
@require_POST
def add_guideline_picture(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "manage", project)
    form = PictureForm(request.POST, request.FILES)
    if form.is_valid():
        file = form.cleaned_data["file"]
        name = form.cleaned_data["name"] or file.name
        try:
            added = services.add_picture(project=found, by=request.user, name=name, content=file.read())
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            words = _("Added. In the text it stands as ![what it shows]({name}).")
            messages.success(request, words.format(name=added.name))
            return redirect("guidelines", found.pk)
    return show(request, found, status=422, picture_form=form)
