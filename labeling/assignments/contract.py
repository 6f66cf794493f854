"""Workflows and items as the API says them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from labeling.accounts.models import User
from labeling.assignments.models import ItemEvent, Reading, Workflow, WorkItem
from labeling.assignments.services import MOST_ASSIGNED
from labeling.contract import Answer, Body, Id, QueryId, Text
from labeling.paging import Listing

StateName = Literal["to_do", "in_work", "in_review", "sent_back", "done"]
ReadingStateName = Literal["assigned", "open", "finished", "sent_back", "skipped", "released"]


class PersonAnswer(Answer):
    id: int
    name: str


class WorkflowAnswer(Answer):
    readings: int
    more_percent: int
    seed: int
    has_review: bool
    reviews_own_work: bool
    lease_hours: int
    declared_at: datetime


class WorkflowOfProject(Answer):
    """`workflow` is null for a simple project; `counts` is the number of items in each state."""

    workflow: WorkflowAnswer | None
    counts: dict[StateName, int]


class WorkflowBody(Body):
    """What is left out stays as it is, or as a new workflow has it. The limits are the service's."""

    readings: int | None = None
    more_percent: int | None = None
    has_review: bool | None = None
    reviews_own_work: bool | None = None
    lease_hours: int | None = None


class ReadingAnswer(Answer):
    reader: PersonAnswer
    state: ReadingStateName
    since: datetime
    lease_until: datetime | None
    reason: str


class ImageName(Answer):
    id: int
    name: str


class ItemAnswer(Answer):
    """`free` is how many readings nobody has taken yet. Where people read apart, readings are one's own."""

    id: int
    image: ImageName
    state: StateName
    wanted: int
    free: int
    priority: float
    since: datetime
    done_at: datetime | None
    reviewer: PersonAnswer | None
    readings: list[ReadingAnswer]


class ItemAfterAct(ItemAnswer):
    """`left` is how many images the person who acted has or may still get."""

    left: int


class EventAnswer(Answer):
    act: str
    by: PersonAnswer | None
    reader: PersonAnswer | None
    state: StateName
    comment: str
    at: datetime


class ItemInFull(ItemAnswer):
    events: list[EventAnswer]


class ClaimedAnswer(Answer):
    """`item` is null when nothing is left."""

    item: ItemAnswer | None


class LeaseAnswer(Answer):
    """`lease_until` is null for what was sent back: it stays with its reader."""

    lease_until: datetime | None


class AssignedAnswer(Answer):
    assigned: int


class LateAnswer(Answer):
    """Work that one person sent for an item after it was done."""

    item: int
    image: ImageName
    author: PersonAnswer
    operations: int
    first_at: datetime
    last_at: datetime


class DecidedAnswer(Answer):
    """Verdict of the log, or "discarded" -> number of operations."""

    verdicts: dict[str, int]


class ItemListing(Listing):
    ordering: Literal["id", "-id", "since", "-since", "priority", "-priority"] = "id"
    state: StateName | None = None
    reader: QueryId | None = None


class AssignBody(Body):
    items: Annotated[list[Id], Field(max_length=MOST_ASSIGNED)]
    readers: Annotated[list[Id], Field(max_length=100)]


class SkipBody(Body):
    reason: Text


class ReleaseBody(Body):
    """`reader`: whose reading goes back; left out: one's own."""

    reader: Id | None = None


class CommentBody(Body):
    comment: Text = ""


class LateBody(Body):
    author: Id
    act: Literal["apply", "discard"]


def person_answer(user: User) -> PersonAnswer:
    return PersonAnswer(id=user.pk, name=user.display_name)


def _person_or_none(user: User | None) -> PersonAnswer | None:
    return person_answer(user) if user else None


def item_answer(item: WorkItem, *, only: User | None) -> ItemAnswer:
    """An item with its readings; `only`: with the readings of this person and nothing of the others."""
    shown = [reading for reading in item.readings.all() if only is None or reading.reader_id == only.pk]
    return ItemAnswer(
        id=item.pk,
        image=ImageName(id=item.image_id, name=item.image.name),
        state=item.state,  # type: ignore[arg-type]
        wanted=item.wanted,
        free=item.free,
        priority=item.priority,
        since=item.since,
        done_at=item.done_at,
        reviewer=_person_or_none(item.reviewer) if only is None else None,
        readings=[reading_answer(reading) for reading in shown],
    )


def reading_answer(reading: Reading) -> ReadingAnswer:
    return ReadingAnswer(
        reader=person_answer(reading.reader),
        state=reading.state,  # type: ignore[arg-type]
        since=reading.since,
        lease_until=reading.lease_until,
        reason=reading.reason,
    )


def event_answer(event: ItemEvent) -> EventAnswer:
    return EventAnswer(
        act=event.act,
        by=_person_or_none(event.by),
        reader=_person_or_none(event.reader),
        state=event.state,  # type: ignore[arg-type]
        comment=event.comment,
        at=event.at,
    )


def workflow_answer(workflow: Workflow | None, counts: dict[str, int]) -> WorkflowOfProject:
    found = WorkflowAnswer.model_validate(workflow) if workflow else None
    return WorkflowOfProject(workflow=found, counts=counts)  # type: ignore[arg-type]
