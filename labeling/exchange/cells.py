"""What is exported: the confirmed cells with a mask in the working layers, as people left them."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from inference.masks import clip, unpack
from inference.types import BoxMask
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.state import state_of
from labeling.images.models import Image
from labeling.projects.models import Project


@dataclass(frozen=True)
class Cell:
    """One accepted cell; the mask is tight and lies inside the image."""

    uid: uuid.UUID
    mask: BoxMask
    label_class: int | None
    author: str
    provenance: dict[str, Any]
    attributes: dict[str, str] = field(default_factory=dict)
    parent: uuid.UUID | None = None


def accepted_cells(project: Project) -> list[tuple[Image, list[Cell]]]:
    """Every image of the project, in order, with its accepted cells, oldest first."""
    rows = (
        Annotation.objects.filter(
            layer__image__project=project,
            layer__kind=Layer.Kind.WORKING,
            kind=Annotation.Kind.CELL,
            status=Annotation.Status.CONFIRMED,
            deleted=False,
            mask_bits__isnull=False,
        )
        .select_related("layer", "author")
        .order_by("pk")
    )
    images = list(project.images.all())
    sizes = {image.pk: (image.width, image.height) for image in images}
    cells: dict[int, list[Cell]] = {image.pk: [] for image in images}
    for row in rows.iterator():
        state = state_of(row)
        packed = state.mask if state else None
        if packed is None:
            continue
        whole = BoxMask(packed.x, packed.y, unpack(packed.bits, packed.width, packed.height))
        mask = clip(whole, *sizes[row.layer.image_id])
        if mask is not None:
            author = row.author.display_name if row.author else ""
            cells[row.layer.image_id].append(
                Cell(row.uid, mask, row.label_class_id, author, row.provenance, row.attributes or {}, row.parent)
            )
    return [(image, cells[image.pk]) for image in images]
