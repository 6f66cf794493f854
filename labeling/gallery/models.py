"""What somebody had on the screen when they decided many cells at once, and what the cells look like."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.annotations.models import Layer
from labeling.projects.models import Project


class Screen(models.Model):
    """One screen of the gallery that somebody judged by one act. Append-only, but for `undone_at`.

    Its time is shared: it belongs to all cells of the screen together, and no time of a single cell is made from it.

    id            made in the browser, so a screen sent twice is judged once
    order         of the gallery: by doubt, by class, by likeness
    milliseconds  from the screen's first picture to the act, while the page was in sight
    shown         [[cell, pixels, milliseconds]] of every cell in view: the shorter side of its outline on the screen in
                  CSS pixels, and how long it was in view
    operations    [{layer, op_id}] that were written
    verdicts      {"decided": verdict -> how many cells, "left_out": cell -> why it was not decided}
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="screens")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    order = models.CharField(max_length=20)
    judged_at = models.DateTimeField(auto_now_add=True)
    milliseconds = models.FloatField()
    shown = models.JSONField()
    operations = models.JSONField(default=list)
    verdicts = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-judged_at"]
        indexes = [models.Index(fields=["project", "person", "judged_at"], name="screens_of_person")]
        constraints = [models.CheckConstraint(condition=Q(milliseconds__gte=0), name="screen_takes_time")]

    def __str__(self) -> str:
        return f"screen of {len(self.shown)} cells by {self.person_id}"


class CellVectorFile(models.Model):
    """What the cells of a layer look like to an encoder: a file of vectors (inference/likeness/vectors.py).

    encoder  name of the vectors, with the version
    state    of the cells that people drew, when it was made (vectors.py, `state_of_cells`); "" for immutable layers
    """

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="vector_files")
    encoder = models.CharField(max_length=40)
    file = models.FileField(upload_to="vectors/")
    cells = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField(help_text="bytes")
    state = models.CharField(max_length=64, blank=True)
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["layer", "encoder"], name="vectors_of_layer_once")]

    def __str__(self) -> str:
        return f"{self.cells} vectors of {self.layer_id} by {self.encoder}"
