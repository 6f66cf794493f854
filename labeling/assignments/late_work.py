"""What a lead does with work that arrived for an item after it was done (annotations/late.py)."""

import json
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations import late
from labeling.annotations.blinding import has_open_readings
from labeling.annotations.contract import MOST_OPERATIONS
from labeling.annotations.freezing import freeze_layers, thaw_layers
from labeling.annotations.models import LateOperation, Layer
from labeling.annotations.services import write_operations
from labeling.assignments.errors import NothingWaits
from labeling.assignments.models import Reading, WorkItem
from labeling.assignments.records import lock_item
from labeling.assignments.reviewing import reopen_item
from labeling.assignments.states import TAKES_A_PLACE, ItemState, ReadingState
from labeling.projects.models import Project


@dataclass(frozen=True)
class LateWork:
    """What one person sent too late for one item."""

    item: WorkItem
    author: User
    operations: int
    first_at: datetime
    last_at: datetime


def late_work_of(project: Project, user: User) -> list[LateWork]:
    """What waits for a decision, as far as `user` may know of it, the oldest first."""
    return [late_work(first) for first in first_operations(project, user)]


def first_operations(project: Project, user: User) -> QuerySet[LateOperation]:
    """The first waiting operation of each image and person, oldest first, with `operations` and `last_at` of all that
    wait there; late_work reads it without a further query."""
    waiting = waiting_operations(project, user)
    firsts = waiting.order_by("layer__image_id", "author_id", "pk").distinct("layer__image_id", "author_id")
    same = waiting.filter(layer__image=OuterRef("layer__image"), author=OuterRef("author"))
    of_all = same.order_by().values("layer__image_id", "author_id").annotate(count=Count("pk"), last=Max("received_at"))
    return (
        LateOperation.objects.filter(pk__in=firsts.values("pk"))
        .annotate(operations=Subquery(of_all.values("count")), last_at=Subquery(of_all.values("last")))
        .select_related("layer__image__work_item", "author")
        .order_by("received_at", "pk")
    )


def waiting_operations(project: Project, user: User) -> QuerySet[LateOperation]:
    """The operations that wait for a decision, as far as `user` may know of them.

    A lead who reads an image hears of the late work of its other readers when all its readings are closed.
    """
    here = LateOperation.objects.filter(layer__image__project=project, layer__image__deleted_at__isnull=True)
    waiting = here.filter(outcome=LateOperation.Outcome.WAITING)
    mine = Reading.objects.filter(item__image=OuterRef("layer__image"), reader=user, state__in=TAKES_A_PLACE)
    return waiting.exclude(has_open_readings("layer__image") & Exists(mine) & ~Q(author=user))


def late_work(first: LateOperation) -> LateWork:
    """A row of first_operations."""
    item = first.layer.image.work_item
    return LateWork(item, first.author, first.operations, first.received_at, first.last_at)  # type: ignore[attr-defined]


def author_of(item: WorkItem, key: int, by: User) -> User:
    """Who has sent something too late for this item, as far as `by` may know of it. Raises NothingWaits."""
    waiting = waiting_operations(item.project, by).filter(layer__image=item.image_id, author=key)
    operation = waiting.select_related("author").first()
    if operation is None:
        raise NothingWaits(_("nothing of this person waits here"))
    return operation.author


@transaction.atomic
def apply_late(*, item_id: int, author: User, by: User) -> dict[str, int]:
    """Write what `author` sent too late into the log, under their name. A done item is reopened for it; a closed
    reading of an item that is not done stays closed.

    -> verdict -> number of operations: what the log no longer takes (stale, invalid) changes nothing and stays kept.
    Raises NothingWaits where nothing waits.
    """
    item = lock_item(item_id)
    item.project.decline_if_archived()
    layers = _layers_with_late_work(item, author)
    is_closed = item.readings.filter(reader=author, state=ReadingState.FINISHED).exists()
    reopened = item.state == ItemState.DONE
    if reopened:
        name = author.display_name
        reopen_item(item_id=item_id, by=by, comment=_("work of {name} that arrived late").format(name=name))
    elif item.is_blind:
        thaw_layers(image=item.image, annotator=author)
    counts: dict[str, int] = {}
    for layer in layers:
        for verdict, count in write_waiting(layer=layer, author=author, by=by).items():
            counts[verdict] = counts.get(verdict, 0) + count
    if item.is_blind and is_closed and not reopened:
        freeze_layers(image=item.image, annotator=author)
    return counts


def write_waiting(*, layer: Layer, author: User, by: User) -> dict[str, int]:
    """Write what `author` sent for a layer while it was frozen; it is frozen no more. -> verdict -> operations."""
    counts: dict[str, int] = {}
    rows = list(late.waiting_on(layer=layer, author=author).select_for_update())
    answers: dict[str, str] = {}
    for start in range(0, len(rows), MOST_OPERATIONS):
        batch = [json.loads(row.content) for row in rows[start : start + MOST_OPERATIONS]]
        _seq, verdicts = write_operations(layer=layer, author=author, operations=batch)
        for verdict in verdicts:
            answers[verdict.op_id] = verdict.verdict
            counts[verdict.verdict] = counts.get(verdict.verdict, 0) + 1
    late.settle(rows=rows, outcome=LateOperation.Outcome.APPLIED, by=by, answers=answers)
    return counts


@transaction.atomic
def discard_late(*, item_id: int, author: User, by: User) -> int:
    """Leave it as it is. -> how many operations. Raises NothingWaits where nothing waits."""
    item = lock_item(item_id)
    item.project.decline_if_archived()
    return sum(late.discard(layer=layer, author=author, by=by) for layer in _layers_with_late_work(item, author))


def _layers_with_late_work(item: WorkItem, author: User) -> list[Layer]:
    waiting = LateOperation.objects.filter(
        layer__image=item.image, author=author, outcome=LateOperation.Outcome.WAITING
    )
    layers = list(Layer.objects.filter(pk__in=waiting.values("layer")).order_by("pk"))
    if not layers:
        raise NothingWaits(_("nothing of {name} waits here").format(name=author.display_name))
    return layers
