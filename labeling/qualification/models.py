"""What people learn from and are tested with, and every attempt of everybody."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.rounds.models import ReferenceSet

if TYPE_CHECKING:
    from labeling.accounts.models import User


class Curriculum(models.Model):
    """A version of what a project asks before it admits somebody. Rows are never changed; the newest holds.

    training          keys of the images that people learn from, with feedback; the others of the set are for tests
    least_cells       cells of the reference that a test shows at least, of `least_patients` patients
    least_share       a class is passed where the lower end of the interval of its share of right cells reaches this
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="curricula")
    version = models.PositiveIntegerField()
    reference_set = models.ForeignKey(ReferenceSet, on_delete=models.PROTECT, related_name="+")
    training = models.JSONField(default=list)
    least_cells = models.PositiveIntegerField(default=200, validators=[MinValueValidator(1)])
    least_patients = models.PositiveIntegerField(default=5, validators=[MinValueValidator(1)])
    least_share = models.FloatField(default=0.7, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="curriculum_version_once"),
            models.CheckConstraint(condition=Q(least_share__gt=0, least_share__lt=1), name="curriculum_share"),
            models.CheckConstraint(condition=Q(least_cells__gte=1, least_patients__gte=1), name="curriculum_counts"),
        ]

    def __str__(self) -> str:
        return f"version {self.version} of project {self.project_id}"


class Attempt(models.Model):
    """One training or test of one person, with its fields. It stays, whatever came of it.

    results  of a finished test: as ClassResult of results.py, one a class
    """

    class Kind(models.TextChoices):
        TRAINING = "training", gettext_noop("training")
        TEST = "test", gettext_noop("test")

    curriculum = models.ForeignKey(Curriculum, on_delete=models.CASCADE, related_name="attempts")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="attempts")
    kind = models.CharField(max_length=10, choices=Kind)
    number = models.PositiveIntegerField(help_text="of this person's attempts of this kind, from 1")
    guideline = models.PositiveIntegerField(null=True, help_text="the version of the guidelines that held")
    seed = models.BigIntegerField(help_text="by which the fields were drawn")
    begun_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    results = models.JSONField(default=list)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["curriculum", "person", "kind"],
                condition=Q(finished_at__isnull=True),
                name="one_open_attempt",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.person_id}"


class AttemptField(models.Model):
    """One field of an attempt. Its sheet is a copy that only this person reaches, while the field is open."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="fields")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField()
    sheet = models.OneToOneField(Project, on_delete=models.PROTECT, null=True, related_name="attempt_field")
    classes = models.JSONField(default=dict, help_text="key of a class on the sheet -> of the project's class")
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["attempt", "position"], name="attempt_field_once")]

    def __str__(self) -> str:
        return f"field {self.position} of attempt {self.attempt_id}"

    def is_of(self, user: "User") -> bool:
        return self.attempt.person_id == user.pk
