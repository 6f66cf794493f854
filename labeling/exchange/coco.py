"""COCO instances: ids from 1 in order, masks as compressed run lengths or as polygons.

Accepted cells are in `annotations`. Cells that nobody could tell are there as `iscrowd` 1, which COCO's own evaluation
and trainers leave out. A point is the only keypoint of its cell, whose bbox has no extent. Rejected and open proposals
stand in lists of their own, so that nobody trains on them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import IO

import numpy as np

from inference.formats.outlines import polygons_of
from inference.masks import run_lengths
from inference.types import BoxMask
from labeling.exchange.archive import as_json
from labeling.exchange.entries import (
    CocoAnnotation,
    CocoCategory,
    CocoImage,
    CocoKeypoint,
    CocoKeypoints,
    CocoRegion,
    RunLengths,
    origin_of,
)
from labeling.exchange.selection import Box, ExportedCell, ExportedImage, ExportedRegion, Part
from labeling.images.models import Image
from labeling.projects.models import LabelClass, Project

NO_CLASS = "unclassified"
VISIBLE = 2  # COCO's word for a keypoint that is labelled and seen
KEYPOINTS: CocoKeypoints = {"keypoints": ["centre"], "skeleton": []}  # of a category whose cells may be points


class Segmentation(StrEnum):
    """How masks are written."""

    RLE = "rle"  # compressed run lengths: no loss
    POLYGONS = "polygons"  # along pixel edges; a hole is cut into its ring, since COCO has no holes


@dataclass
class CocoWriter:
    """Writes one COCO document piece by piece; memory is that of one image.

    Annotations of rejected and open proposals are kept as bytes until the end, because their lists follow.
    """

    file: IO[bytes]
    project: Project
    classes: Sequence[LabelClass]
    segmentation: Segmentation
    images: list[CocoImage] = field(default_factory=list)
    aside: dict[Part, list[bytes]] = field(default_factory=lambda: {Part.REJECTED: [], Part.PROPOSALS: []})
    written: int = 0
    has_no_class: bool = False
    has_points: bool = False
    cut_open: int = 0

    def begin(self) -> None:
        info = {"description": self.project.name, "version": "1.1", "contributor": "Boxwise"}
        self.file.write(b'{"info":' + as_json(info) + b',"annotations":[')

    def add(self, exported: ExportedImage) -> None:
        number = len(self.images) + 1
        self.images.append(image_entry(number, exported))
        known = {cell.uid for cell in exported.cells}
        for cell in exported.cells:
            entry = self._annotation(number, exported.image, cell)
            entry["parent"] = str(cell.parent) if cell.parent in known else None
            if cell.part in self.aside:
                self.aside[cell.part].append(as_json(entry))
            else:
                self._write(entry)

    def _write(self, entry: CocoAnnotation) -> None:
        if self.written:
            self.file.write(b",")
        self.written += 1
        self.file.write(as_json({"id": self.written, **entry}))

    def end(self) -> None:
        self.file.write(b'],"images":' + as_json(self.images))
        self.file.write(b',"categories":' + as_json(self._categories()))
        for part, entries in self.aside.items():
            if entries:
                numbered = (b'{"id":%d,' % number + entry[1:] for number, entry in enumerate(entries, start=1))
                self.file.write(b',"%s":[' % part.value.encode() + b",".join(numbered) + b"]")
        self.file.write(b"}")

    def _categories(self) -> list[CocoCategory]:
        """The supercategory is the wider class that a class belongs to."""
        named = [(label.name, label.parent.name if label.parent else "cell") for label in self.classes]
        if self.has_no_class:
            named.append((NO_CLASS, "cell"))
        categories: list[CocoCategory] = []
        for number, (name, wider) in enumerate(named, start=1):
            category: CocoCategory = {"id": number, "name": name, "supercategory": wider}
            categories.append(category | KEYPOINTS if self.has_points else category)
        return categories

    def _category(self, cell: ExportedCell) -> int:
        for number, label in enumerate(self.classes, start=1):
            if label.pk == cell.label_class:
                return number
        self.has_no_class = True
        return len(self.classes) + 1

    def _annotation(self, number: int, image: Image, cell: ExportedCell) -> CocoAnnotation:
        is_crowd = cell.part is Part.CANNOT_TELL
        entry: CocoAnnotation = {
            "image_id": number,
            "category_id": self._category(cell),
            "segmentation": self._segmentation(image, cell, as_crowd=is_crowd),
            "area": area_of(cell),
            "bbox": bbox(cell.box),
            "iscrowd": int(is_crowd),
            "uid": str(cell.uid),
            "author": cell.author,
            "provenance": cell.provenance,
            "attributes": cell.attributes,
        }
        if cell.point is not None:
            entry |= keypoint(cell.point)
            self.has_points = True
        if cell.drawn is not None and cell.drawn != cell.box:
            entry["drawn_bbox"] = bbox(cell.drawn)
        if cell.reader:
            entry["reader"] = cell.reader
        if cell.reason:
            entry["reason"] = cell.reason
        if cell.score is not None:
            entry["score"] = cell.score
        return entry

    def _segmentation(self, image: Image, cell: ExportedCell, *, as_crowd: bool) -> RunLengths | list[list[float]]:
        """Compressed run lengths {"size": [height, width], "counts": text}, polygons [[x, y, ...], ...], or [] for a
        cell that is a box or a point. COCO wants run lengths for every crowd, so a crowd that is a box becomes its
        rectangle, and one that is a point the pixel under it."""
        if cell.mask is None:
            return compressed(rectangle(cell.box, image), image) if as_crowd else []
        if as_crowd or self.segmentation is Segmentation.RLE:
            return compressed(run_lengths(cell.mask, image.width, image.height), image)
        parts = polygons_of(cell.mask)
        self.cut_open += any(len(part) > 1 for part in parts)
        return [flat(cut_open(part)) for part in parts]


def image_entry(number: int, exported: ExportedImage) -> CocoImage:
    """One entry of `images`. `name` is the user's own name; `file_name` is unique and legal on every system."""
    image = exported.image
    entry: CocoImage = {
        "id": number,
        "file_name": exported.file_name,
        "width": image.width,
        "height": image.height,
        "um_per_px": image.um_per_px,
        "split": image.split,
        "synthetic": image.synthetic,
        **origin_of(image),
        "name": image.name,
        "boxwise_id": image.pk,
        "sha256": image.sha256,
        "log": exported.log,
        "notes": notes_of(image),
    }
    if exported.regions:
        entry["regions"] = [region_entry(region) for region in exported.regions]
    return entry


def notes_of(image: Image) -> list[str]:
    """Codes of what was done with the picture when it came in, for example that it was turned (images/sentences.py)."""
    return [note["code"] for note in image.reading.get("notes", [])]


def region_entry(region: ExportedRegion) -> CocoRegion:
    entry: CocoRegion = {"kind": region.kind, "bbox": bbox(region.box), "author": region.author}
    if region.reader:
        entry["reader"] = region.reader
    return entry


def area_of(cell: ExportedCell) -> float:
    """Pixels of the mask; of a cell without one, of its box."""
    if cell.mask is not None:
        return float(cell.mask.bits.sum())
    x0, y0, x1, y1 = cell.box
    return (x1 - x0) * (y1 - y0)


def compressed(counts: list[int], image: Image) -> RunLengths:
    """COCO's compressed run lengths, as pycocotools writes them."""
    from pycocotools import mask as coco_mask

    size = [image.height, image.width]
    made = coco_mask.frPyObjects({"size": size, "counts": counts}, image.height, image.width)
    return {"size": size, "counts": made["counts"].decode()}


def rectangle(box: Box, image: Image) -> list[int]:
    """Run lengths of the pixels that a box touches, clipped to the image."""
    x0 = max(0, math.floor(box[0]))
    y0 = max(0, math.floor(box[1]))
    x1 = min(image.width, math.ceil(box[2]))
    y1 = min(image.height, math.ceil(box[3]))
    full = np.ones((max(1, y1 - y0), max(1, x1 - x0)), bool)
    return run_lengths(BoxMask(x0, y0, full), image.width, image.height)


def cut_open(part: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """One ring around the same pixels: a cut of no width, walked both ways, joins each hole to the ring."""
    ring = list(part[0])
    for hole in part[1:]:
        start = hole.index(min(hole))
        turned = [*hole[start:], *hole[:start], hole[start]]
        nearest = min(ring, key=lambda corner: _distance(corner, hole[start]))
        at = ring.index(nearest)
        ring = [*ring[: at + 1], *turned, *ring[at:]]
    return ring


def flat(ring: Iterable[tuple[int, int]]) -> list[float]:
    return list(map(float, chain.from_iterable(ring)))


def _distance(a: tuple[int, int], b: tuple[int, int]) -> int:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def keypoint(point: tuple[float, float]) -> CocoKeypoint:
    x, y = point
    return {"keypoints": [x, y, VISIBLE], "num_keypoints": 1}


def bbox(box: Box) -> list[float]:
    x0, y0, x1, y1 = box
    return [x0, y0, x1 - x0, y1 - y0]
