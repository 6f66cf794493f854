"""Freezing a lot: which open proposals are in it, in which group and stratum each is, and its hash."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from inference.certificates.planning import STRATIFIED_FROM
from labeling.annotations.blinding import has_blinded_readings
from labeling.annotations.models import Annotation, LayerHead
from labeling.errors import WrongState
from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.reviews.certificates.models import LotImage, layer_of
from labeling.rounds.weights.promotion import current_publications

MOST_STRATA = 4096
BY_DOUBT = 3  # strata of doubt in each group, of about equal size
BY_SIZE = 2
WHOLE = -1  # the kind of the stratum of a small group

Codes = npt.NDArray[np.uint16]


class ReadApart(WrongState):
    """People read apart in this project, so there is no shared layer on which a lot could be accepted."""

    code = "read_apart"


class EmptyLot(WrongState):
    """There is no open proposal to certify."""

    code = "empty_lot"


@dataclass(frozen=True)
class OpenProposals:
    """The open proposals of one image, in the order of their keys.

    uids    (n, 16) uint8
    labels  (n,) key of the class, 0 for none
    doubt   (n,) 0..1, 0 where the models said nothing
    side    (n,) square root of the area of the box, image pixels
    """

    image: Image
    layer: uuid.UUID
    uids: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    doubt: npt.NDArray[np.float64]
    side: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """label_class: 0 for none. centre: "" where claims are not made by centre."""

    label_class: int
    centre: str


@dataclass(frozen=True)
class Frozen:
    """A lot before it is stored. strata: (index of the group, name); codes: of each image the strata of its cells."""

    proposals: list[OpenProposals]
    groups: list[Group]
    strata: list[tuple[int, str]]
    codes: list[Codes]

    def cells_by_stratum(self) -> npt.NDArray[np.int64]:
        return np.bincount(np.concatenate(self.codes), minlength=len(self.strata))


def decline_reading_apart(project: Project) -> None:
    """Raises ReadApart."""
    if project.layering == Project.Layering.PER_ANNOTATOR:
        raise ReadApart(_("people read apart in this project, so there is no common layer to accept cells on"))


def freeze_lot(project: Project, images: Sequence[int], classes: Sequence[int], by_centre: bool) -> Frozen:
    """The open proposals that people see now. Images with blinded readings and finished images are left out.

    images   keys; empty: all images of the project
    classes  keys; empty: all classes, and cells without one

    Raises ReadApart, EmptyLot, WrongState.
    """
    decline_reading_apart(project)
    chosen = Image.objects.filter(project=project).select_related("centre", "work_item")
    if images:
        chosen = chosen.filter(pk__in=images)
    found = []
    for image in chosen.order_by("pk"):
        if has_blinded_readings(image) or is_done(image):
            continue
        proposals = open_proposals(image, classes)
        if proposals is not None:
            found.append(proposals)
    if not found:
        raise EmptyLot(_("there is no open proposal in these images and classes"))
    return _grouped(found, by_centre)


def is_done(image: Image) -> bool:
    """Whether the shared layer of an image is frozen, so that nothing is accepted there."""
    layer = layer_of(image)
    return layer is not None and LayerHead.objects.filter(layer=layer, frozen_at__isnull=False).exists()


def open_proposals(image: Image, classes: Sequence[int]) -> OpenProposals | None:
    """What is proposed on an image now and decided by nobody; None for nothing."""
    shown = current_publications(Image.objects.filter(pk=image.pk)).first()
    if shown is None:
        return None
    rows = Annotation.objects.filter(layer=shown.layer_id, kind=Annotation.Kind.CELL, deleted=False)
    if classes:
        rows = rows.filter(label_class__in=classes)
    decided = decided_on(image)
    columns = rows.order_by("pk").values_list("uid", "label_class_id", "score", "x0", "y0", "x1", "y1")
    kept = [row for row in columns.iterator(chunk_size=20000) if row[0] not in decided]
    if not kept:
        return None
    boxes = np.array([row[3:] for row in kept], np.float64)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return OpenProposals(
        image=image,
        layer=shown.layer_id,
        uids=np.frombuffer(b"".join(row[0].bytes for row in kept), np.uint8).reshape(-1, 16),
        labels=np.array([row[1] or 0 for row in kept], np.int64),
        doubt=np.array([row[2] or 0.0 for row in kept], np.float64),
        side=np.sqrt(area),
    )


def decided_on(image: Image) -> set[uuid.UUID]:
    """The uids of the proposals that the shared layer of an image has decided."""
    layer = layer_of(image)
    if layer is None:
        return set()
    rows = Annotation.objects.filter(layer=layer, derived_from__isnull=False, deleted=False)
    return {uid for uid in rows.values_list("derived_from", flat=True) if uid is not None}


def _grouped(found: list[OpenProposals], by_centre: bool) -> Frozen:
    """Groups are classes, perhaps of one centre; strata divide a large group by doubt, size and centre.

    Raises WrongState for more than MOST_STRATA strata.
    """
    groups: list[Group] = []
    strata: list[tuple[int, str]] = []
    numbers: dict[tuple[int, int, str], int] = {}
    codes = [np.zeros(len(one.uids), np.uint16) for one in found]
    centres = [one.image.centre.name if one.image.centre else "" for one in found]
    doubts = _cuts(np.concatenate([one.doubt for one in found]), BY_DOUBT)
    sizes = _cuts(np.concatenate([one.side for one in found]), BY_SIZE)
    cells = _cells_of_groups(found, centres if by_centre else [""] * len(found))
    for one, code, centre in zip(found, codes, centres, strict=True):
        kinds = np.digitize(one.doubt, doubts) * BY_SIZE + np.digitize(one.side, sizes)
        for label in np.unique(one.labels):
            group = Group(int(label), centre if by_centre else "")
            if group not in groups:
                groups.append(group)
            index = groups.index(group)
            is_small = cells[group] < STRATIFIED_FROM
            kinds_here = np.full_like(kinds, WHOLE) if is_small else kinds
            for kind in np.unique(kinds_here[one.labels == label]):
                key = (index, int(kind), "" if is_small else centre)
                if key not in numbers:
                    if len(strata) == MOST_STRATA:
                        raise WrongState(_("these images have too many classes and centres for one lot; choose fewer"))
                    numbers[key] = len(strata)
                    strata.append((index, _name(int(kind), key[2])))
                chosen = (one.labels == label) & (kinds_here == kind)
                code[chosen] = numbers[key]
    return Frozen(found, groups, strata, codes)


def _cells_of_groups(found: Sequence[OpenProposals], centres: Sequence[str]) -> Counter[Group]:
    """How many cells each group has. centres: of each image, "" where claims are not made by centre."""
    cells: Counter[Group] = Counter()
    for one, centre in zip(found, centres, strict=True):
        for label, count in zip(*np.unique(one.labels, return_counts=True), strict=True):
            cells[Group(int(label), centre)] += int(count)
    return cells


def _cuts(values: npt.NDArray[np.float64], parts: int) -> npt.NDArray[np.float64]:
    """Where values are divided into parts of about equal size."""
    quantiles = np.arange(1, parts) / parts
    return np.quantile(values, quantiles)


def _name(kind: int, centre: str) -> str:
    """As exported: doubt from 0 (least), size from 0 (smallest), centre."""
    if kind == WHOLE:
        return "whole"
    doubt, size = divmod(kind, BY_SIZE)
    return f"doubt {doubt}, size {size}" + (f", {centre}" if centre else "")


def digest(images: Sequence[LotImage], meaning: str) -> str:
    """SHA-256 of a lot: images with their pixels, layers, proposals and strata."""
    total = hashlib.sha256(meaning.encode())
    for one in sorted(images, key=lambda row: row.image_id):
        total.update(f"{one.image_id} {one.pixels} {one.layer}".encode())
        total.update(bytes(one.uids))
        total.update(bytes(one.codes))
    return total.hexdigest()


def changes_since(images: Sequence[LotImage]) -> list[str]:
    """What has changed in a lot since it was frozen, as sentences; empty for nothing.

    A deleted image, other pixels, other proposals, a finished image, or a proposal that somebody has decided.
    """
    sentences = []
    there = Image.objects.filter(pk__in=[one.image_id for one in images]).select_related("work_item")
    present = {image.pk: image for image in there}
    for one in images:
        image = present.get(one.image_id)
        if image is None:
            sentences.append(_("an image of the lot was deleted"))
            continue
        words = _change_of(one, image)
        if words:
            sentences.append(words.format(name=image.name))
    return sentences


def _change_of(one: LotImage, image: Image) -> str:
    shown = current_publications(Image.objects.filter(pk=image.pk)).first()
    if image.sha256 != one.pixels:
        return _("the pixels of {name} are others")
    if shown is None or shown.layer_id != one.layer:
        return _("other cells are proposed on {name}")
    if has_blinded_readings(image) or is_done(image):
        return _("{name} is finished, or is read apart")
    frozen = uids_of(one)
    if decided_on(image) & frozen:
        return _("somebody has decided cells of the lot on {name}")
    return ""


def uids_of(one: LotImage) -> set[uuid.UUID]:
    packed = bytes(one.uids)
    return {uuid.UUID(bytes=packed[start : start + 16]) for start in range(0, len(packed), 16)}
