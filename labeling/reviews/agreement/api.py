"""Agreement of readers over HTTP."""

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.agreement.readings import Matching
from labeling.accounts.repeats import once
from labeling.audit.downloads import download
from labeling.contract import contract
from labeling.jobs.contract import JobAnswer, job_answer
from labeling.projects.access import person, reach_project, sees_everybody
from labeling.projects.models import Project
from labeling.projects.services import NotAllowed
from labeling.reviews.agreement.computing import Question, answer, compute
from labeling.reviews.agreement.contract import AgreementAnswer, AgreementBody, AgreementQuery
from labeling.reviews.agreement.tables import as_csv


def reach_agreement(request: Request, project: int) -> Project:
    """A project whose readings the person may compare. Raises Http404, NotAllowed where people read apart for good."""
    found = reach_project(request, "see", project)
    if not sees_everybody(found, person(request)):
        raise NotAllowed("where people read apart, whoever leads sees how far they agree")
    return found


def question_of(asked: AgreementQuery | AgreementBody) -> Question:
    return Question(asked.sight, Matching(asked.by, asked.iou, asked.um), asked.level)


class Agreement(APIView):
    """How far the readers of a project agree, on the images of which all readings are closed."""

    @contract(query=AgreementQuery, answer=AgreementAnswer)
    def get(self, request: Request, project: int, *, query: AgreementQuery) -> AgreementAnswer:
        found = reach_agreement(request, project)
        return answer(project=found, question=question_of(query))

    @once
    @contract(body=AgreementBody, answer=JobAnswer, status=202)
    def post(self, request: Request, project: int, *, body: AgreementBody) -> JobAnswer:
        """Compute it. The job may have ended already: equal readings are computed once."""
        found = reach_agreement(request, project)
        return job_answer(compute(project=found, by=person(request), question=question_of(body)))


class AgreementTable(APIView):
    """The newest report as CSV: a line a figure."""

    @contract(query=AgreementQuery, files=("text/csv",))
    def get(self, request: Request, project: int, *, query: AgreementQuery) -> HttpResponseBase:
        found = reach_agreement(request, project)
        known = answer(project=found, question=question_of(query))
        content = as_csv(known, query.sight)
        name = f"agreement-{found.pk}.csv"
        return download(content, name=name, content_type="text/csv; charset=utf-8", project=found)
