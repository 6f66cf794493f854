"""One image of an import, written all or not at all. What is there already as the file says it is not written again, so
a job that starts again goes on where it stopped."""

import io
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypedDict

import numpy as np
import PIL.Image
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.masks import labels_of, unpack
from inference.types import BoxMask
from labeling.accounts.models import User
from labeling.annotations.contract import MOST_EFFECTS
from labeling.annotations.freezing import takes_new_layers
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import Loaded, load_layer, own_layer, working_layer, write_operations
from labeling.annotations.state import AnnotationState, state_of
from labeling.annotations.wire import StateJson
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.rounds.reference_masks import set_reference

TOOL = "import"
MOST_CELLS = 65_535  # that reference masks can tell apart


class EffectJson(TypedDict):
    """What becomes of one annotation; `seen` is the last operation on it, null where there is none."""

    annotation: str
    seen: str | None
    after: StateJson


class OperationJson(TypedDict):
    """An operation as the log takes it. It rests on no activity and takes no time."""

    op_id: str
    action: str
    tool: str
    session: str
    begun_at: str
    committed_at: str
    begun_ms: float
    committed_ms: float
    activity: None
    undoes: None
    effects: list[EffectJson]


class Aim(StrEnum):
    """What the annotations of a file become."""

    WORKING = "working"  # work of whoever imports them, through the log
    LAYER = "layer"  # a layer of their own, which people accept from
    REFERENCE = "reference"  # masks to measure against


@dataclass(frozen=True)
class Change:
    """How many annotations of an image the file creates, updates, and leaves as they are."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


def change_of(image: Image, states: Mapping[uuid.UUID, AnnotationState], aim: Aim, by: User) -> Change:
    """What `write_image` would do. Writes nothing. Raises Invalid for what cannot be written as this aim."""
    if aim is Aim.REFERENCE:
        count = len(_reference_masks(image, states))
        return Change(updated=count) if image.reference else Change(created=count)
    if aim is Aim.LAYER:
        return Change(unchanged=len(states)) if _is_loaded(image, states) else Change(created=len(states))
    _decline_done(image)
    layer = own_layer(image=image, user=by)
    rows = _rows(layer, states) if layer is not None else {}
    updated = sum(not _is_same(rows[uid], state) for uid, state in states.items() if uid in rows)
    return Change(len(states) - len(rows), updated, len(rows) - updated)


@transaction.atomic
def write_image(image: Image, states: Mapping[uuid.UUID, AnnotationState], aim: Aim, by: User) -> Change:
    """Write the annotations of one image. Raises LabelingError with everything undone, Archived."""
    Project.objects.for_change(image.project_id)
    change = change_of(image, states, aim, by)
    if aim is Aim.WORKING:
        _write_working(image, states, by)
    elif aim is Aim.LAYER and change.created:
        loaded = (Loaded(uid, state) for uid, state in states.items())
        load_layer(image=image, kind=Layer.Kind.IMPORT, loaded=loaded)
    elif aim is Aim.REFERENCE:
        set_reference(image=image, content=_label_map(image, states), name=image.name, replace=True)
    return change


def _decline_done(image: Image) -> None:
    """Raises Invalid where the image is done, so that its working layers are frozen."""
    with transaction.atomic():
        is_done = not takes_new_layers(image)
    if is_done:
        raise Invalid(_("{image} is done, so nothing on it is changed; reopen it first").format(image=image.name))


def _write_working(image: Image, states: Mapping[uuid.UUID, AnnotationState], by: User) -> None:
    layer = working_layer(image=image, user=by)
    if layer is None:
        raise Invalid(_("you may not annotate in this project"))
    rows = _rows(layer, states)
    effects: list[EffectJson] = []
    for uid, state in states.items():
        row = rows.get(uid)
        if row is None or not _is_same(row, state):
            seen = str(row.last_op) if row is not None and row.last_op else None
            after = state if row is None else _with_known(state, row)
            effects.append({"annotation": str(uid), "seen": seen, "after": after.as_json()})
    session = str(uuid.uuid4())
    for chunk in _chunks(effects):
        operation = _operation(session, chunk)
        _seq, (verdict,) = write_operations(layer=layer, author=by, operations=[operation])
        if verdict.verdict != "accepted":
            detail = (verdict.error or {}).get("detail", verdict.verdict)
            raise Invalid(
                _("the annotations of {image} are declined: {detail}").format(image=image.name, detail=detail)
            )


def _rows(layer: Layer, states: Mapping[uuid.UUID, AnnotationState]) -> dict[uuid.UUID, Annotation]:
    rows = Annotation.objects.filter(layer=layer)
    return {row.uid: row for row in rows.iterator(chunk_size=2000) if row.uid in states}


def _with_known(state: AnnotationState, row: Annotation) -> AnnotationState:
    """What the file does not say of a cell stays as it is: its class, its proposal, the cell that it lies in."""
    return replace(
        state,
        label_class=state.label_class if state.label_class is not None else row.label_class_id,
        attributes=state.attributes or row.attributes or None,
        derived_from=row.derived_from,
        parent=row.parent,
    )


def _is_same(row: Annotation, state: AnnotationState) -> bool:
    """Whether an annotation is as the file says; its class too, where the file names one."""
    there = state_of(row)
    if row.deleted or there is None:
        return False
    same_class = state.label_class is None or there.label_class == state.label_class
    same_shape = there.mask == state.mask and (state.mask is not None or there.box == state.box)
    same_words = state.attributes is None or there.attributes == state.attributes
    return there.status == state.status and same_class and same_shape and same_words


def _is_loaded(image: Image, states: Mapping[uuid.UUID, AnnotationState]) -> bool:
    """Whether a layer of this image was imported with exactly these annotations."""
    for layer in Layer.objects.filter(image=image, kind=Layer.Kind.IMPORT):
        rows = _rows(layer, states)
        has_others = len(rows) != len(states) or layer.annotations.count() != len(states)
        if not has_others and all(_is_same(rows[uid], state) for uid, state in states.items()):
            return True
    return False


def _operation(session: str, effects: list[EffectJson]) -> OperationJson:
    now = timezone.now().isoformat()
    return {
        "op_id": str(uuid.uuid4()),
        "action": "draw",
        "tool": TOOL,
        "session": session,
        "begun_at": now,
        "committed_at": now,
        "begun_ms": 0.0,
        "committed_ms": 0.0,
        "activity": None,
        "undoes": None,
        "effects": effects,
    }


def _chunks(effects: list[EffectJson]) -> Iterator[list[EffectJson]]:
    for start in range(0, len(effects), MOST_EFFECTS):
        yield effects[start : start + MOST_EFFECTS]


def _label_map(image: Image, states: Mapping[uuid.UUID, AnnotationState]) -> bytes:
    """A 16-bit PNG of the reference masks. Raises Invalid."""
    masks = _reference_masks(image, states)
    labels = labels_of(enumerate(masks, start=1), image.width, image.height)
    png = io.BytesIO()
    PIL.Image.fromarray(labels.astype(np.uint16)).save(png, "PNG")
    return png.getvalue()


def _reference_masks(image: Image, states: Mapping[uuid.UUID, AnnotationState]) -> list[BoxMask]:
    """The masks of the cells. Raises Invalid for more than a label map can name, and when no cell has one."""
    masks = []
    for state in states.values():
        if state.mask is not None and state.kind == "cell":
            bits = unpack(state.mask.bits, state.mask.width, state.mask.height)
            masks.append(BoxMask(state.mask.x, state.mask.y, bits))
    if not masks:
        raise Invalid(_("{image} has no masks in the file, and reference masks are masks").format(image=image.name))
    if len(masks) > MOST_CELLS:
        raise Invalid(_("{image} has more than 65,535 masks in the file").format(image=image.name))
    return masks
