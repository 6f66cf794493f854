"""The sheet of an item: a project of its own with one image, so that a reader reaches that and nothing else."""

import uuid
from dataclasses import dataclass, replace

import numpy as np

from inference.masks import pack, unpack
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import AnnotationState, PackedMask, state_of
from labeling.images.private_copies import PrivateCopy, copy_privately
from labeling.images.turning import MIRRORED, UPRIGHT
from labeling.projects.classes import current_classes
from labeling.projects.models import LabelClass, Project
from labeling.studies import masks
from labeling.studies.models import Arm, Item, StudyField
from labeling.studies.references import reference_of


def make_sheet(item: Item, own: Layer | None = None) -> Project:
    """The field of the item with the project's classes and, where the arm has them, its proposals.

    own  the masks made from this reader's boxes, for a second sitting

    A sampled cell is shown with its context alone, cut out of the image. A second reading shows the field flipped left
    to right: it is as hard, and looks new. Names tell nothing of the arm, and the proposals come without their models:
    whether a human or a machine made them is not shown.
    """
    source = item.field.image
    study = item.participant.study
    frame = item.field.frame
    made = copy_privately(
        source,
        title=f"{study.public_title}: field {item.position}",
        name=f"field {item.position}.png",
        records_activity=True,
        turn=MIRRORED if item.repeat else UPRIGHT,
        part=tuple(frame["shown"]) if frame is not None else None,
    )
    image, classes = made.image, made.classes
    if own is not None:
        loaded = _own_masks(own, masks.first_sitting_of(item), OfSheet(source.project_id, made))
        load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=loaded)
    elif item.arm.assistance == Arm.Assistance.PROPOSALS and item.field.proposals is not None:
        loaded = _proposals(item.field.proposals, classes)
        if frame is not None:
            loaded = _of_cell(loaded, item.field)
        if item.repeat:
            loaded = [replace(one, state=flip(one.state, image.width)) for one in loaded]
        load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=loaded)
    return made.sheet


class OfSheet:
    """Which class of a new sheet is a class of an earlier one: a class may be renamed or merged between two sittings.

    project  that both sheets were copied from
    """

    def __init__(self, project: int, made: PrivateCopy) -> None:
        self.current = current_classes(project)
        self.of_source = made.classes
        self.by_name = dict(made.sheet.classes.values_list("name", "pk"))

    def __call__(self, earlier: LabelClass | None) -> int | None:
        if earlier is None:
            return None
        if earlier.copied_from_id is None:  # a sheet of an earlier version, or a class that was removed since
            return self.by_name.get(earlier.name)
        return self.of_source.get(self.current[earlier.copied_from_id])


def _own_masks(made: Layer, boxes: Item, class_on_sheet: OfSheet) -> list[Loaded]:
    """Every box that the reader drew, with the mask that was made from it, or as a box where none could be made. The
    class that the reader gave stays."""
    masks_of = {row.derived_from_uid: row for row in made_from_boxes(made)}
    drawn = Annotation.objects.filter(layer__image__project=boxes.sheet_id, layer__kind=Layer.Kind.WORKING)
    loaded = []
    confirmed = drawn.filter(kind="cell", status="confirmed", deleted=False)
    for row in confirmed.select_related("label_class").order_by("uid"):
        state = state_of(row)
        assert state is not None
        found = masks_of.get(row.uid)
        mask = found.state.mask if found is not None else state.mask
        box = found.state.box if found is not None else state.box
        own_class = class_on_sheet(row.label_class)
        made_state = replace(state, box=box, mask=mask, derived_from=None, provenance={}, label_class=own_class)
        loaded.append(Loaded(uuid.uuid4(), made_state, found.score if found is not None else None))
    return loaded


@dataclass(frozen=True)
class MadeMask:
    """A mask, and the uid of the reader's box that prompted it."""

    derived_from_uid: uuid.UUID
    state: AnnotationState
    score: float | None


def made_from_boxes(layer: Layer) -> list[MadeMask]:
    """Of what the machine proposed, what a box prompted; cells that it found by itself are not shown."""
    found = []
    for row in layer.annotations.filter(deleted=False).order_by("uid"):
        state = state_of(row)
        if state is not None and state.derived_from is not None:
            found.append(MadeMask(state.derived_from, state, row.score))
    return found


def _of_cell(loaded: list[Loaded], field: StudyField) -> list[Loaded]:
    """The proposal that covers the sampled cell best, in the pixels of its frame; none where none touches it."""
    assert field.frame is not None  # of a sampled cell
    x0, y0, x1, y1 = field.frame["shown"]
    reference = reference_of(field) > 0
    best, most = None, 0
    for one in loaded:
        cut = _cut(one.state, (x0, y0, x1, y1))
        if cut is None or cut.mask is None:
            continue
        mask = cut.mask
        bits = unpack(mask.bits, mask.width, mask.height).astype(bool)
        shared = int((bits & reference[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width]).sum())
        if shared > most:
            best, most = replace(one, state=cut), shared
    return [best] if best is not None else []


def _cut(state: AnnotationState, frame: tuple[int, int, int, int]) -> AnnotationState | None:
    """The cell as the frame shows it; None where it lies outside."""
    x0, y0, x1, y1 = frame
    mask = state.mask
    if mask is None:
        return None
    left, top = max(x0, mask.x), max(y0, mask.y)
    right, bottom = min(x1, mask.x + mask.width), min(y1, mask.y + mask.height)
    if left >= right or top >= bottom:
        return None
    bits = unpack(mask.bits, mask.width, mask.height)
    inside = np.ascontiguousarray(bits[top - mask.y : bottom - mask.y, left - mask.x : right - mask.x])
    if not inside.any():
        return None
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    tight = np.ascontiguousarray(inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    x, y = left - x0 + int(columns[0]), top - y0 + int(rows[0])
    height, width = tight.shape
    packed = PackedMask(x, y, width, height, pack(tight))
    return replace(state, box=(x, y, x + width, y + height), mask=packed)


def _proposals(layer: Layer, classes: dict[int, int]) -> list[Loaded]:
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
        loaded.append(Loaded(uuid.uuid4(), state, row.score))
    return loaded


def flip(state: AnnotationState, width: int) -> AnnotationState:
    """The same cell seen in a mirror, in an image of this width; its own inverse."""
    x0, y0, x1, y1 = state.box
    mask = state.mask
    if mask is not None:
        bits = np.ascontiguousarray(unpack(mask.bits, mask.width, mask.height)[:, ::-1])
        mask = PackedMask(width - mask.x - mask.width, mask.y, mask.width, mask.height, pack(bits))
    return replace(state, box=(width - x1, y0, width - x0, y1), mask=mask)
