"""The guidelines of a project: versions of a text, its pictures, and who has read which version."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.projects.models import Project


class Guideline(models.Model):
    """One version of the guidelines. Append-only: what somebody has acknowledged stays to be read."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="guidelines")
    version = models.PositiveIntegerField(help_text="from 1; the highest one holds")
    text = models.TextField(help_text="Markdown; pictures by their names")
    note = models.CharField(max_length=200, blank=True, help_text="what is new in this version")
    must_acknowledge = models.BooleanField(
        default=False, help_text="whether people confirm that they have read this version before they get work"
    )
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="guideline_version_once"),
            models.CheckConstraint(condition=Q(version__gte=1), name="guideline_version_from_one"),
        ]

    def __str__(self) -> str:
        return f"guidelines of project {self.project_id}, version {self.version}"


class GuidelinePicture(models.Model):
    """A picture that the text names. It never changes, so that an old version shows what it showed.

    The bytes lie in the database: pictures are few and small, and are kept and restored with their text. They are
    never decoded here; the browser does it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="guideline_pictures")
    name = models.CharField(max_length=80)
    content_type = models.CharField(max_length=20)
    content = models.BinaryField()
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="guideline_picture_once")]

    def __str__(self) -> str:
        return f"{self.name} of project {self.project_id}"


class GuidelineReader(models.Model):
    """That somebody was shown a version, and whether they have acknowledged it."""

    guideline = models.ForeignKey(Guideline, on_delete=models.CASCADE, related_name="readers")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    seen_at = models.DateTimeField(auto_now_add=True)
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["guideline", "person"], name="guideline_reader_once")]

    def __str__(self) -> str:
        return f"{self.person_id} and {self.guideline}"
