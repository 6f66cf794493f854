"""What an export holds: which annotations of which images, as people left them, read one image at a time."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.db.models import Q, QuerySet

from inference.documents.publication import Provenance
from inference.masks import clip, unpack
from inference.types import BoxMask, is_point
from labeling.annotations.blinding import has_open_readings
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.state import AnnotationState, state_of
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.projects.models import LabelClass, Project
from labeling.rounds.models import Publication
from labeling.rounds.weights.promotion import current_publications


class Part(StrEnum):
    """A kind of annotation that an export holds when it is asked for."""

    MASKS = "masks"  # accepted cells with a mask
    BOXES = "boxes"  # accepted cells without a mask
    POINTS = "points"  # accepted cells that are points
    REGIONS = "regions"  # fully annotated regions, and regions to ignore
    CANNOT_TELL = "cannot_tell"  # cells that nobody could tell
    REJECTED = "rejected"  # proposals that somebody rejected
    PROPOSALS = "proposals"  # proposals of the current round that nobody has decided on


DEFAULT = frozenset({Part.MASKS, Part.BOXES, Part.POINTS, Part.REGIONS, Part.CANNOT_TELL})
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ExportedCell:
    """One cell.

    box    x0, y0, x1, y1: image pixels, half-open; the box of the mask where there is a mask; x, y, x, y of a point
    drawn  the box as it is stored: what a person drew, grown to hold the mask
    mask   tight and inside the image; None for a cell that is a box or a point
    row    key of its annotation
    """

    uid: uuid.UUID
    part: Part
    box: Box
    mask: BoxMask | None
    label_class: int | None
    author: str
    drawn: Box | None = None
    provenance: Provenance = field(default_factory=lambda: Provenance())
    attributes: dict[str, str] = field(default_factory=dict)
    parent: uuid.UUID | None = None
    reason: str = ""
    score: float | None = None
    reader: str = ""
    row: int | None = None

    @property
    def point(self) -> tuple[float, float] | None:
        """x, y of a cell that is a point; None for every other one."""
        return self.box[:2] if self.mask is None and is_point(self.box) else None


@dataclass(frozen=True)
class ExportedRegion:
    """A rectangle of an image: `fully_annotated` (every cell inside is annotated) or `ignore`."""

    uid: uuid.UUID
    kind: str
    box: Box
    author: str
    reader: str = ""


@dataclass(frozen=True)
class ExportedImage:
    """One image with what is exported of it, oldest first.

    log   layer id -> how far its log went when it was read: two exports with equal positions hold the same
    """

    image: Image
    stem: str
    file_name: str
    cells: Sequence[ExportedCell]
    regions: Sequence[ExportedRegion]
    log: dict[str, int]


def parts_of(names: Sequence[str]) -> frozenset[Part]:
    """The parts with these names; the default parts for no name. Raises Invalid for an unknown one."""
    unknown = [name for name in names if name not in set(Part)]
    if unknown:
        raise Invalid(f"include takes {', '.join(Part)}; it does not know {unknown[0]!r}", field="include")
    return frozenset(Part(name) for name in names) or DEFAULT


def classes_of(project: Project) -> list[LabelClass]:
    """The project's classes in their order: the first has id 1 in every export. Merged ones have no cells."""
    return list(project.classes.current().select_related("parent").order_by("position"))


def export_image(
    image: Image, *, stem: str, file_name: str, parts: frozenset[Part], seen: QuerySet[Layer] | None = None
) -> ExportedImage:
    """Read one image's annotations. Memory is that of one image.

    seen  the layers that are read; None for all. Without it no working layer is read while blinded readings of the
          image are open: whoever reads the file could be a reader.
    """
    there = _closed_layers(image) if seen is None else seen
    working = there.filter(kind=Layer.Kind.WORKING)
    layers = list(working.select_related("head", "annotator"))
    readers = {layer.pk: layer.annotator.display_name if layer.annotator else "" for layer in layers}
    cells: list[ExportedCell] = []
    regions: list[ExportedRegion] = []
    for row in _working_rows(working):
        state = state_of(row)
        if state is None:
            continue
        author = row.author.display_name if row.author else ""
        reader = readers[row.layer_id]
        if state.kind == Annotation.Kind.REGION:
            regions.append(ExportedRegion(row.uid, _region_kind(state), state.box, author, reader))
            continue
        cell = _cell(image, row, state, author, reader)
        if cell is not None and cell.part in parts:
            cells.append(cell)
    if Part.PROPOSALS in parts:
        cells.extend(_open_proposals(image, there))
    return ExportedImage(
        image=image,
        stem=stem,
        file_name=file_name,
        cells=cells,
        regions=regions if Part.REGIONS in parts else [],
        log={str(layer.pk): layer.head.seq for layer in layers if hasattr(layer, "head")},
    )


def _closed_layers(image: Image) -> QuerySet[Layer]:
    still_blind = has_open_readings("image") & Q(kind=Layer.Kind.WORKING)
    return Layer.objects.filter(image=image).exclude(still_blind)


def _working_rows(working: QuerySet[Layer]) -> Iterator[Annotation]:
    rows = Annotation.objects.filter(layer__in=working, deleted=False)
    return rows.select_related("author").order_by("pk").iterator(chunk_size=2000)


def _region_kind(state: AnnotationState) -> str:
    return "ignore" if state.status == Annotation.Status.IGNORE else "fully_annotated"


def _cell(image: Image, row: Annotation, state: AnnotationState, author: str, reader: str) -> ExportedCell | None:
    """None for a cell whose mask lies outside the image."""
    mask, box = _geometry(image, state)
    if state.mask is not None and mask is None:
        return None
    return ExportedCell(
        uid=row.uid,
        part=_part(state, has_mask=mask is not None),
        box=box,
        mask=mask,
        label_class=row.label_class_id,
        author=author,
        drawn=state.box,
        provenance=row.provenance,
        attributes=row.attributes or {},
        parent=row.parent,
        reason=row.reason,
        reader=reader,
        row=row.pk,
    )


def _part(state: AnnotationState, *, has_mask: bool) -> Part:
    if state.status == Annotation.Status.REJECTED:
        return Part.REJECTED
    if state.status == Annotation.Status.CANNOT_TELL:
        return Part.CANNOT_TELL
    if has_mask:
        return Part.MASKS
    return Part.POINTS if state.is_point else Part.BOXES


def _geometry(image: Image, state: AnnotationState) -> tuple[BoxMask | None, Box]:
    """The mask, tight and inside the image, and the box that belongs to it."""
    if state.mask is None:
        return None, state.box
    packed = state.mask
    whole = BoxMask(packed.x, packed.y, unpack(packed.bits, packed.width, packed.height))
    mask = clip(whole, image.width, image.height)
    if mask is None:
        return None, state.box
    height, width = mask.bits.shape
    return mask, (float(mask.x), float(mask.y), float(mask.x + width), float(mask.y + height))


def _where_from(publication: Publication) -> Provenance:
    if publication.round_id is None:
        return {"round_number": 0}
    return {"round": publication.round_id}


def _open_proposals(image: Image, seen: QuerySet[Layer]) -> list[ExportedCell]:
    """The current round's proposals on which nobody has decided, as far as the layers `seen` tell."""
    working = seen.filter(kind=Layer.Kind.WORKING)
    publication: Publication | None = current_publications(Image.objects.filter(pk=image.pk)).first()
    if publication is None or not seen.filter(pk=publication.layer_id).exists():
        return []
    decided = Annotation.objects.filter(layer__in=working, deleted=False, derived_from__isnull=False)
    decided_uids = decided.values("derived_from")
    rows = Annotation.objects.filter(layer=publication.layer_id, deleted=False).exclude(uid__in=decided_uids)
    # A proposal made from a person's box names that box; a box that has its mask by now is decided.
    boxed = Annotation.objects.filter(layer__in=working, deleted=False, mask_bits__isnull=False).values("uid")
    rows = rows.filter(Q(derived_from__isnull=True) | ~Q(derived_from__in=boxed))
    found = []
    for row in rows.order_by("pk").iterator(chunk_size=2000):
        state = state_of(row)
        if state is None:
            continue
        mask, box = _geometry(image, state)
        found.append(
            ExportedCell(
                uid=row.uid,
                part=Part.PROPOSALS,
                box=box,
                mask=mask,
                label_class=row.label_class_id,
                author="",
                provenance=_where_from(publication) | row.provenance,
                score=row.score,
            )
        )
    return found
