"""Where the queue begins for one person, so that a pull costs the same after ten images as after fifty thousand.

The queue is ordered by priority and age. When somebody takes an item, none of the items before it was for them. That
stays so until a place becomes free again, the order changes or somebody is admitted, which raises the version of the
queue. A start of another version is not believed. An item that others held for a moment, or that another centre of the
member or of its image allows, may lie before a start that is kept; it is found when the rest of the queue is at its
end, so nothing is ever left out.
"""

from collections.abc import Iterator

from django.db.models import F, QuerySet

from labeling.assignments.models import QueueStart, QueueVersion, WorkItem
from labeling.projects.models import Membership, Project


def queue_version(project: Project) -> int:
    return QueueVersion.objects.filter(project=project).values_list("number", flat=True).first() or 0


def raise_version(project: int) -> None:
    """Every start that is kept is an old one. Call it as the last lock of a transaction: whoever gives an item back
    holds its row already."""
    if not QueueVersion.objects.filter(project=project).update(number=F("number") + 1):
        QueueVersion.objects.get_or_create(project_id=project, defaults={"number": 1})


def parts_from_start(queue: QuerySet[WorkItem], member: Membership, version: int) -> Iterator[QuerySet[WorkItem]]:
    """The queue in the order in which it is searched, in parts that the index `item_queue` answers from their first
    row: from the start of the member on, and last the whole."""
    start = QueueStart.objects.filter(member=member, version=version).first()
    if start is not None:
        yield queue.filter(priority=start.priority, pk__gte=start.item)
        yield queue.filter(priority__lt=start.priority)
    yield queue


def keep_start(member: Membership, version: int, item: WorkItem) -> None:
    """None of the items before `item` was for this member."""
    values = {"version": version, "priority": item.priority, "item": item.pk}
    QueueStart.objects.update_or_create(member=member, defaults=values)
