"""The sheet of an item: a project of its own with one image, so that a reader reaches that and nothing else."""

import io
import uuid
from dataclasses import replace

import numpy as np
import PIL.Image

from inference.masks import pack, unpack
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import AnnotationState, PackedMask, state_of
from labeling.images.services import add_image
from labeling.images.slides import decline_slide
from labeling.projects.models import LabelClass, Project
from labeling.studies.models import Arm, Item


def make_sheet(item: Item) -> Project:
    """The field of the item with the project's classes and, where the arm has them, its proposals.

    A second reading shows the field flipped left to right: it is as hard, and looks new. Names tell nothing of the arm,
    and the proposals come without their models: whether a human or a machine made them is not shown.
    """
    source = item.field.image
    study = item.participant.study
    sheet = Project.objects.create(
        name=f"{study.public_title}: field {item.position}",
        layering=Project.Layering.PER_ANNOTATOR,
        records_activity=True,
    )
    classes = {}
    for c in source.project.classes.all():
        classes[c.pk] = LabelClass.objects.create(project=sheet, name=c.name, color=c.color, position=c.position).pk
    decline_slide(source)
    with source.pixels.open("rb") as file:
        pixels = PIL.Image.open(file).convert("RGB")
    if item.repeat:
        pixels = pixels.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    content = io.BytesIO()
    pixels.save(content, "PNG")
    image = add_image(
        project=sheet,
        name=f"field {item.position}.png",
        content=content.getvalue(),
        um_per_px=source.um_per_px,
        scale_source=source.scale_source,
        is_original=False,
    )
    if item.arm.assistance == Arm.Assistance.PROPOSALS and item.field.proposals is not None:
        load_layer(
            image=image,
            kind=Layer.Kind.PREDICTION,
            loaded=_proposals(item.field.proposals, image.width, item.repeat, classes),
        )
    return sheet


def _proposals(layer: Layer, width: int, flipped: bool, classes: dict[int, int]) -> list[Loaded]:
    """Copies with names of their own; they come from nobody's box here."""
    loaded = []
    for row in layer.annotations.filter(deleted=False, kind=Annotation.Kind.CELL).order_by("uid"):
        state = state_of(row)
        assert state is not None
        state = replace(
            state,
            derived_from=None,
            provenance={},
            label_class=classes.get(state.label_class) if state.label_class else None,
        )
        loaded.append(Loaded(uuid.uuid4(), flip(state, width) if flipped else state, row.score))
    return loaded


def flip(state: AnnotationState, width: int) -> AnnotationState:
    """The same cell seen in a mirror, in an image of this width; its own inverse."""
    x0, y0, x1, y1 = state.box
    mask = state.mask
    if mask is not None:
        bits = np.ascontiguousarray(unpack(mask.bits, mask.width, mask.height)[:, ::-1])
        mask = PackedMask(width - mask.x - mask.width, mask.y, mask.width, mask.height, pack(bits))
    return replace(state, box=(width - x1, y0, width - x0, y1), mask=mask)
