"""The small writes that every act on an item is made of. Callers hold the item's row lock."""

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.freezing import freeze_layers, thaw_layers
from labeling.assignments.errors import NoWorkflow
from labeling.assignments.models import ItemEvent, Reading, Workflow, WorkItem
from labeling.assignments.queue_start import raise_version
from labeling.assignments.states import (
    TAKES_A_PLACE,
    Act,
    ItemState,
    ReadingState,
    check_reading_move,
    next_item_state,
)
from labeling.errors import Invalid
from labeling.projects.access import sees_everybody
from labeling.projects.models import MAY, Membership, Project

MOST_WORDS = 2000  # of a comment or a reason
# Sent when a reading begins and when it is finished (`reading`): rounds, which stand above, write down which proposals
# its reader has in sight.
reading_changed = Signal()
# Sent before somebody gets the first image of a queue (`project`, `user`): quality_control, which stands above, may
# answer with the item of a copy that this person gets instead.
queue_asked = Signal()


def workflow_of(project: Project) -> Workflow:
    """Raises NoWorkflow."""
    found = Workflow.objects.filter(project=project).first()
    if found is None:
        raise NoWorkflow(_("this project has no workflow; an owner or manager declares one on its page Team"))
    return found


def queue_project(project: Project) -> Project:
    """The project whose queue hands out the images of `project`: itself, but for a copy that another one hands out."""
    copied = Workflow.objects.filter(project=project, handed_out_by__isnull=False).select_related("handed_out_by")
    found = copied.first() if project.is_sheet else None
    return found.handed_out_by or project if found else project


def readings_of(*, project: Project, user: User) -> QuerySet[Reading]:
    """The readings of `user` in a project, those of copies that its queue has handed out too."""
    here = Q(item__project=project) | Q(item__project__workflow__handed_out_by=project)
    return Reading.objects.filter(here, reader=user, item__image__deleted_at__isnull=True)


def copy_instead(*, project: Project, user: User) -> WorkItem | None:
    """The copy that `user` gets instead of the first image of the queue; None where no room above has one for them."""
    answers: list[tuple[Any, Any]] = queue_asked.send(sender=Project, project=project, user=user)
    for _receiver, item in answers:
        if isinstance(item, WorkItem):
            return item
    return None


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
    if new != ItemState.DONE:
        item.approved_by = None
    item.save(update_fields=["state", "since", "done_at", "reviewer", "review_until", "approved_by"])


def count_places(item: WorkItem) -> None:
    """Bring `free` up to date with the readings. Saves."""
    filled = live_readings(item).count()
    before = item.free
    item.free = 0 if item.state == ItemState.DONE else max(0, item.wanted - filled)
    item.save(update_fields=["free"])
    if item.free > before:
        raise_version(item.project_id)


def set_reading(reading: Reading, state: str, *, reason: str = "") -> None:
    """Another state of a saved reading, its lease ended. Saves. Raises WrongState."""
    check_reading_move(reading.state, state)
    reading.state, reading.since, reading.reason = state, timezone.now(), reason
    reading.lease_until = None
    if state == ReadingState.FINISHED:
        reading.finished_at = reading.since
    if state == ReadingState.SENT_BACK:
        reading.is_blind = reading.is_blind and is_blind_for(reading.item, reading.reader)
    reading.save()
    if state == ReadingState.FINISHED:
        reading_changed.send(sender=Reading, reading=reading)


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
    reading.is_blind = is_blind_for(item, user)
    reading.save()
    reading_changed.send(sender=Reading, reading=reading)
    return reading


def is_blind_for(item: WorkItem, user: User) -> bool:
    """Whether `user` can have seen nothing of the other readings of an item: people read apart in the project, or the
    readings are blinded, `user` has not looked at them as a lead, and they were never all closed before."""
    if not sees_everybody(item.project, user):
        return True
    if not item.is_blind:
        return False
    if item.events.filter(act=Act.UNBLIND, by=user).exists():
        return False
    return not item.events.filter(act__in=(Act.SUBMIT, Act.COMPLETE)).exists()


def close_reading(item: WorkItem, reading: Reading) -> None:
    """The reading is complete. A blinded one is changed no more: what still arrives is kept apart. Saves."""
    set_reading(reading, ReadingState.FINISHED)
    if item.is_blind:
        freeze_layers(image=item.image, annotator=reading.reader)


def open_layers(item: WorkItem) -> None:
    """The layers of an item take work again: all of them, for it is read again."""
    thaw_layers(image=item.image)


def give_back(item: WorkItem, reading: Reading, act: str, *, by: User | None, state: str, reason: str = "") -> None:
    """A reading ends without being finished: its place is free again, and an item that nobody reads is to do.

    Where fewer readings are wanted than had begun, the others may all be finished now; then the item is handed on.
    """
    set_reading(reading, state, reason=reason)
    count_places(item)
    has_readings = live_readings(item).exists()
    if not has_readings and item.state != ItemState.TO_DO:
        move(item, Act.RETURN)
    record(item, act, by=by, reader=reading.reader, comment=reason)
    if has_readings:
        hand_on_if_read(item, by=by)


def hand_on_if_read(item: WorkItem, *, by: User | None) -> None:
    """With its last reading an item goes to review, or is done where the workflow has no review; what is done is
    frozen. Nothing happens while a reading is wanted or unfinished."""
    is_unfinished = live_readings(item).exclude(state=ReadingState.FINISHED).exists()
    if item.free > 0 or is_unfinished:
        return
    act = Act.SUBMIT if workflow_of(item.project).has_review else Act.COMPLETE
    move(item, act)
    record(item, act, by=by)
    if item.state == ItemState.DONE:
        freeze_layers(image=item.image)


def live_readings(item: WorkItem) -> QuerySet[Reading]:
    """The readings that take a place."""
    return item.readings.filter(state__in=TAKES_A_PLACE).select_related("reader")
