"""The page of one class: its place in the hierarchy, retiring it, and merging it into another one."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.label_classes.merging import has_stopped, jobs_of, merge_class, take_back
from labeling.label_classes.models import ClassMerge
from labeling.label_classes.uses import uses_of
from labeling.numbers import whole_number
from labeling.projects.classes import restore_class, retire_class, set_parent
from labeling.projects.models import LabelClass, Project
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def label_class(request: Request, project: int, label_class: int) -> HttpResponse:
    """With `into` what a merge into that class would change. POST does what its field `act` says."""
    if request.method != "POST":
        found = reach_project(request, "oversee", project)
        return show(request, found, get_object_or_404(found.classes, pk=label_class))
    found = reach_project(request, "manage", project)
    chosen = get_object_or_404(found.classes, pk=label_class)
    act = ACTS.get(request.POST.get("act", ""))
    if act is not None:
        act(request, chosen)
    return redirect("label-class", found.pk, chosen.pk)


def show(request: Request, found: Project, chosen: LabelClass) -> HttpResponse:
    others = list(found.classes.in_use().exclude(pk=chosen.pk))
    retired_parent = chosen.parent if chosen.parent and chosen.parent not in others else None
    into = _other(chosen, request.GET.get("into", ""))
    merges = ClassMerge.objects.filter(source=chosen).select_related("target", "merged_by", "undone_by")
    context = {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "label_class": chosen,
        "others": others,
        "retired_parent": retired_parent,
        "into": into,
        "uses": uses_of(chosen, request.user),
        "merges": [(merge, jobs_of(merge).first(), has_stopped(merge)) for merge in merges],
    }
    return render(request, "site/label_class.html", context)


def _set_parent(request: Request, chosen: LabelClass) -> None:
    parent = _other(chosen, request.POST.get("parent", ""))
    attempt(request, lambda: set_parent(label_class=chosen, parent=parent), done=_("Saved."))


def _retire(request: Request, chosen: LabelClass) -> None:
    done = _("{name} is retired.").format(name=chosen.name)
    attempt(request, lambda: retire_class(label_class=chosen), done=done)


def _restore(request: Request, chosen: LabelClass) -> None:
    done = _("{name} is offered again.").format(name=chosen.name)
    attempt(request, lambda: restore_class(label_class=chosen), done=done)


def _merge(request: Request, chosen: LabelClass) -> None:
    target = _other(chosen, request.POST.get("into", ""))
    if target is not None:
        done = _("{name} is merged into {other}; its cells follow.").format(name=chosen.name, other=target.name)
        attempt(request, lambda: merge_class(source=chosen, target=target, by=request.user), done=done)


def _take_back(request: Request, chosen: LabelClass) -> None:
    for merge in ClassMerge.objects.filter(source=chosen):
        if str(merge.pk) == request.POST.get("merge"):
            done = _("The merge is taken back; the cells follow.")
            attempt(request, lambda: take_back(merge=merge, by=request.user), done=done)  # noqa: B023 (runs now)


ACTS = {
    "parent": _set_parent,
    "retire": _retire,
    "restore": _restore,
    "merge": _merge,
    "take_back": _take_back,
}


def _other(chosen: LabelClass, sent: str) -> LabelClass | None:
    """Another class of the project, by its key as a form sends it."""
    key = whole_number(sent)
    return None if key is None else LabelClass.objects.filter(project=chosen.project_id, pk=key).first()
