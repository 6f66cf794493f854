"""The workflow of a project: declaring it, changing it, and the item of each image."""

from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.dispatch import Signal
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.assignments.models import MOST_READINGS, Reading, Workflow, WorkItem
from labeling.assignments.queue_start import raise_version
from labeling.assignments.records import hand_on_if_read, lock_item
from labeling.assignments.states import ACTIVE, TAKES_A_PLACE, ItemState
from labeling.errors import Invalid, WrongState
from labeling.projects.models import Project

# Sent when a project has got items (`project`): rounds, which stand above, answer with their order of the images.
items_made = Signal()
# What people choose: the fields of Workflow that are the arguments of declare_workflow.
WORKFLOW_FIELDS = (
    "readings", "more_percent", "is_blind", "shows_proposals", "has_review", "reviews_own_work", "needs_approval",
    "excludes_own_centre", "needs_admission", "matches_skills", "lease_hours",
)  # fmt: skip
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
    is_blind: bool = False,
    shows_proposals: bool = True,
    has_review: bool = True,
    reviews_own_work: bool = False,
    needs_approval: bool = False,
    excludes_own_centre: bool = False,
    needs_admission: bool = False,
    matches_skills: bool = False,
    lease_hours: int = 24,
) -> Workflow:
    """Give the project a workflow, or change the one that it has. Each image becomes an item.

    is_blind         of an image with several readings nobody sees that of another until all are closed
    shows_proposals  whether a reader of such an image sees what a model proposes
    needs_approval   whether a pathologist approves each image; it needs a review

    A change of the readings holds for items that are not in review or done yet; the seed stays, so that the images that
    are read once more stay the same ones. Whether readings are blinded is fixed for an item when somebody begins it.
    Raises Invalid with the field, Archived.
    """
    numbers = {"readings": readings, "more_percent": more_percent, "lease_hours": lease_hours}
    for name, value in numbers.items():
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise Invalid(_("{name} must be {low} to {high}").format(name=name, low=low, high=high), field=name)
    if needs_approval and not has_review:
        raise Invalid(_("an image is approved in its review; choose the review too"), field="needs_approval")
    Project.objects.for_change(project.pk)
    if project.is_sheet:
        raise WrongState(_("the sheet of a study has no workflow; its fields are given out by the study"))
    workflow = Workflow.objects.filter(project=project).first() or Workflow(project=project, declared_by=by)
    workflow.readings, workflow.more_percent, workflow.lease_hours = readings, more_percent, lease_hours
    workflow.has_review, workflow.reviews_own_work = has_review, reviews_own_work
    workflow.is_blind, workflow.shows_proposals = is_blind, shows_proposals
    workflow.needs_approval, workflow.needs_admission = needs_approval, needs_admission
    workflow.excludes_own_centre, workflow.matches_skills = excludes_own_centre, matches_skills
    workflow.save()
    make_items(workflow)
    _set_wanted(workflow)
    _set_blind(workflow)
    _hand_on(workflow)
    items_made.send(sender=Workflow, project=project)
    raise_version(project.pk)  # last: who gives an item back holds it when they raise the version
    return workflow


@transaction.atomic
def end_workflow(*, project: Project) -> None:
    """The project is a simple one again; what people have drawn stays. Raises WrongState once somebody has begun an
    item: who has read and accepted what would be lost. What was only assigned is forgotten."""
    Project.objects.for_change(project.pk)
    if WorkItem.objects.filter(project=project, readings__begun_at__isnull=False).exists():
        raise WrongState(_("people have begun to work by this workflow, so it stays; it can still be changed"))
    WorkItem.objects.filter(project=project).delete()
    Workflow.objects.filter(project=project).delete()


def make_items(workflow: Workflow, image: int | None = None) -> int:
    """An item for each image of the project that has none (or for this image). -> how many were made.

    The caller raises the version of the queue (queue_start.py), after its last lock of an item.
    """
    only = "" if image is None else " AND image.id = %(image)s"
    with connection.cursor() as cursor:  # one statement: a project may have a hundred thousand images
        cursor.execute(
            "INSERT INTO labeling_workitem (project_id, image_id, state, wanted, free, is_blind, priority, since)"
            " SELECT made.project_id, made.id, 'to_do', made.wanted, made.wanted, %(blind)s AND made.wanted > 1, 0,"
            " now()"
            f" FROM (SELECT image.project_id, image.id, image.position, {WANTED.format(image='image.id')} AS wanted"
            f" FROM labeling_image AS image WHERE image.project_id = %(project)s AND image.deleted_at IS NULL{only})"
            " AS made"
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
    raise_version(project.pk)
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


def _set_blind(workflow: Workflow) -> None:
    """Whether readings are blinded, of the items that nobody has begun yet."""
    begun = Reading.objects.filter(item=OuterRef("pk"), begun_at__isnull=False)
    items = WorkItem.objects.filter(project=workflow.project, state=ItemState.TO_DO).filter(~Exists(begun))
    items.filter(wanted__gt=1).exclude(is_blind=workflow.is_blind).update(is_blind=workflow.is_blind)
    items.filter(wanted=1, is_blind=True).update(is_blind=False)


def _numbers(workflow: Workflow) -> dict[str, int | None]:
    return {
        "project": workflow.project_id,
        "readings": workflow.readings,
        "more": workflow.more_percent,
        "blind": workflow.is_blind,
        "seed": workflow.seed,
    }


def _hand_on(workflow: Workflow) -> None:
    """Items of which every reading is finished, now that fewer are wanted or there is no review any more."""
    project = workflow.project
    unfinished = Count("readings", filter=Q(readings__state__in=ACTIVE))
    begun = WorkItem.objects.filter(project=project, state=ItemState.IN_WORK, free=0)
    read = begun.annotate(unfinished=unfinished).filter(unfinished=0)
    for key in list(read.values_list("pk", flat=True)):
        hand_on_if_read(lock_item(key), by=None)
