"""Certificates on pages: plan a lot, judge its sample, see what it shows, accept the rest, take that back."""

from collections.abc import Callable

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods

from inference.certificates.planning import SHOWN_ERRORS
from labeling.jobs.models import Job
from labeling.projects.models import Project
from labeling.reviews.certificates import services
from labeling.reviews.certificates.api import act_on, changes_of, reach_lot
from labeling.reviews.certificates.contract import lot_in_full
from labeling.reviews.certificates.models import Lot
from labeling.site.forms.certificates import LotForm
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in

SHOWN = 50  # the newest lots
OUTCOMES = {
    "passed": gettext_noop("claim holds"),
    "open": gettext_noop("undecided so far"),
    "failed": gettext_noop("claim not reached"),
    "left_out": gettext_noop("left out: too few cells"),
}
ACTS = ("accept", "reverse", "withdraw")
DONE = {
    "accept": gettext_noop("The rest is being accepted. You can leave this page."),
    "reverse": gettext_noop("The acceptance is being taken back. You can leave this page."),
    "withdraw": gettext_noop("The lot is withdrawn."),
}


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def certificates(request: Request, project: int) -> HttpResponse:
    """The lots of a project, and the form of a new one. A POST plans it."""
    found = reach_project(request, "manage" if request.method == "POST" else "export", project)
    form = LotForm(request.POST if request.method == "POST" else None, project=found)
    if request.method == "POST" and form.is_valid():
        lot = attempt(request, lambda: _plan(request, found, form))
        return redirect("project-certificates", found.pk) if lot is None else redirect("certificate", lot.pk)
    lots = Lot.objects.visible_to(request.user).filter(project=found).select_related("made_by")[:SHOWN]
    context = {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "form": form,
        "lots": lots,
    }
    return render(request, "site/certificates.html", context, status=422 if form.is_bound else 200)


def _plan(request: Request, project: Project, form: LotForm) -> Lot:
    return services.plan_lot(project=project, by=request.user, wanted=form.wanted())


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def certificate(request: Request, lot: int) -> HttpResponse:
    """One lot: the plan, the sample to judge, what it shows. A POST accepts the rest, takes that back, or withdraws."""
    if request.method == "POST":
        found = reach_lot(request.user, "manage", lot)
        act = request.POST.get("act", "")
        if act in ACTS:
            attempt(request, _acting(found, request, act), done=_(DONE[act]))
        return redirect("certificate", found.pk)
    found = reach_lot(request.user, "export", lot)
    shown = lot_in_full(found, changes_of(found))
    last = Job.objects.filter(project=found.project, kind=Job.Kind.CERTIFICATE, request__lot=found.pk).first()
    context = {
        "project": found.project,
        "may": acts_of(found.project, found.project.role_of(request.user)),
        "lot": found,
        "shown": shown,
        "groups": [(group, OUTCOMES[group.outcome]) for group in shown.groups],
        "errors_at": SHOWN_ERRORS,
        "passed": any(group.outcome == "passed" for group in shown.groups),
        "job": last if last is not None and last.is_active else None,
        "failed": last if last is not None and last.state == Job.State.FAILED else None,
        "done": last if last is not None and last.state == Job.State.DONE else None,
    }
    return render(request, "site/certificate.html", context)


def _acting(lot: Lot, request: Request, act: str) -> Callable[[], None]:
    return lambda: act_on(lot, request.user, act)
