"""What one person has to do, and for who leads what is stuck: read only, for the page My work and the workspace."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from labeling.accounts.models import User
from labeling.assignments.late_work import late_work_of
from labeling.assignments.models import Reading, WorkItem
from labeling.assignments.records import queue_project, readings_of
from labeling.assignments.reviewing import reviews_for
from labeling.assignments.rules import waits_for_admission
from labeling.assignments.services import active_readings, queue_for
from labeling.assignments.states import ACTIVE, ItemState, ReadingState
from labeling.projects.models import MAY, Project

WAITS_TOO_LONG = timedelta(days=3)
MOST_SENT_BACK = 20


@dataclass(frozen=True)
class Place:
    """Where a person stands in their own work of a project: image `number` of `of`."""

    number: int
    of: int


@dataclass(frozen=True)
class Next:
    """What a person would get by asking for the next item. reading: theirs already, or None for one of the queue."""

    item: WorkItem
    reading: Reading | None
    place: Place

    @property
    def is_begun(self) -> bool:
        return self.reading is not None and self.reading.state == ReadingState.OPEN


@dataclass(frozen=True)
class Stuck:
    """What waits for who leads. skipped: items to do that somebody skipped; the others wait for WAITS_TOO_LONG."""

    skipped: int
    in_review: int
    sent_back: int
    late_people: int

    def __bool__(self) -> bool:
        return bool(self.skipped or self.in_review or self.sent_back or self.late_people)


@dataclass(frozen=True)
class ProjectWork:
    """The work of one person in one project with a workflow."""

    project: Project
    role: str
    next: Next | None
    sent_back: list[Reading]
    to_review: int
    stuck: Stuck | None
    learns: bool  # nobody has admitted them yet, so they get no image

    @property
    def is_finished(self) -> bool:
        """Nothing is left for this person here."""
        return self.next is None and not self.to_review


def works(user: User) -> list[ProjectWork]:
    """The projects in use of a person that have a workflow, the newest first."""
    visible = Project.objects.visible_to(user).filter(archived_at__isnull=True, workflow__isnull=False)
    visible = visible.filter(is_sheet=False)
    members = dict(user.memberships.values_list("project", "role"))
    projects = visible.select_related("workflow").order_by("-pk")
    return [work_in(project, user, members[project.pk]) for project in projects]


def work_in(project: Project, user: User, role: str) -> ProjectWork:
    workflow = project.workflow
    annotates = role in MAY["annotate"]
    return ProjectWork(
        project=project,
        role=role,
        next=next_of(project, user) if annotates else None,
        sent_back=sent_back_to(project, user) if annotates else [],
        to_review=reviews_for(project=project, user=user, workflow=workflow).count() if role in MAY["review"] else 0,
        stuck=stuck_in(project, user) if role in MAY["oversee"] else None,
        learns=annotates and waits_for_admission(workflow, user),
    )


def next_of(project: Project, user: User) -> Next | None:
    """What take_next would give, without taking it."""
    reading = active_readings(project=project, user=user).first()
    item = reading.item if reading else queue_for(project=project, user=user).select_related("image").first()
    return None if item is None else Next(item, reading, place_in(project, user))


def left_for(project: Project, user: User) -> int:
    """How many items a person has or may still get."""
    project = queue_project(project)
    return active_readings(project=project, user=user).count() + queue_for(project=project, user=user).count()


def place_in(project: Project, user: User) -> Place:
    """The number of the item that a person works on next, among all that they have finished, have, or may still get."""
    project = queue_project(project)
    mine = readings_of(project=project, user=user)
    counts = mine.aggregate(
        finished=Count("pk", filter=Q(state=ReadingState.FINISHED)),
        active=Count("pk", filter=Q(state__in=ACTIVE)),
    )
    left = queue_for(project=project, user=user).order_by().count()
    finished, active = counts["finished"], counts["active"]
    return Place(min(finished + 1, max(1, finished + active + left)), finished + active + left)


def sent_back_to(project: Project, user: User) -> list[Reading]:
    """What was sent back to a person, with the comment, the oldest first."""
    here = Reading.objects.filter(item__project=project, item__image__deleted_at__isnull=True)
    mine = here.filter(reader=user, state=ReadingState.SENT_BACK)
    return list(mine.select_related("item__image").order_by("since")[:MOST_SENT_BACK])


def stuck_in(project: Project, user: User) -> Stuck:
    """What waits for who leads a project, as far as `user` may know of it."""
    old = timezone.now() - WAITS_TOO_LONG
    skips = Reading.objects.filter(item=OuterRef("pk"), state=ReadingState.SKIPPED)
    items = WorkItem.objects.present().filter(project=project)
    return Stuck(
        skipped=items.filter(Exists(skips), state=ItemState.TO_DO).count(),
        in_review=items.filter(state=ItemState.IN_REVIEW, since__lt=old).count(),
        sent_back=items.filter(state=ItemState.SENT_BACK, since__lt=old).count(),
        late_people=len(late_work_of(project, user)),
    )
