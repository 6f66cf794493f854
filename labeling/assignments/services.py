"""How people get items and what they do with them: pull, assign, finish, skip, hand back. One function a write."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.assignments.errors import CannotBeAssigned, NotYourReading
from labeling.assignments.models import ItemEvent, Reading, Workflow, WorkItem
from labeling.assignments.queue_start import keep_start, parts_from_start, queue_version
from labeling.assignments.records import (
    close_reading,
    copy_instead,
    count_places,
    give_back,
    hand_on_if_read,
    lock_item,
    lock_member,
    move,
    open_reading,
    queue_project,
    readings_of,
    record,
    words,
    workflow_of,
)
from labeling.assignments.rules import allowed_items, decline_reader, decline_unless_admitted
from labeling.assignments.states import ACTIVE, TAKES_A_PLACE, Act, ReadingState
from labeling.errors import Invalid
from labeling.guidelines.services import decline_unless_acknowledged
from labeling.notifications.models import Kind
from labeling.notifications.services import notify
from labeling.projects.models import MAY, Membership, Project
from labeling.projects.services import NotAllowed
from labeling.recovery import isolated

MOST_ASSIGNED = 5000  # items in one call
# What a person goes on with: what they have begun, then what was sent back, then what was given to them.
FIRST = Case(
    When(state=ReadingState.OPEN, then=Value(0)),
    When(state=ReadingState.SENT_BACK, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


def active_readings(*, project: Project, user: User) -> QuerySet[Reading]:
    """What `user` has to do here, in the order in which they should do it."""
    mine = readings_of(project=project, user=user).filter(state__in=ACTIVE)
    return mine.select_related("item__image").order_by(
        FIRST, F("due_on").asc(nulls_last=True), "-item__priority", "item_id"
    )


def queue_for(*, project: Project, user: User) -> QuerySet[WorkItem]:
    """The items that `user` may still take, the next one first. Somebody reads an item once at most, and is not asked
    again for what they skipped, nor for a blinded item whose readings they have looked at as a lead."""
    had = Reading.objects.filter(item=OuterRef("pk"), reader=user).exclude(state=ReadingState.RELEASED)
    unblinded = ItemEvent.objects.filter(item=OuterRef("pk"), act=Act.UNBLIND, by=user)
    free = WorkItem.objects.present().filter(project=project, free__gt=0)
    free = free.exclude(Q(is_blind=True) & Exists(unblinded))
    return allowed_items(free.filter(~Exists(had)), project, user).order_by("-priority", "pk")


def take_next(*, project: Project, user: User) -> Reading | None:
    """The item that `user` works on next: the one that is open already, or else what was sent back, what was assigned,
    or the first of the queue. None at the end of the queue. Asking twice gives the same item.

    No two people get the same place of an item, however many ask at once: whoever asks passes over rows that others
    hold at that moment. Raises NoWorkflow, NotAcknowledged, NotAllowed, Archived.
    """
    project = queue_project(project)
    project.decline_if_archived()
    workflow = workflow_of(project)
    decline_unless_acknowledged(project, user)
    decline_unless_admitted(workflow, user)
    # In transactions of its own: two people who ask at once would otherwise hold items that the other waits for.
    return_expired(project=project)
    return _take(project, user, workflow)


@transaction.atomic
def _take(project: Project, user: User, workflow: Workflow) -> Reading | None:
    member = _lock_reader(project, user)
    mine = _lock_own(project, user)
    if mine is not None:
        return _begin(mine, workflow, user)
    handed_out = copy_instead(project=project, user=user)
    if handed_out is not None:
        return _begin(lock_item(handed_out.pk), workflow, user)
    queue = queue_for(project=project, user=user)
    version = queue_version(project)  # before the search: what becomes free meanwhile makes the answer an old one
    item = None
    for part in parts_from_start(queue, member, version):
        item = item or part.select_for_update(skip_locked=True, of=("self",)).first()
    if item is None:  # what others hold at this moment may have another free place: wait for it
        item = queue.select_for_update(of=("self",)).first()
    if item is None:
        return None
    keep_start(member, version, item)
    return _begin(item, workflow, user)


def _lock_own(project: Project, user: User) -> WorkItem | None:
    """The item that `user` goes on with, locked. Asked again under the lock: in between a manager may have taken it
    back, and somebody else may have its place."""
    for reading in active_readings(project=project, user=user):
        item = lock_item(reading.item_id)
        if item.readings.filter(reader=user, state__in=ACTIVE).exists():
            return item
    return None


@transaction.atomic
def begin_item(*, item_id: int, user: User) -> Reading:
    """Begin one item by choice: an assigned or sent back one, or any with a free place.

    Raises CannotBeAssigned where every place is taken, NotAcknowledged, NotAllowed, WrongState.
    """
    project = WorkItem.objects.select_related("project").get(pk=item_id).project
    _lock_reader(project, user)
    project.decline_if_archived()
    decline_unless_acknowledged(project, user)
    item = lock_item(item_id)
    has_it = item.readings.filter(reader=user, state__in=TAKES_A_PLACE).exists()
    if not has_it:
        decline_reader(item, user)
    if not has_it and item.free == 0:
        raise CannotBeAssigned(_("all readings of this image are taken by others"))
    return _begin(item, workflow_of(project), user)


@transaction.atomic
def renew_lease(*, item_id: int, user: User) -> Reading:
    """The reader is at work: the lease begins anew. Raises NotYourReading when the item went back to the queue."""
    item = lock_item(item_id)
    reading = _active_reading(item, user)
    if reading.state == ReadingState.OPEN:
        reading.lease_until = timezone.now() + timedelta(hours=workflow_of(item.project).lease_hours)
        reading.save(update_fields=["lease_until"])
    return reading


@transaction.atomic
def finish_item(*, item_id: int, user: User) -> WorkItem:
    """The reading of `user` is complete. With the last reading the item goes to review, or is done where the workflow
    has no review; what is done is frozen. Raises NotYourReading."""
    item = lock_item(item_id)
    item.project.decline_if_archived()
    reading = _active_reading(item, user)
    if reading.state == ReadingState.ASSIGNED:
        reading = _begin(item, workflow_of(item.project), user)
    close_reading(item, reading)
    record(item, Act.FINISH, by=user, reader=user)
    hand_on_if_read(item, by=user)
    return item


@transaction.atomic
def skip_item(*, item_id: int, user: User, reason: str) -> WorkItem:
    """Somebody else shall read it, and whoever leads sees why. `user` is not asked for it again.

    Raises NotYourReading, Invalid without a reason, WrongState for an item that was sent back.
    """
    text = words(reason, field="reason", required=_("say why you skip this image, so that others know"))
    item = lock_item(item_id)
    item.project.decline_if_archived()
    give_back(item, _active_reading(item, user), Act.SKIP, by=user, state=ReadingState.SKIPPED, reason=text)
    return item


@transaction.atomic
def release_item(*, item_id: int, reader: User, by: User) -> WorkItem:
    """Hand a reading back to the queue: one's own, or anybody's for who manages the project. What was drawn stays.

    Raises NotYourReading, NotAllowed.
    """
    item = lock_item(item_id)
    item.project.decline_if_archived()
    if reader != by and item.project.role_of(by) not in MAY["manage"]:
        raise NotAllowed(_("only owners and managers take an image from somebody else"))
    give_back(item, _active_reading(item, reader), Act.RELEASE, by=by, state=ReadingState.RELEASED)
    return item


@transaction.atomic
def assign_items(
    *, project: Project, items: Sequence[int], readers: Sequence[User], by: User, due_on: date | None = None
) -> int:
    """Give items to people: each item to the next person in turn, so that all get equally many.

    An item goes to somebody who has no reading of it yet; without a free place it is passed over. With `due_on` they
    are wanted by that day. Each person is told once. -> how many were given.

    Raises CannotBeAssigned for somebody who does not annotate here, Invalid for too many.
    """
    if not readers or not items:
        raise Invalid(_("choose images and people first"), field="items" if readers else "readers")
    if len(items) > MOST_ASSIGNED:
        raise Invalid(_("at most {n} images at a time").format(n=MOST_ASSIGNED), field="items")
    workflow_of(project)
    Project.objects.for_change(project.pk)
    allowed = {reader.pk: _allowed_among(project, reader, items) for reader in readers}
    for reader in sorted(readers, key=lambda reader: reader.pk):
        if lock_member(project=project, user=reader) is None:  # locked: whoever removes them waits, and finds the items
            raise CannotBeAssigned(_("{name} does not annotate in this project").format(name=reader.display_name))
    chosen = (
        WorkItem.objects.present().select_for_update(of=("self",)).filter(project=project, pk__in=items, free__gt=0)
    )
    given = {reader.pk: 0 for reader in readers}
    for item in chosen.order_by("-priority", "pk").prefetch_related("readings"):
        chosen_reader = _next_reader(item, [one for one in readers if item.pk in allowed[one.pk]], given)
        if chosen_reader is not None:
            _assign(item, chosen_reader, by, due_on)
            given[chosen_reader.pk] += 1
    for reader in readers:
        _tell_of_assignment(project, reader, by, given[reader.pk], due_on)
    return sum(given.values())


def _allowed_among(project: Project, reader: User, items: Sequence[int]) -> set[int]:
    """Which of these items `reader` may read by the rules of the workflow."""
    rows = WorkItem.objects.filter(project=project, pk__in=items)
    return set(allowed_items(rows, project, reader).values_list("pk", flat=True))


def _tell_of_assignment(project: Project, reader: User, by: User, count: int, due_on: date | None) -> None:
    if count:
        subject = due_on.isoformat() if due_on else ""
        notify(kind=Kind.ASSIGNED, people=[reader], project=project, actor=by, path="/", count=count, subject=subject)


def return_expired(*, project: Project | None = None, now: datetime | None = None) -> int:
    """Readings whose lease has ended go back to the queue. -> how many."""
    expired = Reading.objects.filter(state=ReadingState.OPEN, lease_until__lt=now or timezone.now())
    if project is not None:
        expired = expired.filter(item__project=project)
    returned = 0
    for key, item_id in expired.order_by("item_id").values_list("pk", "item_id"):
        with transaction.atomic():
            item = lock_item(item_id)
            reading = expired.filter(pk=key).select_related("reader").first()
            if reading is not None:  # nobody has renewed or finished it meanwhile
                give_back(item, reading, Act.EXPIRE, by=None, state=ReadingState.RELEASED)
                returned += 1
    return returned


def return_readings_of(*, project: Project, user: User) -> int:
    """Somebody no longer annotates here: what they had and did not finish goes back to the queue. What they finished
    stays theirs. -> how many."""
    returned = 0
    for reading in active_readings(project=project, user=user).order_by("item_id"):
        with transaction.atomic():
            item = lock_item(reading.item_id)
            fresh = item.readings.select_related("reader").filter(pk=reading.pk, state__in=ACTIVE).first()
            if fresh is not None:
                give_back(item, fresh, Act.REMOVE, by=None, state=ReadingState.RELEASED)
                returned += 1
    return returned


def recover(now: datetime) -> list[str]:
    """The leases that have ended, of all projects in use (labeling/recovery.py)."""
    returned = 0
    with isolated("expired readings"):
        returned = return_expired(now=now)
    return [f"{returned} readings went back to their queues"] if returned else []


def _lock_reader(project: Project, user: User) -> Membership:
    member = lock_member(project=project, user=user)
    if member is None:
        raise NotAllowed(_("your role in this project does not allow this"))
    return member


def _begin(item: WorkItem, workflow: Workflow, user: User) -> Reading:
    """Open the user's reading, or go on with it. The caller holds the item's row."""
    known = item.readings.filter(reader=user).first()
    if known is not None and known.state == ReadingState.SENT_BACK:
        return known
    if known is not None and known.state == ReadingState.OPEN:
        known.lease_until = timezone.now() + timedelta(hours=workflow.lease_hours)
        known.save(update_fields=["lease_until"])
        return known
    reading = open_reading(item, workflow, user)
    count_places(item)
    move(item, Act.BEGIN)
    record(item, Act.BEGIN, by=user, reader=user)
    return reading


def _active_reading(item: WorkItem, user: User) -> Reading:
    found = item.readings.select_related("reader").filter(reader=user, state__in=ACTIVE).first()
    if found is None:
        raise NotYourReading(
            _("this image is not yours at the moment; it went back to the queue, or you have finished it")
        )
    return found


def _next_reader(item: WorkItem, readers: Sequence[User], given: dict[int, int]) -> User | None:
    """Whoever has got fewest so far and may read this item; None: nobody of them."""
    have_it = {reading.reader_id for reading in item.readings.all() if reading.takes_a_place}
    may = [reader for reader in readers if reader.pk not in have_it]
    return min(may, key=lambda reader: given[reader.pk], default=None)


def _assign(item: WorkItem, reader: User, by: User, due_on: date | None) -> None:
    now = timezone.now()
    defaults = {"state": ReadingState.ASSIGNED, "assigned_by": by, "since": now, "reason": "", "lease_until": None}
    defaults["due_on"] = due_on
    Reading.objects.update_or_create(item=item, reader=reader, defaults=defaults)
    item.free -= 1
    item.save(update_fields=["free"])
    record(item, Act.ASSIGN, by=by, reader=reader)
