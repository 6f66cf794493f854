"""That one class was merged into another one, and what is needed to take it back."""

import uuid

from django.conf import settings
from django.db import models

from labeling.annotations.models import Layer
from labeling.projects.models import LabelClass, Project


class ClassMerge(models.Model):
    """One merge. Its operations in the logs of working layers have the id as their session.

    counts  cells that got the other class; after it was taken back `returned`, and `left`: changed since by somebody
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="class_merges")
    source = models.ForeignKey(LabelClass, on_delete=models.CASCADE, related_name="merges")
    target = models.ForeignKey(LabelClass, on_delete=models.CASCADE, related_name="+")
    merged_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    merged_at = models.DateTimeField(auto_now_add=True)
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)
    children = models.JSONField(default=list, help_text="keys of the classes that stood below the source")
    was_retired = models.BooleanField(default=False, help_text="whether the source was retired before")

    class Meta:
        ordering = ["-merged_at"]

    def __str__(self) -> str:
        return f"merge of class {self.source_id} into {self.target_id}"


class MergedLayer(models.Model):
    """The cells of an immutable layer that a merge gave the other class: such a layer has no log.

    cells  keys of the annotations, int64, little endian
    """

    merge = models.ForeignKey(ClassMerge, on_delete=models.CASCADE, related_name="layers")
    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="+")
    cells = models.BinaryField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"cells of {self.layer_id} by {self.merge_id}"
