"""The workflow of a project: declaring it, changing it, and the item of each image."""

from collections.abc import Mapping
from typing import Any

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
from labeling.projects.models import Project

# Sent when a project has got items (`project`): rounds, which stand above, answer with their order of the images.
items_made = Signal()
LIMITS = {"readings": (1, MOST_READINGS), "more_percent": (0, 100), "lease_hours": (1, 24 * 90)}
NOT_BEGUN = (ItemState.TO_DO, ItemState.IN_WORK)
# How many people read an image: one more for the share that the seed draws, by the first 32 bits of a hash. The same
# answer at any time; a larger share holds all of a smaller one.
WANTED = (
    "(%(readings)s + CASE WHEN ('x' || substr(md5(%(seed)s::text || ':' || {image}::text), 1, 8))::bit(32)::bigint"
    " * 100.0 / 4294967296 < %(more)s THEN 1 ELSE 0 END)"
)


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


def make_items(workflow: Workflow, image: int | None = None) -> int:
    """An item for each image of the project that has none (or for this image). -> how many were made."""
    only = "" if image is None else " AND image.id = %(image)s"
    with connection.cursor() as cursor:  # one statement: a project may have a hundred thousand images
        cursor.execute(
            "INSERT INTO labeling_workitem (project_id, image_id, state, wanted, free, priority, since)"
            " SELECT made.project_id, made.id, 'to_do', made.wanted, made.wanted, 0, now()"
            f" FROM (SELECT image.project_id, image.id, image.position, {WANTED.format(image='image.id')} AS wanted"
            f" FROM labeling_image AS image WHERE image.project_id = %(project)s{only}) AS made"
            " ORDER BY made.position ON CONFLICT DO NOTHING",
            _numbers(workflow) | {"image": image},
        )
        return int(cursor.rowcount)


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
    given: dict[str, Any] = {**_numbers(workflow), "states": list(NOT_BEGUN), "taking": list(TAKES_A_PLACE)}
    with connection.cursor() as cursor:
        # Whoever takes an item at this moment ends first: the next statement then sees their reading.
        cursor.execute(
            "SELECT count(*) FROM (SELECT id FROM labeling_workitem WHERE project_id = %(project)s"
            f" AND state = ANY(%(states)s) AND wanted <> {WANTED.format(image='image_id')} FOR UPDATE) AS locked",
            given,
        )
        cursor.execute(
            f"UPDATE labeling_workitem AS item SET wanted = {WANTED.format(image='image_id')}, free = greatest(0,"
            f" {WANTED.format(image='image_id')} - (SELECT count(*) FROM labeling_reading AS reading"
            " WHERE reading.item_id = item.id AND reading.state = ANY(%(taking)s)))"
            " WHERE item.project_id = %(project)s AND item.state = ANY(%(states)s)"
            f" AND item.wanted <> {WANTED.format(image='image_id')}",
            given,
        )


def _numbers(workflow: Workflow) -> dict[str, int | None]:
    return {
        "project": workflow.project_id,
        "readings": workflow.readings,
        "more": workflow.more_percent,
        "seed": workflow.seed,
    }


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
