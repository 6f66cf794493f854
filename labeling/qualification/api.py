"""Learning and admission over HTTP."""

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import contract
from labeling.paging import Page, page
from labeling.projects.access import person, reach_project
from labeling.projects.models import MAY, Project
from labeling.qualification import services
from labeling.qualification.contract import (
    AttemptAnswer,
    AttemptBody,
    AttemptFieldAnswer,
    AttemptListing,
    CurriculumAnswer,
    CurriculumBody,
    CurriculumOfProject,
    FeedbackAnswer,
    attempt_answer,
    curriculum_answer,
    field_answer,
    judged_answer,
)
from labeling.qualification.models import Attempt, AttemptField


def reach_field(request: Request, field: int) -> AttemptField:
    """One's own: nobody else opens a field of somebody's training or test."""
    visible = Project.objects.visible_to(person(request))
    rows = AttemptField.objects.filter(attempt__person=person(request), attempt__curriculum__project__in=visible)
    return get_object_or_404(rows, pk=field)


class CurriculumOf(APIView):
    """What the project asks before it admits somebody. POST declares a new version."""

    @contract(answer=CurriculumOfProject)
    def get(self, request: Request, project: int) -> CurriculumOfProject:
        found = services.current_curriculum(reach_project(request, "see", project))
        return CurriculumOfProject(curriculum=curriculum_answer(found) if found else None)

    @once
    @contract(body=CurriculumBody, answer=CurriculumAnswer, status=201)
    def post(self, request: Request, project: int, *, body: CurriculumBody) -> CurriculumAnswer:
        found = reach_project(request, "manage", project)
        made = services.declare_curriculum(project=found, by=person(request), **body.model_dump())
        return curriculum_answer(made)


class AttemptList(APIView):
    """Those who lead see everybody's, others their own. POST begins one, or answers with the open one."""

    @contract(query=AttemptListing, answer=Page[AttemptAnswer])
    def get(self, request: Request, project: int, *, query: AttemptListing) -> Page[AttemptAnswer]:
        found = reach_project(request, "see", project)
        rows = Attempt.objects.filter(curriculum__project=found).select_related("curriculum")
        if found.role_of(person(request)) not in MAY["oversee"]:
            rows = rows.filter(person=person(request))
        if query.person is not None:
            rows = rows.filter(person=query.person)
        rows = rows.prefetch_related("fields__sheet__images")
        return page(rows, request, query, ordering=query.ordering, answer=attempt_answer)

    @once
    @contract(body=AttemptBody, answer=AttemptAnswer, status=201, scope="annotate")
    def post(self, request: Request, project: int, *, body: AttemptBody) -> AttemptAnswer:
        found = reach_project(request, "annotate", project)
        return attempt_answer(services.begin_attempt(project=found, person=person(request), kind=body.kind))


class OpenField(APIView):
    """The copy of the field that you draw on."""

    @contract(answer=AttemptFieldAnswer, scope="annotate")
    def post(self, request: Request, field: int) -> AttemptFieldAnswer:
        found = reach_field(request, field)
        return field_answer(services.open_field(field_id=found.pk, person=person(request)))


class FinishField(APIView):
    """The field is complete. With the last one the attempt ends."""

    @contract(answer=AttemptAnswer, scope="annotate")
    def post(self, request: Request, field: int) -> AttemptAnswer:
        found = reach_field(request, field)
        return attempt_answer(services.finish_field(field_id=found.pk, person=person(request)))


class FieldFeedback(APIView):
    """What is right and wrong about your cells on a training field; missed ones once it is finished."""

    @contract(answer=FeedbackAnswer)
    def get(self, request: Request, field: int) -> FeedbackAnswer:
        found = reach_field(request, field)
        judged = services.feedback(field_id=found.pk, person=person(request))
        return FeedbackAnswer(cells=[judged_answer(one) for one in judged])
