"""The consensus of an image and its disagreements as the API says them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from inference.agreement.readings import LEAST_IOU, MOST_UM
from labeling.annotations.contract import MaskAnswer, StateIn
from labeling.annotations.models import Annotation
from labeling.annotations.state import state_of
from labeling.assignments.contract import PersonAnswer, person_answer, person_or_none
from labeling.contract import Answer, Body, OneOf
from labeling.reviews.consensus.making import sides_of
from labeling.reviews.models import Consensus, Disagreement


class ConsensusBody(Body):
    """When cells are one, and how outlines and classes are decided from three readings on."""

    by: Literal["iou", "distance"] = "iou"
    iou: Annotated[float, Field(gt=0, lt=1)] = LEAST_IOU
    um: Annotated[float, Field(gt=0, le=1000)] = MOST_UM
    shapes: Annotated[str, OneOf(Consensus.Shapes)] = Consensus.Shapes.MAJORITY.value
    classes: Annotated[str, OneOf(Consensus.Classes)] = Consensus.Classes.MAJORITY.value


class ParametersAnswer(Answer):
    by: Literal["iou", "distance"]
    iou: float
    um: float
    shapes: Annotated[str, OneOf(Consensus.Shapes)]
    classes: Annotated[str, OneOf(Consensus.Classes)]


class SideCell(Answer):
    """A cell as one of the readers has drawn it; which one is not said."""

    box: tuple[float, float, float, float]
    label_class: int | None
    mask: MaskAnswer | None


class DisagreementAnswer(Answer):
    """`sides`: what stands beside each other, the left one first; null: no cell. Their order is drawn by chance, and
    nobody is named. `decision` "": nobody has decided yet. `edited`: the cells that somebody has put there instead."""

    id: int
    number: int
    kind: Annotated[str, OneOf(Disagreement.Kind)]
    box: tuple[float, float, float, float]
    sides: list[SideCell | None]
    edited: list[SideCell]
    decision: Annotated[str, OneOf(Disagreement.Decision.values)]
    decided_by: PersonAnswer | None
    decided_at: datetime | None


class ConsensusAnswer(Answer):
    """`open`: places that nobody has decided. `locked`: number of the reference set that holds it."""

    image: int
    layer: str
    parameters: ParametersAnswer
    readings: int
    made_by: PersonAnswer
    made_at: datetime
    open: int
    locked: int | None
    disagreements: list[DisagreementAnswer]


class DecisionBody(Body):
    """`take`: "left", "right", "both", "neither", "edited" with the cells that stand there, or "side 3" and on where
    more than two differ."""

    take: Annotated[str, Field(max_length=20)]
    cells: Annotated[list[StateIn], Field(max_length=10)] = []


class LockedAnswer(Answer):
    """The reference set that now judges the rounds of the project."""

    number: int
    images: int
    readers: int
    note: str


def consensus_answer(made: Consensus, rows: dict[str, Annotation]) -> ConsensusAnswer:
    """rows: uid -> cell of the readings (making.rows_of)."""
    places = list(made.disagreements.select_related("decided_by"))
    return ConsensusAnswer(
        image=made.image_id,
        layer=str(made.layer_id),
        parameters=ParametersAnswer.model_validate(made.parameters),
        readings=len(made.readings),
        made_by=person_answer(made.made_by),
        made_at=made.made_at,
        open=sum(not one.decision for one in places),
        locked=made.locked_in.number if made.locked_in else None,
        disagreements=[disagreement_answer(one, rows) for one in places],
    )


def disagreement_answer(one: Disagreement, rows: dict[str, Annotation]) -> DisagreementAnswer:
    sides = [_side(rows[uid]) if uid and uid in rows else None for uid in sides_of(one)]
    return DisagreementAnswer(
        id=one.pk,
        number=one.number,
        kind=one.kind,
        box=(one.x0, one.y0, one.x1, one.y1),
        sides=sides,
        edited=[_edited(sent) for sent in one.cells],
        decision=one.decision,
        decided_by=person_or_none(one.decided_by),
        decided_at=one.decided_at,
    )


def _side(row: Annotation) -> SideCell | None:
    state = state_of(row)
    if state is None:
        return None
    sent = state.as_json()
    mask = MaskAnswer.model_validate(sent["mask"]) if sent["mask"] else None
    return SideCell(box=state.box, label_class=state.label_class, mask=mask)


def _edited(sent: dict[str, object]) -> SideCell:
    """A cell as somebody has put it there (deciding.decide has checked it)."""
    state = StateIn.model_validate(sent, strict=False)
    mask = MaskAnswer.model_validate(sent["mask"]) if state.mask else None
    return SideCell(box=state.box, label_class=state.label_class, mask=mask)
