"""Cells that a job proposes on one image, put before people as a round's are: all of them or none.

What somebody drew or decided while the models were at work counts: nothing is proposed there. Of a region, what was
proposed outside it before stays beside what is proposed now.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import shapely
from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.documents.proposing import ProposalRequest, Region
from inference.documents.publication import Certificate, Provenance, PublicationFacts
from inference.documents.snapshot import Box, SnapshotImage
from inference.documents.stage_reports import ModelNames
from inference.masks import pack, unpack
from inference.metrics import box_iou
from inference.types import Boxes, BoxMask
from labeling.accounts.models import User
from labeling.annotations.bulk import copy_rows
from labeling.annotations.models import Annotation, Layer, LayerHead
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.errors import LabelingError, WrongState
from labeling.images.models import Image
from labeling.jobs.items import End
from labeling.jobs.models import Job, JobItem
from labeling.projects.models import Project
from labeling.rounds.models import Publication
from labeling.rounds.snapshots import image_now
from labeling.rounds.weights.promotion import current_publications

NAMESPACE = uuid.UUID("5b0f4a52-8f0c-4d2f-8a9e-0d6f7a1f3c64")  # proposals get the same uid when published again
REJECTED_OVERLAP = 0.5  # as in a round (inference/pipeline/compute.py)
SAME = 0.5  # share of the smaller cell that another covers, from which both are one


class ImageGone(LabelingError):
    """The image left the project while it was looked at."""

    code = "image_gone"


@dataclass(frozen=True)
class Suggestion:
    """A cell as the models see it: tight mask inside the image, doubt 0..1, index of its class, and the person's cell
    that prompted it ("" for none)."""

    mask: BoxMask
    doubt: float
    class_index: int | None
    source: str

    @property
    def box(self) -> Box:
        height, width = self.mask.bits.shape
        return (float(self.mask.x), float(self.mask.y), float(self.mask.x + width), float(self.mask.y + height))

    @property
    def middle(self) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


@dataclass(frozen=True)
class Proposed:
    """What is published on one image, beside its cells."""

    region: Region | None
    certificate: Certificate | None
    models: ModelNames
    facts: PublicationFacts


@dataclass
class Counted:
    """proposals: published; left_out: not, since somebody drew or decided there meanwhile."""

    proposals: int = 0
    left_out: int = 0


class Meanwhile:
    """What people have drawn and decided on an image since the models began with it."""

    def __init__(self, before: SnapshotImage, now: SnapshotImage, overlap: float) -> None:
        self.overlap = overlap
        self.open_cells = {cell.uid for cell in now.cells if cell.mask is None}
        known = {(cell.uid, cell.box) for cell in before.cells}
        drawn = [cell.box for cell in now.cells if (cell.uid, cell.box) not in known]
        self.people = _Nearby([*drawn, *_new(before.cannot_tell, now.cannot_tell)])
        self.rejected = _Nearby(_new(before.rejected, now.rejected))
        self.regions = _Nearby([*_new(before.exhaustive, now.exhaustive), *_new(before.ignore, now.ignore)])

    def leaves(self, suggestion: Suggestion) -> bool:
        """Whether the cell is still to be proposed."""
        if suggestion.source:
            return suggestion.source in self.open_cells
        x, y = suggestion.middle
        if self.regions.contains(x, y):
            return False
        if self.rejected.overlap(suggestion.box) > REJECTED_OVERLAP:
            return False
        return self.people.overlap(suggestion.box) <= self.overlap


def _new(before: Iterable[Box], now: Iterable[Box]) -> list[Box]:
    known = set(before)
    return [box for box in now if box not in known]


class _Nearby:
    """Boxes that are looked up by place."""

    def __init__(self, boxes: list[Box]) -> None:
        self.boxes: Boxes = np.array(boxes, np.float64).reshape(-1, 4)
        self.tree = shapely.STRtree(shapely.box(*self.boxes.T)) if len(boxes) else None

    def overlap(self, box: Box) -> float:
        """The highest intersection over union with any of them."""
        if self.tree is None:
            return 0.0
        near = self.tree.query(shapely.box(*box))
        return float(box_iou(np.array([box]), self.boxes[near]).max(initial=0.0))

    def contains(self, x: float, y: float) -> bool:
        if self.tree is None:
            return False
        x0, y0, x1, y1 = self.boxes.T
        return bool(((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)).any())


@transaction.atomic
def publish_suggestions(
    *,
    job: Job,
    image_id: int,
    before: SnapshotImage,
    suggestions: Iterable[Suggestion],
    proposed: Proposed,
    ended: End,
    facts: Mapping[str, object],
) -> Counted:
    """Publish what a job proposes on an image, and end its item with it. What is published already stays as it is.

    before       what people had drawn when the models began
    suggestions  in pixels of the image; may be a million, and is gone through once
    facts        of the item; the numbers of proposals are added

    Raises Archived, and ImageGone for an image that has left the project.
    """
    Project.objects.for_change(job.project_id)
    image = Image.objects.select_for_update(of=("self",)).filter(pk=image_id, project=job.project_id).first()
    if image is None:
        raise ImageGone(_("the image left the project while cells were proposed on it"))
    counted = Counted()
    if not Publication.objects.filter(job=job, image=image).exists():
        counted = _publish(job, image, before, suggestions, proposed)
    ended(JobItem.State.DONE, facts={**facts, "cells": counted.proposals, "left_out": counted.left_out})
    return counted


def _publish(
    job: Job, image: Image, before: SnapshotImage, suggestions: Iterable[Suggestion], proposed: Proposed
) -> Counted:
    asked = ProposalRequest.stored(job.request)
    overlap = asked.configuration.prediction.person_overlap
    meanwhile = None if asked.blinded else Meanwhile(before, image_now(image), overlap)
    earlier = current_publications(Image.objects.filter(pk=image.pk)).first() if proposed.region else None
    rim = _Rim(earlier, proposed.region) if earlier is not None and proposed.region is not None else None
    counted = Counted()
    rows = _Rows(job, image, asked, proposed)
    left = _left(suggestions, meanwhile, rim, counted)
    loaded = (rows.of(number, one) for number, one in enumerate(left))
    layer = load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=loaded)
    if rim is not None and earlier is not None and proposed.region is not None:
        copy_rows(earlier.layer_id, layer.pk, outside=proposed.region, without=rim.replaced, sources=rows.sources)
    Publication.objects.create(
        job=job,
        image=image,
        layer=layer,
        certificate=proposed.certificate.as_json() if proposed.certificate is not None else {},
        model_names=proposed.models.as_json(),
        facts=proposed.facts.with_(proposals=layer.annotations.count()).as_json(),
    )
    counted.proposals = rows.count
    return counted


def _left(
    suggestions: Iterable[Suggestion], meanwhile: Meanwhile | None, rim: "_Rim | None", counted: Counted
) -> Iterator[Suggestion]:
    for suggestion in suggestions:
        if meanwhile is not None and not meanwhile.leaves(suggestion):
            counted.left_out += 1
            continue
        if rim is not None:
            rim.replace(suggestion)
        yield suggestion


class _Rim:
    """Earlier proposals that reach into a region from outside: where one is the same cell as a new one, it goes."""

    def __init__(self, earlier: Publication, region: Region) -> None:
        x, y, width, height = region
        right, bottom = x + width, y + height
        there = Annotation.objects.filter(layer=earlier.layer_id, mask_bits__isnull=False)
        reaching = there.filter(x0__lt=right, x1__gt=x, y0__lt=bottom, y1__gt=y)
        self.rows = list(reaching.exclude(x0__gte=x, x1__lte=right, y0__gte=y, y1__lte=bottom))
        self.nearby = _Nearby([(row.x0, row.y0, row.x1, row.y1) for row in self.rows])
        self.replaced: set[uuid.UUID] = set()

    def replace(self, suggestion: Suggestion) -> None:
        if self.nearby.tree is None:
            return
        for index in self.nearby.tree.query(shapely.box(*suggestion.box)):
            row = self.rows[int(index)]
            if row.uid not in self.replaced and _is_same(_mask_of(row), suggestion.mask):
                self.replaced.add(row.uid)


def _mask_of(row: Annotation) -> BoxMask:
    width, height = row.mask_width or 0, row.mask_height or 0  # none is None: the database keeps the rule
    return BoxMask(row.mask_x or 0, row.mask_y or 0, unpack(bytes(row.mask_bits or b""), width, height))


def _is_same(a: BoxMask, b: BoxMask) -> bool:
    """Whether two masks are one cell: the larger covers enough of the smaller."""
    x0, y0 = max(a.x, b.x), max(a.y, b.y)
    x1, y1 = min(a.x + a.bits.shape[1], b.x + b.bits.shape[1]), min(a.y + a.bits.shape[0], b.y + b.bits.shape[0])
    if x0 >= x1 or y0 >= y1:
        return False
    shared = (a.bits[y0 - a.y : y1 - a.y, x0 - a.x : x1 - a.x] & b.bits[y0 - b.y : y1 - b.y, x0 - b.x : x1 - b.x]).sum()
    return bool(shared > SAME * min(a.bits.sum(), b.bits.sum()))


class _Rows:
    """Suggestions as rows of a prediction layer. What they need of the database is read before the first: while rows
    are copied nothing else can be asked.

    sources  the people's cells that prompted them
    """

    def __init__(self, job: Job, image: Image, asked: ProposalRequest, proposed: Proposed) -> None:
        self.name = f"{job.pk}/{image.pk}"
        there = set(image.project.classes.values_list("pk", flat=True))
        self.classes = [key if key in there else None for key in asked.classes]
        self.provenance: Provenance = {"round_number": 0, "job": job.pk, "models": proposed.models.by_kind()}
        self.provenance["licence"] = asked.licence
        if asked.elsewhere:
            self.provenance["elsewhere"] = True
        self.sources: set[uuid.UUID] = set()
        self.count = 0

    def of(self, number: int, one: Suggestion) -> Loaded:
        height, width = one.mask.bits.shape
        source = uuid.UUID(one.source) if one.source else None
        if source is not None:
            self.sources.add(source)
        state = AnnotationState(
            kind="cell",
            status="confirmed",
            box=one.box,
            label_class=self._class(one.class_index),
            mask=PackedMask(one.mask.x, one.mask.y, width, height, pack(one.mask.bits)),
            derived_from=source,
            provenance=self.provenance,
        )
        self.count += 1
        return Loaded(uuid.uuid5(NAMESPACE, f"{self.name}/{number}"), state, one.doubt)

    def _class(self, index: int | None) -> int | None:
        if index is None and len(self.classes) == 1:
            index = 0
        return self.classes[index] if index is not None and index < len(self.classes) else None


# -- taking them back


@transaction.atomic
def withdraw(*, job: Job, by: User) -> Job:
    """Nobody sees any more what a job proposed; what people have accepted of it is theirs and stays. Twice is once.

    What was proposed before is seen again. Raises WrongState for a job at work, and for one that proposed nothing;
    Archived.
    """
    if job.kind != Job.Kind.PROPOSE:
        raise WrongState(_("this job has proposed no cells, so there is nothing to withdraw"))
    Project.objects.for_change(job.project_id)
    job = Job.objects.select_for_update().get(pk=job.pk)
    if job.is_active:
        raise WrongState(_("this job is running; cancel it first, then withdraw what it has proposed"))
    published = list(job.publications.all())
    if not published:
        raise WrongState(_("this job has proposed no cells, so there is nothing to withdraw"))
    job.publications.filter(withdrawn_at__isnull=True).update(withdrawn_at=timezone.now())
    for later in _carrying(job, [one.image_id for one in published]):
        _without(later, job)
    job.facts = {**job.facts, "withdrawn": True, "withdrawn_by": by.pk}
    job.save(update_fields=["facts"])
    return job


def _carrying(job: Job, images: list[int]) -> list[Publication]:
    """The publications of other jobs on these images whose layers hold proposals of this one: those outside their
    region, which they took over."""
    others = Publication.objects.filter(image__in=images, job__isnull=False).exclude(job=job)
    return list(others.filter(layer__annotations__provenance__job=job.pk).distinct())


def _without(publication: Publication, job: Job) -> None:
    """Give a publication a new layer without the proposals of a job: browsers keep a layer that they have seen."""
    old = publication.layer
    layer = Layer.objects.create(image_id=publication.image_id, kind=Layer.Kind.PREDICTION)
    LayerHead.objects.create(layer=layer)
    gone = Annotation.objects.filter(layer=old, provenance__job=job.pk).values_list("uid", flat=True)
    copy_rows(old.pk, layer.pk, without=set(gone))
    publication.layer = layer
    publication.facts = {**publication.facts, "proposals": layer.annotations.count()}
    publication.save(update_fields=["layer", "facts"])
    with suppress(ProtectedError):  # a study that is frozen goes on with the layer that it has shown
        old.delete()
