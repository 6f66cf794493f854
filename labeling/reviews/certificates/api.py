"""Certificates over HTTP: plan a lot, judge its sample, accept the rest, take that back, and the whole record."""

import json
from dataclasses import asdict

from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.models import User
from labeling.accounts.repeats import once
from labeling.audit.downloads import download
from labeling.contract import contract
from labeling.errors import WrongState
from labeling.paging import Page, page
from labeling.projects.access import person, reach
from labeling.projects.models import Project
from labeling.reviews.certificates import services
from labeling.reviews.certificates.contract import (
    ActBody,
    CellsAnswer,
    CellsQuery,
    LotAnswer,
    LotBody,
    LotInFull,
    LotListing,
    PointsBody,
    Progress,
    SampleFieldProgress,
    SampleFieldsAnswer,
    VerdictsBody,
    lot_answer,
    lot_in_full,
)
from labeling.reviews.certificates.freezing import changes_since
from labeling.reviews.certificates.missed import annotate_field, shown_field
from labeling.reviews.certificates.models import Lot, LotState
from labeling.reviews.certificates.record import record_of
from labeling.reviews.certificates.showing import shown_cells


def reach_lot(user: User, act: str, lot: int) -> Lot:
    lots = Lot.objects.visible_to(user).select_related("project", "made_by", "accepted_by")
    return reach(lots, user, act, pk=lot)


def changes_of(lot: Lot) -> list[str]:
    """Why an open lot is not what was frozen; of any other lot nobody asks."""
    return changes_since(list(lot.images.all())) if lot.state == LotState.OPEN else []


def act_on(lot: Lot, by: User, act: str) -> None:
    """Raises what the services raise."""
    if act == "accept":
        services.accept_rest(lot_id=lot.pk, by=by)
    elif act == "reverse":
        services.reverse_acceptance(lot_id=lot.pk, by=by)
    else:
        services.withdraw_lot(lot_id=lot.pk, by=by)


class Certificates(APIView):
    """The lots of a project for which a certificate was sought."""

    @contract(query=LotListing, answer=Page[LotAnswer])
    def get(self, request: Request, project: int, *, query: LotListing) -> Page[LotAnswer]:
        visible = Project.objects.visible_to(person(request))
        found = reach(visible, person(request), "export", project="", pk=project)
        lots = Lot.objects.visible_to(person(request)).filter(project=found)
        if query.state is not None:
            lots = lots.filter(state=query.state)
        return page(
            lots.select_related("made_by", "accepted_by"), request, query, ordering=query.ordering, answer=lot_answer
        )

    @once
    @contract(body=LotBody, answer=LotInFull, status=201)
    def post(self, request: Request, project: int, *, body: LotBody) -> LotInFull:
        """Freeze a lot and draw its sample."""
        visible = Project.objects.visible_to(person(request)).filter(is_sheet=False)
        found = reach(visible, person(request), "manage", project="", pk=project)
        wanted = services.Wanted(**body.model_dump())
        lot = services.plan_lot(project=found, by=person(request), wanted=wanted)
        return lot_in_full(lot, [])


class CertificateDetail(APIView):
    """One lot: its plan, and what its sample shows so far."""

    @contract(answer=LotInFull)
    def get(self, request: Request, lot: int) -> LotInFull:
        found = reach_lot(person(request), "export", lot)
        return lot_in_full(found, changes_of(found))

    @contract(body=ActBody, answer=LotInFull)
    def post(self, request: Request, lot: int, *, body: ActBody) -> LotInFull:
        """Accept the rest, take that back, or give the lot up. Accepting and taking back go on as a job."""
        found = reach_lot(person(request), "manage", lot)
        act_on(found, person(request), body.act)
        found.refresh_from_db()
        return lot_in_full(found, [])


class CertificateCells(APIView):
    """The cells of the sample that nobody has judged: pictures, outlines and classes, and nothing of where they come
    from."""

    @contract(query=CellsQuery, answer=CellsAnswer)
    def get(self, request: Request, lot: int, *, query: CellsQuery) -> CellsAnswer:
        found = reach_lot(person(request), "export", lot)
        rows = found.cells.filter(verdict="", position__gt=query.after).select_related("image")
        if not found.cells.exclude(verdict="").exists():
            # Whoever could look at a sample and give it up unjudged would draw until they like it.
            rows = rows.filter(position=1)
        shown = shown_cells(found, list(rows.order_by("position")[: query.limit]))
        return CellsAnswer.model_validate({"cells": shown, **_progress(found)})

    @contract(body=VerdictsBody, answer=Progress, scope="annotate")
    def post(self, request: Request, lot: int, *, body: VerdictsBody) -> Progress:
        found = reach_lot(person(request), "review", lot)
        verdicts = [services.Judged(**one.model_dump()) for one in body.verdicts]
        services.judge(lot_id=found.pk, by=person(request), verdicts=verdicts)
        return Progress.model_validate(_progress(found))


class CertificateFields(APIView):
    """The fields in which every cell is pointed at, for the claim about missed cells. No proposal is shown."""

    @contract(answer=SampleFieldsAnswer)
    def get(self, request: Request, lot: int) -> SampleFieldsAnswer:
        found = reach_lot(person(request), "export", lot)
        shown = shown_field(found) if found.state == LotState.OPEN else None
        field = None if shown is None else asdict(shown)
        return SampleFieldsAnswer.model_validate({"field": field, **_annotated(found)})

    @contract(body=PointsBody, answer=SampleFieldProgress, scope="annotate")
    def post(self, request: Request, lot: int, *, body: PointsBody) -> SampleFieldProgress:
        found = reach_lot(person(request), "review", lot)
        annotate_field(lot_id=found.pk, by=person(request), position=body.position, points=body.points)
        return SampleFieldProgress.model_validate(_annotated(found))


class CertificateRecord(APIView):
    """Plan, seed, sample and verdicts of a lot that is not being judged any more, as a JSON file."""

    @contract(files=("application/json",))
    def get(self, request: Request, lot: int) -> HttpResponseBase:
        found = reach_lot(person(request), "export", lot)
        if found.state == LotState.OPEN:
            raise WrongState(
                _("the record tells which cells were planted; it is given out once nobody judges any more")
            )
        content = json.dumps(record_of(found), indent=1).encode()
        name = f"certificate-{found.project_id}-{found.number}.json"
        return download(content, name=name, content_type="application/json", project=found.project, lot=found.pk)


def _annotated(lot: Lot) -> dict[str, int]:
    return {"annotated": lot.fields.filter(points__isnull=False).count(), "fields": lot.fields.count()}


def _progress(lot: Lot) -> dict[str, int]:
    return {"judged": lot.cells.exclude(verdict="").count(), "total": lot.cells.count()}
