"""The closed readings of a project, as inference/agreement takes them.

An item counts once every reading of it is closed. Readings that were made with proposals in sight, and readings whose
reader could see others, are kept apart from blind ones: figures of the three are never pooled.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import models
from django.db.models import Prefetch
from django.utils.translation import gettext_noop

from inference.agreement.readings import Cell, ReadImage
from inference.agreement.readings import Reading as CellsOfReader
from inference.masks import unpack
from inference.types import BoxMask
from labeling.annotations.blinding import ALL_CLOSED
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.state import state_of
from labeling.assignments.models import Reading, WorkItem
from labeling.assignments.states import ReadingState
from labeling.images.models import Image
from labeling.projects.classes import top_levels
from labeling.projects.models import Project

VERSION = 1  # of what is computed: raised where the same readings give another report


class Sight(models.TextChoices):
    """What readers had in sight."""

    BLIND = "blind", gettext_noop("nothing: blind, without proposals")
    PROPOSALS = "proposals", gettext_noop("proposals of a model")
    OTHERS = "others", gettext_noop("could have seen readings of others")


@dataclass(frozen=True)
class ReadItem:
    """An image all of whose readings are closed, and the layers that hold them."""

    item: WorkItem
    readings: Sequence[Reading]
    layers: dict[int, Layer]  # by reader

    @property
    def sight(self) -> str:
        if not all(reading.is_blind for reading in self.readings):
            return Sight.OTHERS
        return Sight.PROPOSALS if any(reading.proposals for reading in self.readings) else Sight.BLIND


def patient_of(image: Image) -> str:
    """What is resampled as one. An image that names no patient counts as one of its own."""
    return f"patient {image.patient_id}" if image.patient_id is not None else f"image {image.pk}"


def closed_items(project: Project, image: Image | None = None) -> list[ReadItem]:
    """The items that two people or more have read, each on a layer of their own, or that of one image; four queries."""
    finished = Reading.objects.filter(state=ReadingState.FINISHED).select_related("reader").order_by("reader_id")
    items = WorkItem.objects.present().filter(project=project, state__in=ALL_CLOSED).select_related("image")
    if project.layering == Project.Layering.SHARED:
        items = items.filter(is_blind=True)
    items = items.order_by("image_id").prefetch_related(Prefetch("readings", finished, to_attr="closed"))
    layers: dict[tuple[int, int], Layer] = {}
    own = Layer.objects.filter(image__project=project, kind=Layer.Kind.WORKING, annotator__isnull=False)
    if image is not None:
        items, own = items.filter(image=image), own.filter(image=image)
    for layer in own.select_related("head"):
        layers[layer.image_id, layer.annotator_id or 0] = layer
    found = []
    for item in items:
        readings: list[Reading] = item.closed  # type: ignore[attr-defined]
        if len(readings) > 1:
            mine = {
                r.reader_id: layers[item.image_id, r.reader_id]
                for r in readings
                if (item.image_id, r.reader_id) in layers
            }
            found.append(ReadItem(item, readings, mine))
    return found


def in_sight(items: Sequence[ReadItem], sight: str) -> list[ReadItem]:
    return [item for item in items if item.sight == sight]


def fingerprint(project: Project, items: Sequence[ReadItem]) -> str:
    """Hash of everything that a report hangs on besides what it is asked for: equal readings give an equal one."""
    rows = []
    for one in items:
        image = one.item.image
        heads = [[r.reader_id, _seq(one.layers.get(r.reader_id))] for r in one.readings]
        rows.append([image.pk, patient_of(image), image.um_per_px, heads])
    classes = list(project.classes.current().values_list("pk", "name", "parent_id"))
    content = json.dumps([VERSION, rows, classes], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _seq(layer: Layer | None) -> int:
    return layer.head.seq if layer is not None and hasattr(layer, "head") else 0


def read_images(project: Project, items: Sequence[ReadItem], level: str = "given") -> Iterator[ReadImage]:
    """One image after the other. Readers are named by their key, so that two of one name stay two.

    level  "given": classes as the readers gave them; "top": each as the class at the top of its hierarchy
    """
    classes = _names(project, level)
    for one in items:
        image = one.item.image
        readings = []
        for reading in one.readings:
            layer = one.layers.get(reading.reader_id)
            readings.append(CellsOfReader(str(reading.reader_id), cells_of_layer(layer, classes) if layer else []))
        yield ReadImage(str(image.pk), patient_of(image), readings, image.um_per_px)


def _names(project: Project, level: str) -> dict[int, str]:
    current = list(project.classes.current())
    if level == "top":
        return {key: top.name for key, top in top_levels(current).items()}
    return {one.pk: one.name for one in current}


def cells_of_layer(layer: Layer, classes: dict[int, str]) -> list[Cell]:
    """The cells that the layer's reader says are cells: not those that they rejected or could not tell."""
    rows = Annotation.objects.filter(layer=layer, deleted=False, kind=Annotation.Kind.CELL)
    cells = []
    for row in rows.filter(status=Annotation.Status.CONFIRMED).order_by("pk").iterator(chunk_size=2000):
        cells.append(cell_of(row, classes))
    return cells


def cell_of(row: Annotation, classes: dict[int, str]) -> Cell:
    """classes: key of a class -> its name."""
    state = state_of(row)
    assert state is not None  # the row is not deleted
    mask = None
    if state.mask is not None:
        packed = state.mask
        mask = BoxMask(packed.x, packed.y, unpack(packed.bits, packed.width, packed.height))
    label = classes[row.label_class_id] if row.label_class_id is not None else None
    return Cell(str(row.uid), state.box, label, mask)
