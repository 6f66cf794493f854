"""The parts of the settings page about patients, splits and storage: plain forms over the services."""

from collections.abc import Callable, Mapping

from django.conf import settings as site_settings
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from labeling.errors import Invalid
from labeling.images.assigning import assign_splits, planned
from labeling.images.name_stating import state_by_names
from labeling.images.patients import PatientWithdrawal, Split, SplitChange
from labeling.images.quota import in_gib, quota_of
from labeling.images.splits import move_patients
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.rounds.results.split_notes import split_sentence
from labeling.site.requests import Request, attempt, reach_project, signed_in
from labeling.site.storage_names import STORAGE_NAMES
from labeling.upkeep.deleting import delete_images, restorable, restore_images
from labeling.upkeep.storage import REMOVABLE, clean_up, usage

MOST_PATIENTS = 300  # of the table and the choice
CHANGES = 10  # the newest, shown
DELETED = 100  # images that can be restored, shown


def patients_panel(project: Project) -> dict[str, object]:
    """What the page shows of patients and splits."""
    present = Q(images__deleted_at__isnull=True)
    patients = project.patients.select_related("centre").annotate(count=Count("images", filter=present))
    named = patients.filter(count__gt=0)
    changes = SplitChange.objects.filter(project=project).select_related("by")[:CHANGES]
    withdrawals = PatientWithdrawal.objects.filter(patient__project=project)
    return {
        "patients": list(named[:MOST_PATIENTS]),
        "patient_count": named.count(),
        "without_patient": project.images.filter(patient__isnull=True).count(),
        "pattern_example": "{centre}_{patient}_{slide}.png",  # the same in every language
        "split_choices": [(value, _(label)) for value, label in Split.choices],
        "withdrawals": list(withdrawals.select_related("patient__centre").order_by("-pk")[:MOST_PATIENTS]),
        "split_changes": [split_sentence(change) for change in changes],
    }


def storage_panel(project: Project) -> dict[str, object]:
    """What the page shows of the storage."""
    sizes = usage(project)
    quota = quota_of(project)
    return {
        "storage": [(str(STORAGE_NAMES[kind]), in_gib(size)) for kind, size in sizes.items()],
        "quota": in_gib(quota) if quota is not None else "",
        "deleted_images": list(restorable(project).order_by("-deleted_at")[:DELETED]),
        "grace_days": site_settings.IMAGE_GRACE_DAYS,
    }


@signed_in
@require_POST
def patients(request: Request, project: int) -> HttpResponse:
    """Move a patient, assign all of them, or state them by the names of the images."""
    found = reach_project(request, "manage", project)
    acts = {"move": move, "assign": assign, "names": by_names}
    return acted(request, found, acts, "patients")


@signed_in
@require_POST
def storage(request: Request, project: int) -> HttpResponse:
    """Delete ticked images, restore one, or clean up."""
    found = reach_project(request, "manage", project)
    acts = {"delete": delete, "restore": restore, "clean": clean}
    return acted(request, found, acts, "storage")


Act = Callable[[Request, Project], str]


def acted(request: Request, found: Project, acts: Mapping[str, Act], part: str) -> HttpResponse:
    """Do what the form asks for; what came of it, or why not, is said on the page."""
    act = acts.get(request.POST.get("act", ""))
    if act is not None:
        done = attempt(request, lambda: act(request, found))
        if done:
            messages.success(request, done)
    if request.POST.get("from") == "images":
        return redirect(f"{reverse('project-images', args=[found.pk])}?view=list")
    return redirect(f"{reverse('project-settings', args=[found.pk])}#{part}")


def move(request: Request, found: Project) -> str:
    key = whole_number(request.POST.get("patient"))
    if key is None:
        raise Invalid(_("choose a patient"), field="patient")
    split, reason = request.POST.get("split") or None, request.POST.get("reason", "")
    moved = move_patients(project=found, splits={key: split}, by=request.user, reason=reason)
    return split_sentence(moved[0]) if moved else _("This patient is there already.")


def assign(request: Request, found: Project) -> str:
    shares = {split: float(whole_number(request.POST.get(split)) or 0) for split in Split.values}
    seed = whole_number(request.POST.get("seed")) or 0
    if "preview" in request.POST:
        made = planned(found, shares, seed)
        words = _("Patients and single images that would move: {n}. Then: {counts}.")
    else:
        made = assign_splits(project=found, shares=shares, seed=seed, by=request.user)
        words = _("Patients and single images that moved: {n}. Now: {counts}.")
    counts = []
    for split, of_centre in made.counts.items():
        counts.append(f"{_(Split(split).label)} {sum(of_centre.values())}")
    message = words.format(n=made.moved, counts=", ".join(counts))
    kept = _("The test part is sealed and stays as it is.")
    return f"{message} {kept}" if made.kept_test else message


def by_names(request: Request, found: Project) -> str:
    dry_run = "preview" in request.POST
    pattern, reason = request.POST.get("pattern", ""), request.POST.get("reason", "")
    made = state_by_names(project=found, pattern=pattern, by=request.user, reason=reason, dry_run=dry_run)
    fitting = [match for match in made.matches if match.parts]
    message = _("Names that fit: {fitting}; that do not: {not_fitting}; images that change: {changed}.").format(
        fitting=made.fitting, not_fitting=made.not_fitting, changed=made.changed
    )
    if dry_run and fitting and fitting[0].parts:
        parts = ", ".join(f"{name}: {value}" for name, value in fitting[0].parts.items())
        message += " " + _("For example {name}: {parts}.").format(name=fitting[0].image.name, parts=parts)
    return message


def delete(request: Request, found: Project) -> str:
    ticked = [key for key in map(whole_number, request.POST.getlist("chosen")) if key is not None]
    if not ticked:
        raise Invalid(_("tick the images first"), field="chosen")
    n = delete_images(project=found, images=ticked, by=request.user)
    days = site_settings.IMAGE_GRACE_DAYS
    words = ngettext(
        "{n} image deleted. It can be restored for {days} days.",
        "{n} images deleted. They can be restored for {days} days.",
        n,
    )
    return words.format(n=n, days=days)


def restore(request: Request, found: Project) -> str:
    key = whole_number(request.POST.get("image")) or 0
    n = restore_images(project=found, images=[key], by=request.user)
    return ngettext("{n} image restored.", "{n} images restored.", n).format(n=n)


def clean(request: Request, found: Project) -> str:
    kinds = [kind for kind in request.POST.getlist("kinds") if kind in REMOVABLE]
    if not kinds:
        raise Invalid(_("tick what shall be removed"), field="kinds")
    dry_run = "preview" in request.POST
    removed = clean_up(project=found, kinds=kinds, dry_run=dry_run)
    total = in_gib(sum(one.bytes for one in removed))
    words = _("Would free {size}.") if dry_run else _("Freed {size}.")
    return words.format(size=total)
