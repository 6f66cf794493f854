"""Workflows and items as the API says them."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, Strict

from labeling.accounts.models import User
from labeling.assignments.models import ItemEvent, Reading, Workflow, WorkItem
from labeling.assignments.services import MOST_ASSIGNED
from labeling.assignments.viewing import Viewer
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
    is_blind: bool
    shows_proposals: bool
    seed: int
    has_review: bool
    reviews_own_work: bool
    needs_approval: bool
    excludes_own_centre: bool
    matches_skills: bool
    needs_admission: bool
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
    is_blind: bool | None = None
    shows_proposals: bool | None = None
    has_review: bool | None = None
    reviews_own_work: bool | None = None
    needs_approval: bool | None = None
    excludes_own_centre: bool | None = None
    matches_skills: bool | None = None
    needs_admission: bool | None = None
    lease_hours: int | None = None


class ShownProposals(Answer):
    """Proposals that a reader had in sight: of which round, made by which models."""

    publication: UUID
    round: int
    models: dict[str, str]


class ReadingAnswer(Answer):
    """`is_blind`: its reader could see nothing of the other readings."""

    reader: PersonAnswer
    state: ReadingStateName
    since: datetime
    lease_until: datetime | None
    reason: str
    is_blind: bool
    proposals: list[ShownProposals]


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
    is_blind: bool
    priority: float
    since: datetime
    done_at: datetime | None
    reviewer: PersonAnswer | None
    approved_by: PersonAnswer | None
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


class LateListing(Listing):
    ordering: Literal["received_at", "-received_at"] = "received_at"
    author: QueryId | None = None


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
    due_on: Annotated[date, Strict(False)] | None = None


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


def person_or_none(user: User | None) -> PersonAnswer | None:
    return person_answer(user) if user else None


def item_answer(item: WorkItem, viewer: Viewer) -> ItemAnswer:
    """An item with its readings, as far as the viewer may know of them."""
    only = viewer.only(item)
    shown = [reading for reading in item.readings.all() if only is None or reading.reader_id == only.pk]
    return ItemAnswer(
        id=item.pk,
        image=ImageName(id=item.image_id, name=item.image.name),
        state=item.state,  # type: ignore[arg-type]
        wanted=item.wanted,
        free=item.free,
        is_blind=item.is_blind,
        priority=item.priority,
        since=item.since,
        done_at=item.done_at,
        reviewer=person_or_none(item.reviewer) if only is None else None,
        approved_by=person_or_none(item.approved_by),
        readings=[reading_answer(reading) for reading in shown],
    )


def reading_answer(reading: Reading) -> ReadingAnswer:
    return ReadingAnswer(
        reader=person_answer(reading.reader),
        state=reading.state,  # type: ignore[arg-type]
        since=reading.since,
        lease_until=reading.lease_until,
        reason=reading.reason,
        is_blind=reading.is_blind,
        proposals=[ShownProposals.model_validate(one) for one in reading.proposals],
    )


def event_answer(event: ItemEvent) -> EventAnswer:
    return EventAnswer(
        act=event.act,
        by=person_or_none(event.by),
        reader=person_or_none(event.reader),
        state=event.state,  # type: ignore[arg-type]
        comment=event.comment,
        at=event.at,
    )


def workflow_answer(workflow: Workflow | None, counts: dict[str, int]) -> WorkflowOfProject:
    found = WorkflowAnswer.model_validate(workflow) if workflow else None
    return WorkflowOfProject(workflow=found, counts=counts)  # type: ignore[arg-type]
