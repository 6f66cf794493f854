"""Fields that readers get among their images without being told which: controls and repeats."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from labeling.assignments.models import new_seed
from labeling.images.models import Image
from labeling.projects.models import Project

if TYPE_CHECKING:
    from labeling.accounts.models import User


class ControlPlan(models.Model):
    """How often readers of a project are checked, and who sees what comes of it."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="control_plan")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="the one who sees the results"
    )
    consequence = models.TextField(help_text="what follows from the results, as everybody reads it")
    control_percent = models.PositiveSmallIntegerField(
        default=5, help_text="so many of the images that somebody gets are fields of the locked reference"
    )
    repeat_percent = models.PositiveSmallIntegerField(
        default=5, help_text="so many are turned or mirrored copies of images that they have read before"
    )
    repeat_days = models.PositiveSmallIntegerField(default=14, help_text="at least so long after they read it first")
    drop = models.FloatField(default=0.1, help_text="the loss of detection F1 that is to be seen")
    false_alarm = models.PositiveIntegerField(default=200, help_text="controls until a false alarm, on the average")
    seed = models.BigIntegerField(default=new_seed, help_text="by which fields are drawn")
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(drop__gt=0, drop__lt=1), name="control_plan_drop"),
            models.CheckConstraint(condition=Q(false_alarm__gte=2), name="control_plan_false_alarm"),
        ]

    def __str__(self) -> str:
        return f"control plan of project {self.project_id}"


class CheckField(models.Model):
    """One control or repeat of one reader: a copy of a field, which they get as one of their images.

    `found`, `missed`, `extra` and `same_class` count cells, once it is finished: those that both have drawn, those of
    the reference (of a repeat: of the first reading) alone, those of the reader alone, and those of `found` to which
    both give the same class.
    """

    class Kind(models.TextChoices):
        CONTROL = "control", gettext_noop("control")
        REPEAT = "repeat", gettext_noop("repeat")

    plan = models.ForeignKey(ControlPlan, on_delete=models.CASCADE, related_name="fields")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+", help_text="that was copied")
    sheet = models.OneToOneField(Project, on_delete=models.PROTECT, related_name="check_field")
    is_mirrored = models.BooleanField(default=False, help_text="whether left and right are exchanged")
    quarter_turns = models.PositiveSmallIntegerField(
        default=0, help_text="by how many quarters the copy is turned after that, counterclockwise"
    )
    after = models.PositiveIntegerField(help_text="images that the reader had finished when they got it")
    given_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    found = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(default=0)
    extra = models.PositiveIntegerField(default=0)
    same_class = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "reader", "after"], name="checked_once_after_an_image"),
            models.UniqueConstraint(fields=["plan", "reader", "image", "kind"], name="checked_once_on_an_image"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of reader {self.reader_id}"

    @property
    def f1(self) -> float:
        """Detection F1 at IoU 0.5; 1 where neither has a cell."""
        every = 2 * self.found + self.missed + self.extra
        return 2 * self.found / every if every else 1.0

    def is_of(self, user: "User") -> bool:
        return self.reader_id == user.pk
