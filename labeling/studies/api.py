"""Time studies over HTTP: what there is, and the numbers of a report. Planning and reading happen on the pages."""

from datetime import datetime
from typing import Annotated, Literal, cast

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.contract import Answer, JsonObject, OneOf, contract
from labeling.errors import WrongState
from labeling.paging import Listing, Page, page
from labeling.projects.access import person, reach, reach_project
from labeling.studies.interim_looks import shows_results
from labeling.studies.models import Study


class StudyListing(Listing):
    ordering: Literal["-id", "id"] = "-id"
    state: Annotated[str, OneOf(Study.State)] | None = None


class TimeStudyAnswer(Answer):
    """`protocol_sha256` is empty until the protocol is frozen."""

    id: int
    project: int
    name: str
    design: Annotated[str, OneOf(Study.Design)]
    state: Annotated[str, OneOf(Study.State)]
    protocol_sha256: str
    created_at: datetime
    readers: int


class ReportAnswer(Answer):
    """Every number of the report, as the bundle holds them (docs/time_study.md)."""

    study: int
    protocol_sha256: str
    numbers: JsonObject


def study_answer(study: Study) -> TimeStudyAnswer:
    return TimeStudyAnswer(
        id=study.pk,
        project=study.project_id,
        name=study.name,
        design=study.design,
        state=study.state,
        protocol_sha256=study.protocol_sha256 or "",
        created_at=study.created_at,
        readers=study.participants.count(),
    )


class StudyList(APIView):
    @contract(query=StudyListing, answer=Page[TimeStudyAnswer])
    def get(self, request: Request, project: int, *, query: StudyListing) -> Page[TimeStudyAnswer]:
        found = reach_project(request, "oversee", project)
        studies = found.studies.filter(**query.model_dump(include={"state"}, exclude_none=True))
        return page(studies, request, query, ordering=query.ordering, answer=study_answer)


def _study(request: Request, study: int) -> Study:
    studies = Study.objects.visible_to(person(request)).select_related("project")
    return reach(studies, person(request), "oversee", pk=study)


class StudyDetail(APIView):
    @contract(answer=TimeStudyAnswer)
    def get(self, request: Request, study: int) -> TimeStudyAnswer:
        return study_answer(_study(request, study))


class StudyReport(APIView):
    """The numbers of the report. 409 until the study is locked: results by arm are hidden until then."""

    @contract(answer=ReportAnswer)
    def get(self, request: Request, study: int) -> ReportAnswer:
        found = _study(request, study)
        if found.state == Study.State.DRAFT or not shows_results(study=found, to=person(request)):
            raise WrongState("results by arm are shown when the study is locked")
        from labeling.studies import reporting  # pandas: ten seconds in a fresh process

        numbers = reporting.numbers_of(found)
        return ReportAnswer(
            study=found.pk, protocol_sha256=found.protocol_sha256 or "", numbers=cast(JsonObject, numbers)
        )
