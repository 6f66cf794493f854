"""Quality control of readers over HTTP: the plan for everybody, the results for its owner."""

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.models import User
from labeling.contract import contract
from labeling.errors import Invalid
from labeling.projects.access import person, reach_project
from labeling.quality_control.contract import ControlPlanAnswer, ControlPlanBody, ControlPlanOfProject, plan_answer
from labeling.quality_control.models import ControlPlan
from labeling.quality_control.services import declare_plan


class ControlPlanOf(APIView):
    """Whether readers are checked, how often, and what follows. POST declares or changes it."""

    @contract(answer=ControlPlanOfProject)
    def get(self, request: Request, project: int) -> ControlPlanOfProject:
        found = reach_project(request, "see", project)
        plan = ControlPlan.objects.filter(project=found).select_related("owner").first()
        if plan is None:
            return ControlPlanOfProject(plan=None)
        return ControlPlanOfProject(plan=self._answer(plan, request))

    @contract(body=ControlPlanBody, answer=ControlPlanAnswer)
    def post(self, request: Request, project: int, *, body: ControlPlanBody) -> ControlPlanAnswer:
        found = reach_project(request, "manage", project)
        owner = User.objects.filter(memberships__project=found, pk=body.owner).first()
        if owner is None:
            raise Invalid(f"{body.owner}: no member of this project has this id", field="owner")
        given = body.model_dump(exclude={"owner"})
        plan = declare_plan(
            project=found,
            by=person(request),
            owner=owner,
            **given,
        )
        return self._answer(plan, request)

    def _answer(self, plan: ControlPlan, request: Request) -> ControlPlanAnswer:
        is_owner = plan.owner_id == person(request).pk
        return plan_answer(plan, has_results=is_owner)
