"""Centres, patients, splits and names of files as the API takes and says them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from labeling.contract import Answer, Body, Id, OneOf, ShortText, Text
from labeling.images.assigning import Assignment
from labeling.images.contract import Reason, SplitName
from labeling.images.name_patterns import LONGEST, Match
from labeling.images.patients import Centre, KnownBy, Patient, SplitChange
from labeling.paging import Listing

Weight = Annotated[float, Field(ge=0, le=1_000_000)]
Named = Annotated[Text, Field(min_length=1, max_length=200)]
MOST_SHOWN = 200  # images of a preview


class CentreListing(Listing):
    ordering: Literal["name", "-name", "id", "-id"] = "name"


class CentreAnswer(Answer):
    id: int
    name: str


class CentreChange(Body):
    name: Named


class PatientListing(Listing):
    """`centre`: "" for patients of whom no centre is stated; `split`: "divided" for those of several parts."""

    ordering: Literal["name", "-name", "id", "-id"] = "name"
    centre: ShortText | None = None
    split: Literal["train", "val", "test", "divided"] | None = None
    text: ShortText | None = None


class PatientAnswer(Answer):
    """`known_by` a block or slide where nobody has named the patient; `split` null: divided between several parts, so
    that figures are optimistic. `label` is the name with the centre, as rounds say it."""

    id: int
    name: str
    known_by: Annotated[str, OneOf(KnownBy)]
    label: str
    centre: str
    split: SplitName | None
    images: int


class PatientChange(Body):
    """`split` moves all images of the patient; null divides the only patient of a project. `seen` is the split that you
    have seen ("" for a divided patient): the change is declined when somebody else has moved the patient since."""

    name: Named | None = None
    centre: ShortText | None = None
    split: SplitName | None = None
    seen: Literal["train", "val", "test", ""] | None = None
    reason: Reason = ""


class Shares(Body):
    train: Weight = 70
    val: Weight = 15
    test: Weight = 15


class AssignSplitsBody(Body):
    """Only the proportions of `shares` count. `dry_run` says what would happen, and does nothing."""

    shares: Shares = Shares()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    dry_run: bool = True
    reason: Reason = ""


class AssignSplitsAnswer(Answer):
    """`images`: split -> centre -> how many images; `kept_test`: the test part is sealed and stays as it is."""

    dry_run: bool
    moved: int
    kept_test: bool
    images: dict[str, dict[str, int]]


class SplitChangeListing(Listing):
    ordering: Literal["-id", "id"] = "-id"


class SplitChangeAnswer(Answer):
    """`before` and `after` are "" for a divided patient; `by` null: a command on the server."""

    id: int
    unit: str
    patient: int | None
    image: int | None
    before: str
    after: str
    how: Annotated[str, OneOf(SplitChange.How)]
    images: int
    by: str | None
    at: datetime
    reason: str
    after_seal: bool


class PatternBody(Body):
    """`images` null: all of the project. `dry_run` says what would be stated, and states nothing."""

    pattern: Annotated[Text, Field(min_length=1, max_length=LONGEST)]
    images: Annotated[list[Id], Field(min_length=1, max_length=100_000)] | None = None
    dry_run: bool = True
    reason: Reason = ""


class MatchAnswer(Answer):
    """What is read of a name; empty where it does not fit the pattern."""

    image: int
    name: str
    parts: dict[str, str]


class PatternAnswer(Answer):
    """`preview`: the first images, those whose names do not fit before the others."""

    dry_run: bool
    fitting: int
    not_fitting: int
    changed: int
    preview: list[MatchAnswer]


def centre_answer(centre: Centre) -> CentreAnswer:
    return CentreAnswer(id=centre.pk, name=centre.name)


def patient_answer(patient: Patient) -> PatientAnswer:
    """patient: annotated with `count`, how many images there are."""
    return PatientAnswer(
        id=patient.pk, name=patient.name, known_by=patient.known_by, label=patient.label,
        centre=patient.centre.name if patient.centre else "", split=patient.split,
        images=patient.count,  # type: ignore[attr-defined]
    )  # fmt: skip


def change_answer(change: SplitChange) -> SplitChangeAnswer:
    return SplitChangeAnswer(
        id=change.pk, unit=change.unit, patient=change.patient_id, image=change.image_id, before=change.before,
        after=change.after, how=change.how, images=change.images, by=change.by.display_name if change.by else None,
        at=change.at, reason=change.reason, after_seal=change.after_seal,
    )  # fmt: skip


def assign_answer(made: Assignment, *, dry_run: bool) -> AssignSplitsAnswer:
    return AssignSplitsAnswer(dry_run=dry_run, moved=made.moved, kept_test=made.kept_test, images=made.counts)


def match_answers(found: list[Match]) -> list[MatchAnswer]:
    ordered = sorted(found, key=lambda match: match.parts is not None)
    return [MatchAnswer(image=m.image.pk, name=m.image.name, parts=m.parts or {}) for m in ordered[:MOST_SHOWN]]
