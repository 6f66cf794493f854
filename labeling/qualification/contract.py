"""Learning and admission as the API says them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from labeling.contract import Answer, Body, Id, QueryId
from labeling.paging import Listing
from labeling.qualification.models import Attempt, AttemptField, Curriculum
from labeling.qualification.results import CellJudged

KindName = Literal["training", "test"]


class CurriculumBody(Body):
    """`training`: images of the locked reference set that people learn from; the others are for tests."""

    training: Annotated[list[Id], Field(max_length=1000)] = []
    least_cells: int = 200
    least_patients: int = 5
    least_share: float = 0.7


class CurriculumAnswer(Answer):
    """A class is passed where the lower end of the interval of its share of right cells reaches `least_share`."""

    version: int
    reference_set: int
    training: list[int]
    least_cells: int
    least_patients: int
    least_share: float
    declared_at: datetime


class CurriculumOfProject(Answer):
    """`curriculum` is null where nobody has declared one."""

    curriculum: CurriculumAnswer | None


class AttemptListing(Listing):
    ordering: Literal["id", "-id"] = "-id"
    person: QueryId | None = None


class AttemptBody(Body):
    kind: KindName


class ClassResultAnswer(Answer):
    """`right` of `judged` cells, with the Clopper-Pearson interval of their share at 95 %."""

    name: str
    judged: int
    right: int
    share: float
    low: float
    high: float
    passed: bool


class AttemptFieldAnswer(Answer):
    """`image` is the copy that the person draws on, once the field is open."""

    id: int
    position: int
    image: int | None
    is_done: bool


class AttemptAnswer(Answer):
    """`version` is that of the curriculum, `guideline` that of the guidelines that held."""

    id: int
    kind: KindName
    person: int
    number: int
    version: int
    guideline: int | None
    begun_at: datetime
    finished_at: datetime | None
    fields: list[AttemptFieldAnswer]
    results: list[ClassResultAnswer]


class JudgedCell(Answer):
    """`annotation` is null for a cell that was missed."""

    annotation: str | None
    box: tuple[float, float, float, float]
    verdict: Literal["right", "other_class", "no_cell", "missed"]
    expected: str | None
    given: str | None


class FeedbackAnswer(Answer):
    cells: list[JudgedCell]


def curriculum_answer(found: Curriculum) -> CurriculumAnswer:
    return CurriculumAnswer(
        version=found.version,
        reference_set=found.reference_set.number,
        training=found.training,
        least_cells=found.least_cells,
        least_patients=found.least_patients,
        least_share=found.least_share,
        declared_at=found.declared_at,
    )


def attempt_answer(attempt: Attempt) -> AttemptAnswer:
    return AttemptAnswer(
        id=attempt.pk,
        kind=attempt.kind,  # type: ignore[arg-type]
        person=attempt.person_id,
        number=attempt.number,
        version=attempt.curriculum.version,
        guideline=attempt.guideline,
        begun_at=attempt.begun_at,
        finished_at=attempt.finished_at,
        fields=[field_answer(field) for field in attempt.fields.all()],
        results=[ClassResultAnswer.model_validate(one) for one in attempt.results],
    )


def field_answer(field: AttemptField) -> AttemptFieldAnswer:
    image = None
    if field.sheet is not None and field.done_at is None:
        image = field.sheet.images.get().pk
    return AttemptFieldAnswer(id=field.pk, position=field.position, image=image, is_done=field.done_at is not None)


def judged_answer(one: CellJudged) -> JudgedCell:
    return JudgedCell(
        annotation=one.uid or None,
        box=one.box,
        verdict=one.verdict,  # type: ignore[arg-type]
        expected=one.expected,
        given=one.given,
    )
