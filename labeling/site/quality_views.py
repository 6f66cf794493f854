"""The page Quality control of a project: that readers are checked and what follows, and the results for their owner."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.errors import LabelingError, sentence
from labeling.projects.models import Project
from labeling.quality_control.models import ControlPlan
from labeling.quality_control.results import BASELINE, results_of
from labeling.quality_control.services import declare_plan
from labeling.site.forms.team import ControlPlanForm
from labeling.site.requests import Request, acts_of, reach_project, signed_in

PLAN_FIELDS = ("owner", "consequence", "control_percent", "repeat_percent", "repeat_days", "drop", "false_alarm")


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def quality_control(request: Request, project: int) -> HttpResponse:
    """POST declares or changes the plan."""
    if request.method != "POST":
        return show(request, reach_project(request, "see", project))
    found = reach_project(request, "manage", project)
    form = ControlPlanForm(request.POST, members=found.memberships.select_related("user"))
    if form.is_valid():
        try:
            declare_plan(project=found, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("quality-control", found.pk)
    return show(request, found, status=422, form=form)


def show(request: Request, found: Project, *, status: int = 200, form: ControlPlanForm | None = None) -> HttpResponse:
    may = acts_of(found, found.role_of(request.user))
    plan = ControlPlan.objects.filter(project=found).select_related("owner").first()
    is_owner = plan is not None and plan.owner_id == request.user.pk
    context = {
        "project": found,
        "may": may,
        "plan": plan,
        "is_owner": is_owner,
        "results": results_of(plan) if plan is not None and is_owner else [],
        "baseline": BASELINE,
    }
    if "manage" in may:
        members = found.memberships.select_related("user")
        context["form"] = form or ControlPlanForm(members=members, initial=_initial(plan, request))
    return render(request, "site/quality_control.html", context, status=status)


def _initial(plan: ControlPlan | None, request: Request) -> dict[str, object]:
    """What the form begins with."""
    if plan is None:
        return {"owner": request.user.pk}
    return {name: getattr(plan, name) for name in PLAN_FIELDS} | {"owner": plan.owner_id}
