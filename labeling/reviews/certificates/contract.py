"""Lots and their certificates as the API says them."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from inference.certificates.planning import SHOWN_ERRORS
from inference.certificates.results import GroupResult, Outcome
from labeling.assignments.contract import PersonAnswer, person_answer, person_or_none
from labeling.contract import Answer, Body, Id, OneOf, Query
from labeling.paging import Listing
from labeling.reviews.certificates.missed import MOST_FIELDS, MOST_POINTS, missed_of
from labeling.reviews.certificates.models import Lot, LotCell, LotState
from labeling.reviews.certificates.results import Results, missed_words, results_of, shares_of_lot

Share = Annotated[float, Field(gt=0, lt=0.5)]
Keys = Annotated[list[Id], Field(max_length=10_000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
MOST_VERDICTS = 200


class LotListing(Listing):
    ordering: Literal["id", "-id"] = "-id"
    state: Annotated[str, OneOf(LotState)] | None = None


class LotBody(Body):
    """The claim, and what the lot is made of: open proposals of these images and classes; empty for all.

    `planted` known errors are mixed into the sample. `fields`: random ones for the claim about missed cells, 30 at
    least; 0 for no such claim.
    """

    meaning: Annotated[str, OneOf(Lot.Meaning)] = Lot.Meaning.CLASS.value
    tolerated: Share = 0.05
    alpha: Share = 0.05
    images: Keys = []
    classes: Keys = []
    by_centre: bool = False
    planted: Annotated[int, Field(ge=10, le=200)] = 40
    fields: Annotated[int, Field(ge=0, le=MOST_FIELDS)] = 0


class ActBody(Body):
    """`accept` the rest of the classes whose claim is shown, `reverse` that, or `withdraw` the lot."""

    act: Annotated[str, OneOf(["accept", "reverse", "withdraw"])]


class LotGroupAnswer(Answer):
    """A class, perhaps of one centre, with a claim of its own.

    `judged`, `wrong`: of the verdicts that count so far: ten at a time, in the order of judging.
    `sample` 0: it is left out. `chances`: of passing at 1, 2, 3 and 4 % true errors. `limit`: upper confidence limit of
    the share of wrong cells, divided by that of the catch rate; null while nothing is judged.
    """

    label_class: int | None
    name: str
    centre: str
    cells: int
    sample: int
    chances: list[float]
    judged: int
    wrong: int
    limit: float | None
    outcome: Annotated[str, OneOf(Outcome)]


class LotAnswer(Answer):
    """`judged` of `total` cells, planted errors among them. `caught` of the planted ones are only said once the lot is
    no longer judged."""

    id: int
    number: int
    project: int
    state: Annotated[str, OneOf(LotState)]
    meaning: Annotated[str, OneOf(Lot.Meaning)]
    tolerated: float
    alpha: float
    attempt: int
    sha256: str
    images: int
    cells: int
    judged: int
    total: int
    planted: int
    made_by: PersonAnswer
    made_at: datetime
    accepted_by: PersonAnswer | None
    accepted_at: datetime | None


class MissedAnswer(Answer):
    """What random fields show of missed cells. `fields`: drawn; `annotated`: of these; `cells`, `missed`: in those
    that count. `limit`: upper confidence limit of the share of missed cells, averaged over fields; null while fewer
    than 30 fields count."""

    fields: int
    annotated: int
    cells: int
    missed: int
    limit: float | None


class LotInFull(LotAnswer):
    """`errors_at`: the shares of true errors that `chances` are of. `changes`: why the lot is not what was frozen.

    `missed`: what the certificate says of missed cells; `missed_fields`: the figures.
    """

    groups: list[LotGroupAnswer]
    errors_at: list[float]
    catch_rate_limit: float | None
    missed: str
    missed_fields: MissedAnswer
    changes: list[str]


class CellsQuery(Query):
    """At most so many cells that nobody has judged, in the order of judging, beginning after a position."""

    after: Annotated[int, Field(ge=0, lt=2**31)] = 0
    limit: Annotated[int, Field(ge=1, le=50)] = 10


class ShownCell(Answer):
    """A cell to judge. `picture`: JPEG in base64, a square around it with its outline. Where it lies is not said."""

    position: int
    label_class: int | None
    picture: str


class CellsAnswer(Answer):
    cells: list[ShownCell]
    judged: int
    total: int


class VerdictBody(Body):
    position: Annotated[int, Field(ge=1, lt=2**31)]
    verdict: Annotated[str, OneOf(LotCell.Verdict)]
    milliseconds: Annotated[float, Field(ge=0, le=1e9)] | None = None


class VerdictsBody(Body):
    verdicts: Annotated[list[VerdictBody], Field(min_length=1, max_length=MOST_VERDICTS)]


class SampleFieldAnswer(Answer):
    """The next field in which every cell is pointed at. `picture`: JPEG in base64, a square; `frame`: the field in it,
    x0, y0, x1, y1 from 0 to 1. Where it lies is not said."""

    position: int
    picture: str
    frame: tuple[float, float, float, float]


class SampleFieldsAnswer(Answer):
    """`field`: null where none is left, or its image is deleted."""

    field: SampleFieldAnswer | None
    annotated: int
    fields: int


class PointsBody(Body):
    """`points`: x, y in the picture of a field, 0 to 1, one for each cell whose middle lies in the field."""

    position: Annotated[int, Field(ge=1, lt=2**31)]
    points: Annotated[list[tuple[Fraction, Fraction]], Field(max_length=MOST_POINTS)]


class SampleFieldProgress(Answer):
    annotated: int
    fields: int


class Progress(Answer):
    judged: int
    total: int


def lot_answer(lot: Lot) -> LotAnswer:
    return LotAnswer.model_validate(_fields(lot, results_of(lot)))


def lot_in_full(lot: Lot, changes: list[str]) -> LotInFull:
    """Results are said while the lot is judged: the test allows a look at any time. The catch rate is not, so that
    nobody learns which cells were planted."""
    results = results_of(lot)
    is_open = lot.state == LotState.OPEN
    missed = missed_of(lot, shares_of_lot(lot).errors)
    fields = _fields(lot, results) | {
        "groups": [_group(group, result, results) for group, result in zip(lot.groups, results.groups, strict=True)],
        "errors_at": list(SHOWN_ERRORS),
        "catch_rate_limit": None if is_open else results.catching.limit,
        "missed": missed_words(missed),
        "missed_fields": asdict(missed),
        "changes": changes,
    }
    return LotInFull.model_validate(fields)


def _fields(lot: Lot, results: Results) -> dict[str, object]:
    return {
        "id": lot.pk,
        "number": lot.number,
        "project": lot.project_id,
        "state": lot.state,
        "meaning": lot.meaning,
        "tolerated": lot.tolerated,
        "alpha": lot.alpha,
        "attempt": lot.attempt,
        "sha256": lot.sha256,
        "images": lot.images.count(),
        "cells": sum(group["cells"] for group in lot.groups),
        "judged": results.judged,
        "total": results.total,
        "planted": lot.planted,
        "made_by": person_answer(lot.made_by),
        "made_at": lot.made_at,
        "accepted_by": person_or_none(lot.accepted_by),
        "accepted_at": lot.accepted_at,
    }


def _group(group: dict[str, object], result: GroupResult, results: Results) -> dict[str, object]:
    return {
        **group,
        "judged": result.judged,
        "wrong": result.wrong,
        "limit": result.limit if results.judged else None,
        "outcome": result.outcome,
    }
