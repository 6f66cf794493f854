"""The dashboard over HTTP."""

from dataclasses import asdict
from datetime import date, datetime

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.audit.downloads import download
from labeling.contract import Answer, contract
from labeling.dashboard.numbers import numbers_of
from labeling.dashboard.tables import as_csv
from labeling.projects.access import person, reach_project


class NamedNumber(Answer):
    name: str
    value: float


class DayNumbers(Answer):
    day: date
    readings: int
    images: int


class RoundNumbers(Answer):
    number: int
    box_ap50: float | None
    dice: float | None
    aji: float | None


class AgreementNumbers(Answer):
    """Readings of different `sight` are never pooled."""

    at: datetime
    sight: str
    f1: float | None
    alpha: float | None


class CellTime(Answer):
    """Active seconds for each cell. `everyone` is null for few people, since it would tell how fast single ones are,
    and while a blinded reading is open."""

    own: float | None
    everyone: float | None


class DashboardAnswer(Answer):
    """What this person may see; blinded readings that are not all closed are in no number."""

    states: list[NamedNumber]
    free: int
    days_left: float | None
    days: list[DayNumbers]
    by_person: list[NamedNumber]
    by_class: list[NamedNumber]
    rounds: list[RoundNumbers]
    agreement: list[AgreementNumbers]
    time: CellTime
    storage: list[NamedNumber]


class Dashboard(APIView):
    @contract(answer=DashboardAnswer)
    def get(self, request: Request, project: int) -> DashboardAnswer:
        found = reach_project(request, "see", project)
        return DashboardAnswer.model_validate(asdict(numbers_of(found, person(request))))


class Table(APIView):
    """The same as CSV."""

    @contract(files=("text/csv",))
    def get(self, request: Request, project: int) -> HttpResponseBase:
        found = reach_project(request, "see", project)
        content = as_csv(numbers_of(found, person(request)))
        name = f"dashboard-{found.pk}.csv"
        return download(content, name=name, content_type="text/csv; charset=utf-8", project=found)
