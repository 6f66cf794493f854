"""The workflow of a project: declaring it, changing it, and the item of each image."""

import hashlib
from collections.abc import Iterable, Mapping

from django.db import connection, transaction
from django.db.models import Count, Q
from django.dispatch import Signal
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.freezing import freeze_layers
from labeling.assignments.models import MOST_READINGS, Workflow, WorkItem
from labeling.assignments.records import lock_item, move, record
from labeling.assignments.states import TAKES_A_PLACE, Act, ItemState, ReadingState
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.projects.models import Project

# Sent when a project has got items (`project`): rounds, which stand above, answer with their order of the images.
items_made = Signal()
LIMITS = {"readings": (1, MOST_READINGS), "more_percent": (0, 100), "lease_hours": (1, 24 * 90)}
NOT_BEGUN = (ItemState.TO_DO, ItemState.IN_WORK)
CHUNK = 5000


@transaction.atomic
def declare_workflow(
    *,
    project: Project,
    by: User,
    readings: int = 1,
    more_percent: int = 0,
    has_review: bool = True,
    reviews_own_work: bool = False,
    lease_hours: int = 24,
) -> Workflow:
    """Give the project a workflow, or change the one that it has. Each image becomes an item.

    A change of the readings holds for items that are not in review or done yet; the seed stays, so that the images that
    are read once more stay the same ones. Raises Invalid with the field, Archived.
    """
    numbers = {"readings": readings, "more_percent": more_percent, "lease_hours": lease_hours}
    for name, value in numbers.items():
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise Invalid(_("{name} must be {low} to {high}").format(name=name, low=low, high=high), field=name)
    Project.objects.for_change(project.pk)
    if getattr(project, "study_item", None) is not None:
        raise WrongState(_("the sheet of a study has no workflow; its fields are given out by the study"))
    workflow = Workflow.objects.filter(project=project).first() or Workflow(project=project, declared_by=by)
    workflow.readings, workflow.more_percent, workflow.lease_hours = readings, more_percent, lease_hours
    workflow.has_review, workflow.reviews_own_work = has_review, reviews_own_work
    workflow.save()
    make_items(workflow)
    _set_wanted(workflow)
    _hand_on(workflow)
    items_made.send(sender=Workflow, project=project)
    return workflow


@transaction.atomic
def end_workflow(*, project: Project) -> None:
    """The project is a simple one again; what people have drawn stays. Raises WrongState once somebody has begun an
    item: who has read and accepted what would be lost."""
    Project.objects.for_change(project.pk)
    if WorkItem.objects.filter(project=project, readings__isnull=False).exists():
        raise WrongState(_("people have begun to work by this workflow, so it stays; it can still be changed"))
    WorkItem.objects.filter(project=project).delete()
    Workflow.objects.filter(project=project).delete()


def make_items(workflow: Workflow, images: Iterable[int] | None = None) -> int:
    """An item for each image of the project that has none (or for these images). -> how many were made."""
    missing = Image.objects.filter(project_id=workflow.project_id, work_item__isnull=True).order_by("position")
    if images is not None:
        missing = missing.filter(pk__in=images)
    rows = []
    for image in missing.values_list("pk", flat=True):
        wanted = wanted_readings(workflow, image)
        rows.append(WorkItem(project_id=workflow.project_id, image_id=image, wanted=wanted, free=wanted))
    WorkItem.objects.bulk_create(rows, batch_size=CHUNK, ignore_conflicts=True)
    return len(rows)


def wanted_readings(workflow: Workflow, image: int) -> int:
    """How many people read an image: one more for the share that the seed draws. The same answer at any time."""
    drawn = hashlib.sha256(f"{workflow.seed}:{image}".encode()).digest()
    share = int.from_bytes(drawn[:8], "big") / 2**64
    return workflow.readings + (1 if share * 100 < workflow.more_percent else 0)


@transaction.atomic
def set_priorities(*, project: Project, priorities: Mapping[int, float]) -> int:
    """The order in which images are handed out: image -> priority, the highest first. Images that are not named come
    after these. -> how many items were named."""
    images, values = list(priorities), [float(value) for value in priorities.values()]
    # One statement, since a round names ten thousands of images.
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE labeling_workitem AS item SET priority = COALESCE(given.priority, 0)"
            " FROM labeling_workitem AS own LEFT JOIN unnest(%s::bigint[], %s::float8[]) AS given(image, priority)"
            " ON own.image_id = given.image"
            " WHERE item.id = own.id AND item.project_id = %s AND item.priority <> COALESCE(given.priority, 0)",
            [images, values, project.pk],
        )
    return WorkItem.objects.filter(project=project, image__in=images).count()


def _set_wanted(workflow: Workflow) -> None:
    """Bring `wanted` and `free` of the items that are not handed on yet up to date with the workflow."""
    items = WorkItem.objects.filter(project_id=workflow.project_id, state__in=NOT_BEGUN)
    taken = Count("readings", filter=Q(readings__state__in=TAKES_A_PLACE))
    changed = []
    for item in items.select_for_update(of=("self",)).order_by("pk"):
        wanted = wanted_readings(workflow, item.image_id)
        if wanted != item.wanted:
            item.wanted = wanted
            changed.append(item)
    counts = dict(WorkItem.objects.filter(pk__in=[item.pk for item in changed]).values_list("pk").annotate(n=taken))
    for item in changed:
        item.free = max(0, item.wanted - counts[item.pk])
    WorkItem.objects.bulk_update(changed, ["wanted", "free"], batch_size=CHUNK)


def _hand_on(workflow: Workflow) -> None:
    """Items of which every reading is finished, now that fewer are wanted or there is no review any more."""
    project = workflow.project
    open_ = Q(readings__state__in=(ReadingState.ASSIGNED, ReadingState.OPEN, ReadingState.SENT_BACK))
    begun = WorkItem.objects.filter(project=project, state=ItemState.IN_WORK, free=0)
    begun = begun.annotate(unfinished=Count("readings", filter=open_)).filter(unfinished=0)
    for key in list(begun.values_list("pk", flat=True)):
        item = lock_item(key)
        act = Act.SUBMIT if workflow.has_review else Act.COMPLETE
        move(item, act)
        record(item, act, by=None)
        if item.state == ItemState.DONE:
            freeze_layers(image=item.image)
