"""What reviewers and leads do with an item: accept it, send it back, reopen it."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.freezing import freeze_layers
from labeling.assignments.errors import OwnWork
from labeling.assignments.models import Reading, Workflow, WorkItem
from labeling.assignments.records import (
    count_places,
    live_readings,
    lock_item,
    move,
    open_layers,
    record,
    set_reading,
    words,
    workflow_of,
)
from labeling.assignments.states import TAKES_A_PLACE, Act, ItemState, ReadingState
from labeling.errors import WrongState
from labeling.notifications.models import Kind
from labeling.notifications.services import notify
from labeling.projects.models import MAY, Membership, Project, Seniority
from labeling.projects.services import NotAllowed

REVIEW_LEASE = timedelta(hours=2)  # for so long an item that a reviewer opened is not offered to another one


def reviews_for(*, project: Project, user: User, workflow: Workflow) -> QuerySet[WorkItem]:
    """The items that wait for a review by `user`, the longest waiting first: not what another reviewer looks at now,
    and not their own work unless the workflow allows it."""
    waiting = WorkItem.objects.present().filter(project=project, state=ItemState.IN_REVIEW)
    now = timezone.now()
    waiting = waiting.filter(Q(reviewer__isnull=True) | Q(reviewer=user) | Q(review_until__lt=now))
    if not workflow.reviews_own_work:
        own = Reading.objects.filter(item=OuterRef("pk"), reader=user, state__in=TAKES_A_PLACE)
        waiting = waiting.filter(~Exists(own))
    return waiting.select_related("image").order_by("since", "pk")


@transaction.atomic
def take_review(*, project: Project, user: User) -> WorkItem | None:
    """The next item for `user` to review, kept for them for REVIEW_LEASE; None when nothing waits.

    Raises NoWorkflow, NotAllowed, Archived.
    """
    workflow = workflow_of(project)
    if project.role_of(user) not in MAY["review"]:
        raise NotAllowed(_("your role in this project does not allow this"))
    project.decline_if_archived()
    waiting = reviews_for(project=project, user=user, workflow=workflow)
    mine = waiting.filter(reviewer=user, review_until__gte=timezone.now())
    item = mine.select_for_update(of=("self",)).first()
    if item is None:
        item = waiting.select_for_update(skip_locked=True, of=("self",)).first()
    if item is None:
        return None
    item.reviewer, item.review_until = user, timezone.now() + REVIEW_LEASE
    item.save(update_fields=["reviewer", "review_until"])
    return item


@transaction.atomic
def accept_item(*, item_id: int, by: User, comment: str = "") -> WorkItem:
    """The review is over: the item is done, and nothing on it is changed from here on.

    Where the workflow needs an approval this is one: only a pathologist gives it, and it is recorded as that. Of two
    reviewers who decide at once the second one hears WrongState. Raises OwnWork, NotAllowed.
    """
    item = lock_item(item_id)
    item.project.decline_if_archived()
    decline_own_work(item, by)
    needs_approval = workflow_of(item.project).needs_approval
    if needs_approval and not is_pathologist(item.project, by):
        raise NotAllowed(_("a pathologist approves the images of this project; you can send this one back"))
    text = words(comment, field="comment")
    act = Act.APPROVE if needs_approval else Act.ACCEPT
    move(item, act)
    if needs_approval:
        item.approved_by = by
        item.save(update_fields=["approved_by"])
    count_places(item)
    record(item, act, by=by, comment=text)
    freeze_layers(image=item.image)
    return item


@transaction.atomic
def send_back(*, item_id: int, by: User, comment: str) -> WorkItem:
    """Its readers go on with it. A reader who no longer takes part is replaced: their place is free again.

    Raises OwnWork, WrongState, Invalid without a comment.
    """
    item = lock_item(item_id)
    item.project.decline_if_archived()
    decline_own_work(item, by)
    text = words(comment, field="comment", required=_("say what should be changed, so that the reader knows"))
    move(item, Act.SEND_BACK)
    record(item, Act.SEND_BACK, by=by, comment=text)
    open_layers(item)
    _back_to_readers(item, text)
    readers = [reading.reader for reading in live_readings(item)]
    path = reverse("image", args=[item.image_id])
    notify(kind=Kind.SENT_BACK, people=readers, project=item.project, actor=by, image=item.image, path=path)
    return item


@transaction.atomic
def reopen_item(*, item_id: int, by: User, comment: str) -> WorkItem:
    """A done item is worked on again, by its readers. That it was reopened, by whom and why, stays recorded.

    Raises WrongState, Invalid without a comment.
    """
    item = lock_item(item_id)
    item.project.decline_if_archived()
    text = words(comment, field="comment", required=_("say why you reopen this image; it stays recorded"))
    move(item, Act.REOPEN)
    record(item, Act.REOPEN, by=by, comment=text)
    open_layers(item)
    _back_to_readers(item, text)
    return item


@transaction.atomic
def unblind_item(*, item_id: int, by: User) -> WorkItem:
    """A lead looks at blinded readings before all of them are closed. It is recorded, and who has looked cannot read
    the item blindly any more; twice is once.

    Raises WrongState where nothing is kept apart, and for a reader of the item.
    """
    item = lock_item(item_id)
    item.project.decline_if_archived()
    if not item.is_blind or item.state in (ItemState.IN_REVIEW, ItemState.DONE):
        raise WrongState(_("the readings of this image are not kept apart, so you see them without this"))
    if live_readings(item).filter(reader=by).exists():
        raise WrongState(_("you read this image yourself; until all its readings are closed you see your own"))
    if not item.events.filter(act=Act.UNBLIND, by=by).exists():
        record(item, Act.UNBLIND, by=by)
    return item


def is_pathologist(project: Project, user: User) -> bool:
    return Membership.objects.filter(project=project, user=user, seniority=Seniority.PATHOLOGIST).exists()


def decline_own_work(item: WorkItem, by: User) -> None:
    """Raises OwnWork where the workflow wants another pair of eyes."""
    if workflow_of(item.project).reviews_own_work:
        return
    if live_readings(item).filter(reader=by).exists():
        raise OwnWork(_("you have read this image yourself; somebody else reviews it"))


def _back_to_readers(item: WorkItem, comment: str) -> None:
    """Every finished reading is open to its reader again, or free where the reader has gone."""
    members = set(item.project.memberships.filter(role__in=MAY["annotate"]).values_list("user", flat=True))
    stays = False
    for reading in live_readings(item).filter(state=ReadingState.FINISHED):
        is_here = reading.reader_id in members
        stays = stays or is_here
        set_reading(reading, ReadingState.SENT_BACK if is_here else ReadingState.RELEASED, reason=comment)
    count_places(item)
    if not stays:
        move(item, Act.RETURN)
        record(item, Act.RETURN, by=None)
