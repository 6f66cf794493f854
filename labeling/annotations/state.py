"""The state of one annotation: as JSON on the wire and in the log, and as columns of its row; checked in between."""

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from inference import masks
from inference.documents.interactive import MaskJson
from inference.documents.publication import Provenance
from inference.types import BoxMask, is_point
from labeling.annotations.contract import Box, MaskIn, StateIn
from labeling.annotations.models import Annotation
from labeling.annotations.wire import StateJson
from labeling.errors import Invalid

STATUSES = {"cell": ("confirmed", "rejected", "cannot_tell"), "region": ("exhaustive", "ignore")}


@dataclass(frozen=True)
class PackedMask:
    """An integer box in image pixels and a packed bit run relative to it (inference/masks.py)."""

    x: int
    y: int
    width: int
    height: int
    bits: bytes

    def as_json(self) -> MaskJson:
        """The form of the wire, the log and snapshots."""
        bits = base64.b64encode(self.bits).decode()
        return {"x": self.x, "y": self.y, "width": self.width, "height": self.height, "bits": bits}


@dataclass(frozen=True)
class AnnotationState:
    """What an annotation is at one moment, apart from who made it so and when.

    box         x0, y0, x1, y1: image pixels, half-open, floats; of a cell that is a point, x, y, x, y
    attributes  what the project asks besides the class, name -> one of the declared values; None for nothing
    parent      uid of the cell in the same layer that this one lies in
    """

    kind: str
    status: str
    box: tuple[float, float, float, float]
    label_class: int | None = None
    mask: PackedMask | None = None
    derived_from: uuid.UUID | None = None
    reason: str = ""
    provenance: Provenance | None = None
    attributes: dict[str, str] | None = None
    parent: uuid.UUID | None = None

    @property
    def is_point(self) -> bool:
        """Whether it says where a cell is and not how large."""
        return is_point(self.box)

    def as_json(self) -> StateJson:
        """The form of the wire and of Effect.before/after."""
        found: StateJson = {
            "kind": self.kind,
            "status": self.status,
            "label_class": self.label_class,
            "box": list(self.box),
            "mask": self.mask.as_json() if self.mask else None,
            "derived_from": str(self.derived_from) if self.derived_from else None,
            "reason": self.reason,
            "provenance": self.provenance or {},
        }
        # Only where said: what the log holds of others stays as it was written.
        if self.attributes:
            found["attributes"] = self.attributes
        if self.parent:
            found["parent"] = str(self.parent)
        return found

    def with_provenance(self, provenance: Provenance) -> "AnnotationState":
        return replace(self, provenance=provenance)


def state_of(row: Annotation) -> AnnotationState | None:
    """The state in a row; None when it is deleted."""
    if row.deleted:
        return None
    mask = None
    if row.mask_bits is not None:
        place = (row.mask_x, row.mask_y, row.mask_width, row.mask_height)
        x, y, width, height = (v or 0 for v in place)  # none is None: the database keeps the rule
        mask = PackedMask(x, y, width, height, bytes(row.mask_bits))
    return AnnotationState(
        kind=row.kind,
        status=row.status,
        box=(row.x0, row.y0, row.x1, row.y1),
        label_class=row.label_class_id,
        mask=mask,
        derived_from=row.derived_from,
        reason=row.reason,
        provenance=row.provenance,
        attributes=row.attributes,
        parent=row.parent,
    )


def put_state(row: Annotation, state: AnnotationState | None) -> None:
    """Write a state into a row (unsaved). None marks it deleted and keeps its last geometry."""
    row.deleted = state is None
    if state is None:
        return
    row.kind, row.status, row.reason = state.kind, state.status, state.reason
    row.label_class_id = state.label_class
    row.x0, row.y0, row.x1, row.y1 = state.box
    mask = state.mask
    row.mask_x, row.mask_y = (mask.x, mask.y) if mask else (None, None)
    row.mask_width, row.mask_height = (mask.width, mask.height) if mask else (None, None)
    row.mask_bits = mask.bits if mask else None
    row.derived_from = state.derived_from
    row.provenance = state.provenance or {}
    row.attributes, row.parent = state.attributes or None, state.parent


def check_state(
    sent: StateIn, *, width: int, height: int, classes: Mapping[int, int], attributes: dict[str, list[str]]
) -> AnnotationState:
    """What a client sent, checked against its image.

    width, height  of the image, pixels
    classes        id of each of the project's classes -> of the class that it is now (projects/classes.py)
    attributes     of the project: name -> its values

    The box contains the mask: where the mask leaves the box, the box grows (with_mask). So a point that is given a mask
    has a box from then on.

    Raises Invalid with the field's name: the box must lie inside the image and have an extent, but for a cell that is a
    point; a mask must be non-empty, inside the image, as long as its box says and not all outside the box; the class
    must be one of the project's.
    """
    allowed = STATUSES[sent.kind]
    if sent.status not in allowed:
        words = f"the status of a {sent.kind} must be one of {', '.join(allowed)}, not {sent.status}"
        raise Invalid(words, field="status")
    label_class = check_class(sent.label_class, classes)
    _check_attributes(sent.attributes, attributes)
    if sent.kind == Annotation.Kind.CELL and is_point(sent.box):
        _check_point(sent.box, width, height)
    else:
        _check_box(sent.box, width, height)
    mask = None if sent.mask is None else check_mask(sent.mask, width, height)
    return AnnotationState(
        kind=sent.kind,
        status=sent.status,
        box=sent.box if mask is None else with_mask(sent.box, mask),
        label_class=label_class,
        mask=mask,
        derived_from=sent.derived_from,
        reason=sent.reason or "",
        attributes=dict(sorted(sent.attributes.items())) if sent.attributes else None,
        parent=sent.parent,
    )


def check_class(label_class: int | None, classes: Mapping[int, int]) -> int | None:
    """The class that was sent as it is now: whoever sends it may not know yet that it was merged. Raises Invalid."""
    if label_class is None:
        return None
    if label_class not in classes:
        raise Invalid(f"class {label_class} is not one of this project's", field="label_class")
    return classes[label_class]


def _check_attributes(given: dict[str, str] | None, declared: dict[str, list[str]]) -> None:
    for name, chosen in (given or {}).items():
        if chosen not in declared.get(name, ()):
            words = f"“{chosen[:40]}” is no value of the attribute “{name[:40]}” here"
            raise Invalid(words, field="attributes")


def _check_box(box: Box, width: int, height: int) -> None:
    x0, y0, x1, y1 = box
    if not (x0 < x1 and y0 < y1):
        raise Invalid(f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} is empty", field="box")
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        raise Invalid(f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} leaves the image of {width} x {height} px", field="box")


def _check_point(box: Box, width: int, height: int) -> None:
    """A point lies in a pixel of the image."""
    x, y = box[:2]
    if not (0 <= x < width and 0 <= y < height):
        raise Invalid(f"the point {x:g}, {y:g} lies outside the image of {width} x {height} px", field="box")


def with_mask(box: Box, mask: PackedMask) -> Box:
    """The smallest box that holds `box` and every pixel of the mask: image pixels, half-open.

    A brush stroke legitimately leaves the box of the cell, and a box may be made smaller than its mask. A point becomes
    a box with its first mask. A mask that has no pixel in the box, or that lies away from the point, belongs to
    something else. Raises Invalid for that, naming the mask.
    """
    x0, y0, x1, y1 = box
    if x0 <= mask.x and y0 <= mask.y and mask.x + mask.width <= x1 and mask.y + mask.height <= y1:
        return box
    whole = masks.tight(BoxMask(mask.x, mask.y, masks.unpack(mask.bits, mask.width, mask.height)))
    assert whole is not None  # check_mask declines a mask without a pixel
    rows, columns = whole.bits.shape
    left, top, right, bottom = whole.x, whole.y, whole.x + columns, whole.y + rows
    if is_point(box):
        return _around_point(box, (left, top, right, bottom))
    if min(x1, right) <= max(x0, left) or min(y1, bottom) <= max(y0, top):
        raise Invalid(
            f"the mask ({left}, {top} to {right}, {bottom}) lies outside its box ({x0:g}, {y0:g} to {x1:g}, {y1:g}); "
            "send the box of the same cell",
            field="mask",
        )
    return (min(x0, left), min(y0, top), max(x1, right), max(y1, bottom))


def _around_point(point: Box, mask: tuple[int, int, int, int]) -> Box:
    """The box of a point that is given a mask: that of the mask, and of the point where it lies outside.

    mask  left, top, right, bottom of its pixels; raises Invalid where the point is further than a mask's own size away
    """
    x, y = point[:2]
    left, top, right, bottom = mask
    away_x = max(left - x, x - right, 0)
    away_y = max(top - y, y - bottom, 0)
    if away_x > right - left or away_y > bottom - top:
        raise Invalid(
            f"the mask ({left}, {top} to {right}, {bottom}) lies away from its point ({x:g}, {y:g}); "
            "send the point of the same cell",
            field="mask",
        )
    return (min(x, left), min(y, top), max(x, right), max(y, bottom))


def check_mask(sent: MaskIn, width: int, height: int) -> PackedMask:
    """A mask from the wire, checked against its image. Raises Invalid with the field."""
    x, y, w, h = sent.x, sent.y, sent.width, sent.height
    if x < 0 or y < 0 or x + w > width or y + h > height:
        raise Invalid(f"the mask's box leaves the image of {width} x {height} px", field="mask")
    try:
        unpacked = masks.unpack(sent.bits, w, h)
    except ValueError as error:
        raise Invalid(f"the mask's bits do not fit its box: {error}", field="mask.bits") from None
    if not unpacked.any():
        raise Invalid("the mask has no pixel", field="mask.bits")
    return PackedMask(x, y, w, h, sent.bits)
