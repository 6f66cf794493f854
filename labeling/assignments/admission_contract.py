"""Admissions as the API says them."""

from datetime import datetime
from typing import Literal

from labeling.assignments.contract import PersonAnswer, person_answer, person_or_none
from labeling.assignments.models import Admission
from labeling.contract import Answer, Body, Id, QueryId
from labeling.paging import Listing


class AdmissionListing(Listing):
    ordering: Literal["id", "-id"] = "id"
    person: QueryId | None = None


class AdmissionBody(Body):
    """`centre` null: at all centres."""

    person: Id
    label_class: Id
    centre: Id | None = None


class AdmissionAnswer(Answer):
    """`admitted_by` is null for somebody who passed a test; `withdrawn_at` since when it holds no longer."""

    id: int
    person: PersonAnswer
    label_class: int
    centre: int | None
    admitted_by: PersonAnswer | None
    admitted_at: datetime
    withdrawn_at: datetime | None


def admission_answer(row: Admission) -> AdmissionAnswer:
    return AdmissionAnswer(
        id=row.pk,
        person=person_answer(row.person),
        label_class=row.label_class_id,
        centre=row.centre_id,
        admitted_by=person_or_none(row.admitted_by),
        admitted_at=row.admitted_at,
        withdrawn_at=row.withdrawn_at,
    )
