"""Items of work, the workflow that they go through, and who reads them."""

import secrets
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from labeling.assignments.states import TAKES_A_PLACE, Act, ItemState, ReadingState
from labeling.images.models import Image
from labeling.projects.models import LabelClass, Membership, Project

if TYPE_CHECKING:
    from labeling.accounts.models import User

MOST_READINGS = 10


def new_seed() -> int:
    """The seed by which a share of the images is read once more; it fits PostgreSQL's bigint."""
    return secrets.randbelow(2**62)


class Workflow(models.Model):
    """How each image of a project gets done. A project without a workflow has no items: everybody opens any image."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="workflow")
    readings = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_READINGS)]
    )
    more_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(100)],
        help_text="this share of the images is read by one more person, chosen by `seed`",
    )
    seed = models.BigIntegerField(default=new_seed)
    is_blind = models.BooleanField(
        default=False,
        help_text="of an image with several readings each reader has a layer of their own, and nobody sees the reading "
        "of another until all are closed",
    )
    shows_proposals = models.BooleanField(
        default=True, help_text="whether proposals of a model are in sight in a blinded reading"
    )
    has_review = models.BooleanField(default=True)
    reviews_own_work = models.BooleanField(default=False, help_text="whether a reader may review what they read")
    needs_approval = models.BooleanField(
        default=False, help_text="whether each image is approved by a pathologist; then nobody else ends its review"
    )
    excludes_own_centre = models.BooleanField(
        default=False, help_text="whether nobody reads images of the centre that they work at"
    )
    needs_admission = models.BooleanField(
        default=False, help_text="whether nobody reads an image before they are admitted for a class at its centre"
    )
    matches_skills = models.BooleanField(
        default=False,
        help_text="whether an image with a tag that is somebody's skill is read by those alone who have such a skill",
    )
    lease_hours = models.PositiveSmallIntegerField(
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 90)],
        help_text="an image that was begun and not touched for so long goes back to the queue",
    )
    handed_out_by = models.ForeignKey(
        Project,
        on_delete=models.CASCADE,
        null=True,
        related_name="handed_out",
        help_text="of a copy of one image for one reader: the project whose queue hands it out among its own images",
    )
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(readings__gte=1, readings__lte=MOST_READINGS), name="workflow_readings"),
            models.CheckConstraint(condition=Q(more_percent__lte=100), name="workflow_share"),
            models.CheckConstraint(condition=Q(lease_hours__gte=1), name="workflow_lease"),
        ]

    def __str__(self) -> str:
        return f"workflow of project {self.project_id}"


class WorkItemQuerySet(models.QuerySet["WorkItem"]):
    def visible_to(self, user: "User") -> "WorkItemQuerySet":
        return self.present().filter(project__in=Project.objects.visible_to(user))

    def present(self) -> "WorkItemQuerySet":
        """Without those of deleted images, which nobody works on until the image is restored."""
        return self.filter(image__deleted_at__isnull=True)


class WorkItem(models.Model):
    """One image in the workflow of its project (later also a field of a slide).

    `free` is how many readings nobody has taken yet: the readings wanted less those that take a place. It is kept in
    the row, and changed under the row's lock, so that the queue is one partial index.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="items")
    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="work_item")
    state = models.CharField(max_length=20, choices=ItemState, default=ItemState.TO_DO)
    wanted = models.PositiveSmallIntegerField(default=1, help_text="readings that the item needs")
    free = models.PositiveSmallIntegerField(default=1, help_text="readings that nobody has taken yet")
    is_blind = models.BooleanField(
        default=False,
        help_text="each reader has a layer of their own and sees nothing of the others until all readings are closed; "
        "set before somebody begins (annotations/blinding.py)",
    )
    priority = models.FloatField(default=0, help_text="the highest is handed out first; then the oldest")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", help_text="looks at it now"
    )
    review_until = models.DateTimeField(null=True, help_text="until when the reviewer has it")
    since = models.DateTimeField(auto_now_add=True, help_text="when the state began")
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="the pathologist who approved it as it is",
    )
    done_at = models.DateTimeField(null=True)

    objects = WorkItemQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(wanted__gte=1), name="item_wants_a_reading"),
            models.CheckConstraint(condition=Q(free__lte=F("wanted")), name="item_free_places"),
            models.CheckConstraint(
                condition=Q(state=ItemState.DONE, done_at__isnull=False)
                | (~Q(state=ItemState.DONE) & Q(done_at__isnull=True)),
                name="item_done_when",
            ),
        ]
        indexes = [
            # The queue, in its order: the next item is the first row of the index (tests/bench/queue.py).
            models.Index(F("project"), F("priority").desc(), F("id"), condition=Q(free__gt=0), name="item_queue"),
            models.Index(fields=["project", "state", "since"], name="item_by_state"),
        ]

    def __str__(self) -> str:
        return f"item of {self.image_id}: {self.state}"


class QueueVersion(models.Model):
    """A number that grows whenever a place of an item becomes free again or the order changes: what somebody knows of
    the queue (QueueStart) holds as long as it stays. A row of its own: whoever raises it locks it last."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="queue_version")
    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"queue of project {self.project_id} at {self.number}"


class QueueStart(models.Model):
    """Where the queue begins for one person: of the items before it none is for them, as they have read it or nobody
    may take it. Without it, who has read 50,000 images would pass over them at each pull (queue_start.py)."""

    member = models.OneToOneField(Membership, on_delete=models.CASCADE, primary_key=True, related_name="queue_start")
    version = models.PositiveBigIntegerField()
    priority = models.FloatField()
    item = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"queue of member {self.member_id} from item {self.item}"


class Reading(models.Model):
    """That one person reads one item. Each reader of an item has a row of their own, so that readings can be blind:
    who sees whose cells is decided by the layer (projects/access.py)."""

    item = models.ForeignKey(WorkItem, on_delete=models.CASCADE, related_name="readings")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="readings")
    state = models.CharField(max_length=20, choices=ReadingState)
    assigned_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    due_on = models.DateField(null=True, help_text="by when whoever assigned it wants it finished; null: at any time")
    begun_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True, help_text="of an open reading: when it goes back to the queue")
    finished_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True, help_text="why it was skipped, or sent back")
    since = models.DateTimeField(help_text="when the state began")
    is_blind = models.BooleanField(
        default=False, help_text="whether its reader could see nothing of the other readings of the item"
    )
    proposals = models.JSONField(
        default=list,
        help_text="the proposals that its reader had in sight: [{publication, round, models}, ...]",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "reader"], name="reading_once_a_reader"),
            models.CheckConstraint(
                condition=Q(state=ReadingState.OPEN, lease_until__isnull=False)
                | (~Q(state=ReadingState.OPEN) & Q(lease_until__isnull=True)),
                name="open_reading_has_a_lease",
            ),
        ]
        indexes = [
            models.Index(fields=["reader", "state"], name="reading_by_reader"),
            models.Index(fields=["lease_until"], condition=Q(state=ReadingState.OPEN), name="reading_leases"),
        ]

    def __str__(self) -> str:
        return f"reading of item {self.item_id} by {self.reader_id}: {self.state}"

    @property
    def takes_a_place(self) -> bool:
        return self.state in TAKES_A_PLACE


class Admission(models.Model):
    """That a person may read the cells of a class, at one centre or (null) at all of them.

    By a test that they passed (qualification/), or by whoever leads. A withdrawn one keeps its row.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="admissions")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="admissions")
    label_class = models.ForeignKey(LabelClass, on_delete=models.CASCADE, related_name="admissions")
    centre = models.ForeignKey("labeling.Centre", on_delete=models.CASCADE, null=True, related_name="+")
    admitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", help_text="null: by a test"
    )
    admitted_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "person", "label_class", "centre"],
                condition=Q(withdrawn_at__isnull=True),
                nulls_distinct=False,
                name="admitted_once",
            )
        ]

    def __str__(self) -> str:
        return f"admission of {self.person_id} for class {self.label_class_id}"


class ItemEvent(models.Model):
    """What happened to an item, in order. Append-only: who reopened what, and why, stays to be read."""

    item = models.ForeignKey(WorkItem, on_delete=models.CASCADE, related_name="events")
    act = models.CharField(max_length=20, choices=Act)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="null: nobody, a lease",
    )
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=20, choices=ItemState, help_text="of the item, after it")
    comment = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["item", "id"], name="item_events")]

    def __str__(self) -> str:
        return f"{self.act} of item {self.item_id}"
