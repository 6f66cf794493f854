"""Images: the pixels people look at, and how they are grouped."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.projects.models import Project

if TYPE_CHECKING:
    from labeling.accounts.models import User


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: "User") -> "ImageQuerySet":
        return self.filter(project__in=Project.objects.visible_to(user))


class Split(models.TextChoices):
    """Which part of learning an image serves. The test part is never trained or tuned on."""

    TRAIN = "train", "train"
    VAL = "val", "validation"
    TEST = "test", "test"


# What is said of an image's origin, with its name for people: free text, empty where nobody has stated it. Rounds are
# looked at by each of them.
FACTORS = {"scanner": _("Scanner"), "site": _("Site"), "stain": _("Stain"), "group": _("Slide or patient")}


class Image(models.Model):
    """One field of tissue, stored as 8-bit RGB PNG.

    Coordinates everywhere are pixels of this image: origin top left, y down, boxes half-open.
    `group` names the slide or patient it comes from: images of one group are not independent, and
    an evaluation across them is optimistic. `scanner`, `site` and `stain` may be stated at any time: snapshots do not
    hold them, so rounds that have run are looked at by what is stated now.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="images")
    name = models.CharField(max_length=255)
    position = models.PositiveIntegerField(help_text="order in the project, from 1")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    um_per_px = models.FloatField("µm per pixel", null=True, blank=True)
    group = models.CharField("slide or patient", max_length=200, blank=True)
    scanner = models.CharField(max_length=200, blank=True)
    site = models.CharField(max_length=200, blank=True)
    stain = models.CharField(max_length=200, blank=True)
    split = models.CharField(max_length=10, choices=Split, default=Split.TRAIN)
    synthetic = models.BooleanField(default=False)
    sha256 = models.CharField(max_length=64)
    pixels = models.FileField(upload_to="images/")
    thumbnail = models.FileField(upload_to="thumbnails/")
    phash = models.CharField(
        max_length=64, blank=True, help_text="perceptual hash (images/similar.py); empty: a picture without contrast"
    )
    reference = models.FileField(
        upload_to="references/", blank=True, help_text="label map (16-bit PNG), for evaluation only, never for training"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["project", "position"], name="image_position_once"),
            models.UniqueConstraint(fields=["project", "sha256"], name="image_once_per_project"),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="image_has_area"),
            models.CheckConstraint(
                condition=Q(um_per_px__isnull=True) | Q(um_per_px__gt=0), name="image_scale_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name
