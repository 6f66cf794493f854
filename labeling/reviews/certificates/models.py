"""Lots of proposals for which a certificate is sought, and the cells of their samples."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from labeling.annotations.blinding import keeps_apart
from labeling.annotations.models import Layer
from labeling.images.models import Image
from labeling.projects.models import MAY, Project

if TYPE_CHECKING:
    from labeling.accounts.models import User


class LotState(models.TextChoices):
    OPEN = "open", "being judged"
    WITHDRAWN = "withdrawn", "withdrawn"
    ACCEPTED = "accepted", "rest accepted"
    REVERSED = "reversed", "acceptance reversed"


class LotQuerySet(models.QuerySet["Lot"]):
    def visible_to(self, user: "User") -> "LotQuerySet":
        """The lots of projects in which `user` reviews, but for those with an image whose blinded readings are open."""
        reviewed = Project.objects.visible_to(user).filter(
            memberships__user=user, memberships__role__in=MAY["review"], is_sheet=False
        )
        kept_apart = LotImage.objects.filter(keeps_apart(user, "image")).values("lot")
        return self.filter(project__in=reviewed.values("pk")).exclude(pk__in=kept_apart)


class Lot(models.Model):
    """Open proposals as they were at one moment, a plan for judging a sample of them, and what came of it.

    tolerated, alpha  the claim: at most `tolerated` of the cells are wrong, at a confidence of 1 - alpha
    attempt           how many lots with one of these images have been judged before, plus one; all share alpha
    seed              of the draw of the sample and of the planted errors
    sha256            of the lot: its images, proposals, groups and strata (freezing.py, `digest`)
    groups            [{label_class, name, centre, cells, sample, chances}], each with a claim of its own
    strata            [{group, name, cells, sample}]
    statement         what the certificate says, once somebody has accepted on it (results.py, `statement_of`)
    """

    class Meaning(models.TextChoices):
        EXISTENCE = "existence", "it is a cell"
        CLASS = "class", "it is a cell of the class"
        OUTLINE = "outline", "it is a cell of the class, and the outline fits"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="lots")
    number = models.PositiveIntegerField(help_text="in the project, from 1")
    state = models.CharField(max_length=10, choices=LotState, default=LotState.OPEN)
    meaning = models.CharField(max_length=10, choices=Meaning)
    tolerated = models.FloatField()
    alpha = models.FloatField()
    attempt = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    groups = models.JSONField()
    strata = models.JSONField()
    planted = models.PositiveIntegerField(help_text="known errors mixed into the sample")
    fields_total = models.PositiveIntegerField(default=0, help_text="of which fields for missed cells were drawn")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    statement = models.JSONField(default=dict)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    accepted_at = models.DateTimeField(null=True)

    objects = LotQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="lot_number_once"),
            models.CheckConstraint(
                condition=Q(tolerated__gt=0, tolerated__lt=1, alpha__gt=0, alpha__lt=1), name="lot_claims_a_share"
            ),
            models.CheckConstraint(condition=Q(attempt__gt=0), name="lot_attempt_from_one"),
        ]

    def __str__(self) -> str:
        return f"lot {self.number} of {self.project}"


class LotImage(models.Model):
    """The proposals of one image in a lot.

    layer   the immutable layer that holds them
    pixels  SHA-256 of the image's pixels
    uids    16 bytes a proposal, in the order of their keys
    codes   the index of the stratum of each, as unsigned 16-bit integers, little-endian
    """

    lot = models.ForeignKey(Lot, on_delete=models.CASCADE, related_name="images")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    layer = models.UUIDField()
    pixels = models.CharField(max_length=64)
    cells = models.PositiveIntegerField()
    uids = models.BinaryField()
    codes = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lot", "image"], name="lot_image_once")]

    def __str__(self) -> str:
        return f"{self.cells} cells of {self.image_id}"


class LotCell(models.Model):
    """One cell that is judged: a proposal of the sample, or a planted error. Both look alike to who judges.

    proposal  uid; null for a planted error
    stratum   index into Lot.strata; null for a planted error
    planted   how it is wrong; "" for a proposal
    shown     what is shown: box, mask, label_class, as a state of the log has them
    """

    class Verdict(models.TextChoices):
        RIGHT = "right", "right"
        WRONG = "wrong", "wrong"
        UNSURE = "unsure", "cannot tell"

    lot = models.ForeignKey(Lot, on_delete=models.CASCADE, related_name="cells")
    position = models.PositiveIntegerField(help_text="order of judging, from 1")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    proposal = models.UUIDField(null=True)
    stratum = models.PositiveIntegerField(null=True)
    planted = models.CharField(max_length=20, blank=True)
    shown = models.JSONField()
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True)
    judged_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    judged_at = models.DateTimeField(null=True)
    milliseconds = models.FloatField(null=True, help_text="from the picture on the screen to the verdict")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["lot", "position"], name="lot_cell_position_once"),
            models.CheckConstraint(
                condition=Q(verdict="", judged_by__isnull=True) | ~Q(verdict="") & Q(judged_by__isnull=False),
                name="lot_cell_judged_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"cell {self.position} of {self.lot_id}"


class LotField(models.Model):
    """A random field of a lot in which somebody points at every cell, without seeing the proposals.

    x0, y0, x1, y1  of the field, image pixels
    points          [[x, y]], image pixels; null until somebody has annotated it
    cells           how many points; missed: those that no proposal and no drawn cell can be matched to (missed.py)
    """

    lot = models.ForeignKey(Lot, on_delete=models.CASCADE, related_name="fields")
    position = models.PositiveIntegerField(help_text="order of annotating, from 1")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    x0 = models.FloatField()
    y0 = models.FloatField()
    x1 = models.FloatField()
    y1 = models.FloatField()
    points = models.JSONField(null=True)
    cells = models.PositiveIntegerField(null=True)
    missed = models.PositiveIntegerField(null=True)
    annotated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    annotated_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["lot", "position"], name="lot_field_position_once"),
            models.CheckConstraint(
                condition=Q(missed__isnull=True) | Q(missed__lte=F("cells")), name="lot_field_counts"
            ),
        ]

    def __str__(self) -> str:
        return f"field {self.position} of {self.lot_id}"


def layer_of(image: Image) -> Layer | None:
    """The shared working layer of an image; None where nobody has written yet."""
    return Layer.objects.filter(image=image, kind=Layer.Kind.WORKING, annotator__isnull=True).first()
