"""What a lead does with work that arrived for an item after it was done (annotations/late.py)."""

import json
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, Min
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations import late
from labeling.annotations.contract import MOST_OPERATIONS
from labeling.annotations.models import LateOperation, Layer
from labeling.annotations.services import write_operations
from labeling.assignments.errors import NothingWaits
from labeling.assignments.models import WorkItem
from labeling.assignments.records import lock_item
from labeling.assignments.reviewing import reopen_item
from labeling.assignments.states import ItemState
from labeling.projects.models import Project


@dataclass(frozen=True)
class LateWork:
    """What one person sent too late for one item."""

    item: WorkItem
    author: User
    operations: int
    first_at: datetime
    last_at: datetime


def late_work_of(project: Project) -> list[LateWork]:
    """What waits for a decision, the oldest first; three queries."""
    waiting = LateOperation.objects.filter(layer__image__project=project, outcome=LateOperation.Outcome.WAITING)
    rows = list(
        waiting.values("layer__image", "author")
        .annotate(operations=Count("pk"), first=Min("received_at"), last=Max("received_at"))
        .order_by("first")
    )
    images = [row["layer__image"] for row in rows]
    items = {item.image_id: item for item in WorkItem.objects.filter(image__in=images).select_related("image")}
    people = User.objects.in_bulk([row["author"] for row in rows])
    found = []
    for row in rows:
        item, author = items[row["layer__image"]], people[row["author"]]
        found.append(LateWork(item, author, row["operations"], row["first"], row["last"]))
    return found


def author_of(item: WorkItem, key: int) -> User:
    """Who has sent something too late for this item. Raises NothingWaits."""
    waiting = LateOperation.objects.filter(layer__image=item.image_id, author=key)
    found = waiting.filter(outcome=LateOperation.Outcome.WAITING).select_related("author").first()
    if found is None:
        raise NothingWaits(_("nothing of this person waits here"))
    return found.author


@transaction.atomic
def apply_late(*, item_id: int, author: User, by: User) -> dict[str, int]:
    """Write what `author` sent too late into the log, under their name. A done item is reopened for it.

    -> verdict -> number of operations: what the log no longer takes (stale, invalid) changes nothing and stays kept.
    Raises NothingWaits where nothing waits.
    """
    item = lock_item(item_id)
    item.project.decline_if_archived()
    layers = _layers_with_late_work(item, author)
    if item.state == ItemState.DONE:
        name = author.display_name
        reopen_item(item_id=item_id, by=by, comment=_("work of {name} that arrived late").format(name=name))
    counts: dict[str, int] = {}
    for layer in layers:
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
