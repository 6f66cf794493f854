"""Projects over HTTP."""

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.contract import contract
from labeling.paging import Page, page
from labeling.projects.access import person, reach
from labeling.projects.contract import (
    ProjectAnswer,
    ProjectInFull,
    ProjectListing,
    class_answers,
    member_answer,
)
from labeling.projects.models import Project


class ProjectList(APIView):
    @contract(query=ProjectListing, answer=Page[ProjectAnswer])
    def get(self, request: Request, *, query: ProjectListing) -> Page[ProjectAnswer]:
        projects = Project.objects.visible_to(person(request))
        if query.archived is not None:
            projects = projects.filter(archived_at__isnull=query.archived == "false")
        return page(projects, request, query, ordering=query.ordering, answer=ProjectAnswer.model_validate)


class ProjectDetail(APIView):
    @contract(answer=ProjectInFull)
    def get(self, request: Request, project: int) -> ProjectInFull:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        members = found.memberships.select_related("user").order_by("pk")
        return ProjectInFull.model_validate(
            {
                **dict(ProjectAnswer.model_validate(found)),
                "role": found.role_of(person(request)),
                "classes": class_answers(found),
                "members": [member_answer(one) for one in members],
            }
        )
