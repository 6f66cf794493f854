"""Whose tissue an image shows: centres and patients, and the split, which belongs to the patient.

Centre, patient, block and slide may each be left out. Centres and patients are rows, since they have facts of their
own; block and slide are names on the image (docs/decisions/patients.md).
"""

from dataclasses import dataclass

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.projects.models import Project


class Split(models.TextChoices):
    """Which part of learning an image serves. The test part is never trained or tuned on."""

    TRAIN = "train", "train"
    VAL = "val", "validation"
    TEST = "test", "test"


@dataclass(frozen=True)
class Specimen:
    """Where the tissue of an image comes from, by names; "" for what nobody has stated."""

    centre: str = ""
    patient: str = ""
    block: str = ""
    slide: str = ""


class Centre(models.Model):
    """Where tissue was taken, stained and scanned: a hospital or laboratory."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="centres")
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="centre_named_once"),
            models.CheckConstraint(condition=~Q(name=""), name="centre_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class KnownBy(models.TextChoices):
    """What the name of a patient names. Whose name nobody has stated is known by a block, or else by a slide."""

    PATIENT = "patient", _("patient")
    BLOCK = "block", _("block")
    SLIDE = "slide", _("slide")


class Patient(models.Model):
    """The person whose tissue is shown. The split is theirs: all their images serve one part of learning.

    Triggers of the database hold that (migration 0025): a patient's new split becomes that of their images, and an
    image is not written with another one, whatever writes it.

    split  null for a divided patient, whose images have splits of their own: the only patient of a project, or one that
           a data set or an earlier version has divided. Figures are then optimistic
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="patients")
    centre = models.ForeignKey(Centre, on_delete=models.RESTRICT, null=True, related_name="patients")
    known_by = models.CharField(max_length=10, choices=KnownBy, default=KnownBy.PATIENT)
    name = models.CharField(max_length=200)
    split = models.CharField(max_length=10, choices=Split, null=True, default=Split.TRAIN)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "centre", "known_by", "name"], nulls_distinct=False, name="patient_named_once"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="patient_has_a_name"),
            models.CheckConstraint(
                condition=Q(split__isnull=True) | Q(split__in=Split.values), name="patient_split_known"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name by which a project tells its patients apart, as snapshots and messages say it."""
        name = self.name if self.known_by == KnownBy.PATIENT else f"{self.known_by} {self.name}"
        return f"{self.centre.name} / {name}" if self.centre else name


class PatientWithdrawal(models.Model):
    """That a patient has withdrawn: what is kept here of their tissue goes, and nothing of theirs is added any more.

    The patient stays as a name, so that an upload can be declined. Files go once no round and no job of the project is
    at work, which may read them (upkeep/withdrawing.py).

    counts    kind of what is removed -> how many, as the preview said it
    learned   what has learned from the tissue and stays: {"rounds": [...], "snapshots": [...], "models": [...]}
    finished_at  null while something is still to be removed
    """

    patient = models.OneToOneField(Patient, on_delete=models.CASCADE, related_name="withdrawal")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    reason = models.TextField(blank=True)
    counts = models.JSONField(default=dict)
    learned = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"withdrawal of {self.patient}"


class SplitChange(models.Model):
    """That a patient, or an image without one, has another split. Append-only: a trigger declines changes of a row.

    unit    the patient's or image's name at that time
    before  the split until then; "" for a patient that was divided; `after` likewise
    """

    class How(models.TextChoices):
        HAND = "hand", _("by hand")
        AUTOMATIC = "automatic", _("assigned automatically")
        JOINED = "joined", _("joined a patient")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="split_changes")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, null=True, related_name="split_changes")
    image = models.ForeignKey("labeling.Image", on_delete=models.CASCADE, null=True, related_name="split_changes")
    unit = models.CharField(max_length=500)
    before = models.CharField(max_length=10, blank=True)
    after = models.CharField(max_length=10, blank=True)
    how = models.CharField(max_length=10, choices=How)
    images = models.PositiveIntegerField(default=1, help_text="how many images have moved")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    reason = models.TextField(blank=True)
    after_seal = models.BooleanField(default=False, help_text="whether the test patients were sealed already")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["project", "at"], name="split_changes_by_time")]

    def __str__(self) -> str:
        return f"{self.unit}: {self.before} to {self.after}"

    @property
    def concerns_test(self) -> bool:
        return Split.TEST in (self.before, self.after)
