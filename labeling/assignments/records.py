"""The small writes that every act on an item is made of. Callers hold the item's row lock."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.assignments.errors import NoWorkflow
from labeling.assignments.models import ItemEvent, Reading, Workflow, WorkItem
from labeling.assignments.states import ACTIVE, Act, ItemState, ReadingState, check_reading_move, next_item_state
from labeling.errors import Invalid
from labeling.projects.models import MAY, Membership, Project

MOST_WORDS = 2000  # of a comment or a reason


def workflow_of(project: Project) -> Workflow:
    """Raises NoWorkflow."""
    found = Workflow.objects.filter(project=project).first()
    if found is None:
        raise NoWorkflow(_("this project has no workflow; an owner or manager declares one on its page Team"))
    return found


def lock_item(pk: int) -> WorkItem:
    """The item, its row locked until the transaction ends: whoever acts on it meanwhile waits."""
    return WorkItem.objects.select_for_update(of=("self",)).select_related("project", "image").get(pk=pk)


def lock_member(*, project: Project, user: User) -> Membership | None:
    """The membership of somebody who annotates, locked: their pulls come one by one, and their removal waits."""
    members = Membership.objects.select_for_update().filter(project=project, user=user)
    return members.filter(role__in=MAY["annotate"]).first()


def words(text: str, *, field: str, required: str = "") -> str:
    """A comment or reason without space around it. Raises Invalid where it is too long, or empty and `required`."""
    text = text.strip()
    if required and not text:
        raise Invalid(required, field=field)
    if len(text) > MOST_WORDS or "\x00" in text:
        raise Invalid(_("write at most {n} characters").format(n=MOST_WORDS), field=field)
    return text


def record(item: WorkItem, act: str, *, by: User | None, reader: User | None = None, comment: str = "") -> None:
    ItemEvent.objects.create(item=item, act=act, by=by, reader=reader, state=item.state, comment=comment)


def move(item: WorkItem, act: str) -> None:
    """The item's next state by the table. Saves. Raises WrongState."""
    new = next_item_state(item.state, act)
    if new != item.state:
        item.since = timezone.now()
    item.state = new
    item.done_at = item.since if new == ItemState.DONE else None
    if new != ItemState.IN_REVIEW:
        item.reviewer = item.review_until = None
    item.save(update_fields=["state", "since", "done_at", "reviewer", "review_until"])


def count_places(item: WorkItem) -> None:
    """Bring `free` up to date with the readings. Saves."""
    places = sum(1 for reading in item.readings.all() if reading.takes_a_place)
    item.free = 0 if item.state == ItemState.DONE else max(0, item.wanted - places)
    item.save(update_fields=["free"])


def set_reading(reading: Reading, state: str, *, reason: str = "") -> None:
    """Another state of a saved reading, its lease ended. Saves. Raises WrongState."""
    check_reading_move(reading.state, state)
    reading.state, reading.since, reading.reason = state, timezone.now(), reason
    reading.lease_until = None
    if state == ReadingState.FINISHED:
        reading.finished_at = reading.since
    reading.save()


def open_reading(item: WorkItem, workflow: Workflow, user: User) -> Reading:
    """The user's reading of the item, open, with a new lease; made where there is none. Saves."""
    now = timezone.now()
    reading = item.readings.filter(reader=user).first()
    if reading is None:
        reading = Reading(item=item, reader=user)
    else:
        check_reading_move(reading.state, ReadingState.OPEN)
    reading.state, reading.since, reading.reason = ReadingState.OPEN, now, ""
    reading.begun_at = reading.begun_at or now
    reading.lease_until = now + timedelta(hours=workflow.lease_hours)
    reading.save()
    return reading


def give_back(item: WorkItem, reading: Reading, act: str, *, by: User | None, state: str, reason: str = "") -> None:
    """A reading ends without being finished: its place is free again, and an item on which nobody works is to do."""
    set_reading(reading, state, reason=reason)
    count_places(item)
    is_active = item.readings.filter(state__in=(*ACTIVE, ReadingState.FINISHED)).exists()
    if not is_active and item.state != ItemState.TO_DO:
        move(item, Act.RETURN)
    record(item, act, by=by, reader=reading.reader, comment=reason)


def live_readings(item: WorkItem) -> QuerySet[Reading]:
    """The readings that take a place."""
    return item.readings.filter(state__in=(*ACTIVE, ReadingState.FINISHED)).select_related("reader")
