"""Images: the pixels people look at, and how they are grouped."""

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.images.patients import Centre, KnownBy, Patient, Specimen, Split
from labeling.projects.models import Project

if TYPE_CHECKING:
    from labeling.accounts.models import User

__all__ = [
    "Centre",
    "Image",
    "ImageKind",
    "ImageQuerySet",
    "Patient",
    "ScaleSource",
    "SlideField",
    "SlideFile",
    "Split",
]


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: "User") -> "ImageQuerySet":
        return self.filter(project__in=Project.objects.visible_to(user))

    def with_specimens(self) -> "ImageQuerySet":
        """With what `specimen` and `patient_label` read, so that a list asks for nothing more."""
        return self.select_related("centre", "patient__centre")


class EveryImage(models.Manager["Image"]):
    """All images, deleted ones among them."""

    def get_queryset(self) -> ImageQuerySet:
        return ImageQuerySet(self.model, using=self._db)

    def visible_to(self, user: "User") -> ImageQuerySet:
        return self.get_queryset().visible_to(user)

    def with_specimens(self) -> ImageQuerySet:
        return self.get_queryset().with_specimens()


class ImageManager(EveryImage):
    """Images that are there. Deleted ones are found by `Image.everything` alone, so that no query forgets them."""

    def get_queryset(self) -> ImageQuerySet:
        return super().get_queryset().filter(deleted_at__isnull=True)


class ScaleSource(models.TextChoices):
    """Where the size of a pixel comes from."""

    UNKNOWN = "", ""
    FILE = "file", _("from the file")
    NOMINAL = "nominal", _("nominal")
    TYPED = "typed", _("typed")
    MEASURED = "measured", _("measured")


class ImageKind(models.TextChoices):
    """Whether an image was decoded and stored, or is read from a slide's file where it is looked at."""

    PICTURE = "picture", _("picture")
    SLIDE = "slide", _("whole slide")


# µm per pixel by which a magnification is usually meant. A scanner's own differs by some per cent, so what is set this
# way is marked as nominal.
NOMINAL_SCALES = {40: 0.25, 20: 0.5}


def originals_storage() -> Storage:
    """Where files are kept as they came: apart from everything that an ordinary route serves."""
    return storages["originals"]


# What is said of an image's origin, with its name for people; empty where nobody has stated it. Rounds are looked at by
# each of them.
FACTORS = {"scanner": _("Scanner"), "centre": _("Centre"), "stain": _("Stain"), "patient": _("Patient")}
# The parts of a Specimen with their names for people, from the whole to the part.
SPECIMEN = {"centre": _("Centre"), "patient": _("Patient"), "block": _("Block"), "slide": _("Slide")}
MOST_TAGS, LONGEST_TAG = 20, 60


class Image(models.Model):
    """One field of tissue, stored as 8-bit RGB PNG.

    Coordinates everywhere are pixels of this image: origin top left, y down, boxes half-open.
    `centre`, `patient`, `block` and `slide` say where the tissue comes from (images/patients.py): images of one patient
    are not independent, so they share the split of the patient. `scanner`, `centre` and `stain` may be stated at any
    time: snapshots do not hold them, so rounds that have run are looked at by what is stated now.

    `low` and `high` are the samples of the file that are black and white in `pixels`:
    sample = low + shown / 255 * (high - low). Both are null where the file has 8 bits and is stored as it is.
    `reading` is what the file said of itself and what was done with it (inference/reading/child.py, `described`).
    `original` is the file as it came, bit by bit, where the project keeps originals.

    An image of the kind "slide" has no `pixels`: tiles come from its file (images/slides.py), and models learn from its
    fields (images/fields.py), which are images of their own.

    deleted_at  since when it is deleted: it can be restored until its files are removed (`purged_at`). The row stays,
                with what was drawn on it: rounds have learned from it
    ..._bytes   what its files take in the storage; null where nobody has measured it yet
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="images")
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=10, choices=ImageKind, default=ImageKind.PICTURE)
    position = models.PositiveIntegerField(help_text="order in the project, from 1")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    um_per_px = models.FloatField("µm per pixel", null=True, blank=True)
    scale_source = models.CharField(max_length=10, choices=ScaleSource, default=ScaleSource.UNKNOWN, blank=True)
    magnification = models.FloatField(null=True, blank=True, help_text="of the objective, as the file says")
    low = models.FloatField(null=True, blank=True)
    high = models.FloatField(null=True, blank=True)
    reading = models.JSONField(default=dict, blank=True)
    centre = models.ForeignKey(Centre, on_delete=models.RESTRICT, null=True, related_name="images")
    patient = models.ForeignKey(Patient, on_delete=models.RESTRICT, null=True, related_name="images")
    block = models.CharField(max_length=200, blank=True)
    slide = models.CharField(max_length=200, blank=True)
    scanner = models.CharField(max_length=200, blank=True)
    stain = models.CharField(max_length=200, blank=True)
    tags = ArrayField(models.CharField(max_length=LONGEST_TAG), default=list, blank=True)
    split = models.CharField(max_length=10, choices=Split, default=Split.TRAIN)
    synthetic = models.BooleanField(default=False)
    sha256 = models.CharField(max_length=64)
    pixels = models.FileField(upload_to="images/", blank=True)
    thumbnail = models.FileField(upload_to="thumbnails/")
    phash = models.CharField(
        max_length=64, blank=True, help_text="perceptual hash (images/similar.py); empty: a picture without contrast"
    )
    original = models.FileField(storage=originals_storage, blank=True, max_length=200)
    original_sha256 = models.CharField(max_length=64, blank=True, help_text="of the file as it came")
    reference = models.FileField(
        upload_to="references/", blank=True, help_text="label map (16-bit PNG), for evaluation only, never for training"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)
    deleted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    purged_at = models.DateTimeField(null=True, help_text="since when its files are gone")
    pixel_bytes = models.BigIntegerField(null=True, help_text="of its pixels, thumbnail and reference masks")
    original_bytes = models.BigIntegerField(null=True)
    tile_bytes = models.BigIntegerField(null=True)
    slide_bytes = models.BigIntegerField(null=True)
    second_image = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    landmarks = models.JSONField(default=list)  # images/registration.py: x, y here and x, y in the second image

    objects: ClassVar[ImageQuerySet] = ImageManager()  # type: ignore[assignment]
    everything: ClassVar[ImageQuerySet] = EveryImage()  # type: ignore[assignment]

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["project", "position"], name="image_position_once"),
            models.UniqueConstraint(
                fields=["project", "sha256"], condition=Q(purged_at__isnull=True), name="image_once_per_project"
            ),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="image_has_area"),
            models.CheckConstraint(
                condition=Q(kind="slide") | ~Q(pixels="") | Q(purged_at__isnull=False), name="image_picture_has_pixels"
            ),
            models.CheckConstraint(
                condition=Q(purged_at__isnull=True) | Q(deleted_at__isnull=False), name="image_purged_after_deletion"
            ),
            models.CheckConstraint(
                condition=Q(um_per_px__isnull=True) | Q(um_per_px__gt=0), name="image_scale_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="image_deleted"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_slide(self) -> bool:
        return self.kind == ImageKind.SLIDE

    @property
    def specimen(self) -> Specimen:
        """By names; a patient whom nobody has named is known by block or slide, and has none here."""
        named = self.patient is not None and self.patient.known_by == KnownBy.PATIENT
        return Specimen(
            centre=self.centre.name if self.centre else "",
            patient=self.patient.name if self.patient and named else "",
            block=self.block,
            slide=self.slide,
        )

    @property
    def patient_label(self) -> str:
        """What tells the images of one patient from others; "" for an image whose patient nobody has stated."""
        return self.patient.label if self.patient else ""


def learned_from(project: Project) -> ImageQuerySet:
    """The images of a project that models learn from and are judged on: pictures, fields of slides among them.

    A whole slide is not decoded as one picture, so it is learned from by its fields alone.
    """
    return Image.objects.filter(project=project, kind=ImageKind.PICTURE)


class SlideFile(models.Model):
    """The file or files of an image that is a slide, and what a reader says of them.

    root, path   where it lies: below a root of the setting SLIDE_ROOTS, or with the originals where `root` is empty
    entry        of a slide that is a folder: the file in it that a reader is given, "" for the folder itself
    size, mtime  when it came in: a file that has changed since is not shown
    info         reading/slides.py, SlideInfo.as_json: levels, tile sizes, channels, reader
    removed      names of metadata and further pictures that were not kept; never a value
    tissue       where the tissue is (reading/slide_entry.py)
    """

    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="slide_file")
    root = models.CharField(max_length=100, blank=True)
    path = models.CharField(max_length=1000)
    entry = models.CharField(max_length=1000, blank=True)
    size = models.BigIntegerField()
    mtime = models.BigIntegerField(help_text="of the last change, in nanoseconds")
    reader = models.CharField(max_length=20)
    page = models.PositiveIntegerField(default=1)
    channel = models.PositiveIntegerField(default=1)
    info = models.JSONField(default=dict)
    removed = models.JSONField(default=list)
    tissue = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.image} by {self.reader}"


class SlideField(models.Model):
    """A rectangle of a slide that is an image of work of its own.

    x, y, width, height  pixels of the slide's level 0
    probability          with which a random field was drawn, None for one that somebody chose or a whole grid
    seed                 of the draw: the same seed draws the same fields from the same slide
    channels             of a slide with several: names of those that its pixels show, [] for those shown at first
    """

    class Method(models.TextChoices):
        DRAWN = "drawn", _("drawn")
        GRID = "grid", _("grid")
        RANDOM = "random", _("random")

    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="slide_field")
    slide = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="fields")
    x = models.PositiveIntegerField()
    y = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    method = models.CharField(max_length=10, choices=Method)
    probability = models.FloatField(null=True, blank=True)
    seed = models.BigIntegerField(null=True, blank=True)
    channels = models.JSONField(default=list)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="slide_field_has_area"),
            models.CheckConstraint(
                condition=Q(probability__isnull=True) | Q(probability__gt=0, probability__lte=1),
                name="slide_field_probability",
            ),
            models.UniqueConstraint(fields=["slide", "x", "y", "width", "height"], name="slide_field_once"),
        ]

    def __str__(self) -> str:
        return f"{self.width} x {self.height} at {self.x}, {self.y} of {self.slide}"


class OriginalAccess(models.Model):
    """That somebody has fetched the file of an image as it came, which may name a patient."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="original_accesses")
    image = models.ForeignKey(Image, on_delete=models.SET_NULL, null=True, related_name="original_accesses")
    image_name = models.CharField(max_length=255)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="original_accesses")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.person} fetched {self.image_name}"
