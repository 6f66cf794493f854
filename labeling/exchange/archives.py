"""Boxwise's own archives: COCO with its images, GeoJSON, label maps with dataset.json."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import ngettext

from inference.datasets import Annotated
from labeling.exchange.archive import IMAGE_COLUMNS, Archive, as_json, image_row, table
from labeling.exchange.coco import CocoWriter
from labeling.exchange.counting import Count
from labeling.exchange.entries import DatasetEntry, origin_of
from labeling.exchange.geojson import as_feature_collection
from labeling.exchange.labels import CELL_COLUMNS, cell_rows, label_map
from labeling.exchange.request import ExportRequest
from labeling.exchange.selection import ExportedCell, ExportedImage, Part
from labeling.images.models import Image
from labeling.projects.models import LabelClass, Project


@dataclass
class Export:
    """An export that is being written. images: read one after the other, and counted in `count` as they are."""

    project: Project
    classes: list[LabelClass]
    request: ExportRequest
    images: Iterable[ExportedImage]
    count: Count

    @property
    def version(self) -> str:
        """Of a data set: SHA-256 of annotations, classes, images and splits. It changes when any of them does."""
        classes = as_json([[label.pk, label.name] for label in self.classes])
        return hashlib.sha256(self.count.digest.digest() + self.count.context.digest() + classes).hexdigest()


# -- COCO


def coco_archive(archive: Archive, export: Export) -> list[str]:
    rows, pictures = [], []
    with archive.open("annotations.json") as member:
        writer = CocoWriter(member, export.project, export.classes, export.request.segmentation)
        writer.begin()
        for exported in export.images:
            writer.add(exported)
            rows.append(image_row(exported, "COCO"))
            pictures.append((exported.file_name, exported.image))
        writer.end()
    for name, image in pictures:  # a zip takes one member at a time
        copy_picture(archive, f"images/{name}", image)
    archive.add("images.csv", table(IMAGE_COLUMNS, rows))
    return coco_notes(writer)


def coco_notes(writer: CocoWriter) -> list[str]:
    if not writer.cut_open:
        return []
    return [
        ngettext(
            "{n} cell has a hole. COCO polygons have no holes, so its outline runs in and out along a cut without "
            "width.",
            "{n} cells have holes. COCO polygons have no holes, so their outlines run in and out along a cut without "
            "width.",
            writer.cut_open,
        ).format(n=writer.cut_open)
    ]


# -- GeoJSON


def geojson_archive(archive: Archive, export: Export) -> list[str]:
    rows = []
    for exported in export.images:
        archive.add(f"geojson/{exported.stem}.geojson", as_feature_collection(exported, export.classes))
        rows.append(image_row(exported, "GeoJSON"))
        add_picture(archive, export.request, exported)
    archive.add("images.csv", table(IMAGE_COLUMNS, rows))
    return []


# -- label maps


def label_archive(archive: Archive, export: Export) -> list[str]:
    """labels/STEM.png or .tif, and dataset.json, which `boxwise train` and a new project read."""
    classes = export.classes
    rows, lines = [], []
    entries: dict[str, DatasetEntry] = {}
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    overlapping, left_out = 0, 0
    for exported in export.images:
        painted = [cell for cell in exported.cells if _is_painted(cell)]
        made = label_map(painted, exported.image.width, exported.image.height)
        file = f"labels/{exported.stem}.{made.suffix}"
        archive.add(file, made.encoded())
        lines += cell_rows(exported, painted, file, made, classes)
        rows.append(image_row(exported, made.stored_as))
        entries[exported.stem] = dataset_entry(exported, file, [cell.label_class for cell in painted], classes)
        splits[exported.image.split].append(exported.stem)
        overlapping += len(made.pages) > 1
        left_out += len(exported.cells) - len(painted)
        add_picture(archive, export.request, exported)
    archive.add("cells.csv", table(CELL_COLUMNS, lines))
    archive.add("images.csv", table(IMAGE_COLUMNS, rows))
    about = {
        "name": export.project.name,
        "description": export.project.description,
        "made_by": "Boxwise",
        "sha256": export.count.digest.hexdigest(),
        "version": export.version,
        "classes": [label.name for label in classes],
        "splits": splits,
        "per_image": entries,
    }
    archive.add_json("dataset.json", about)
    return _label_notes(left_out, overlapping)


def _is_painted(cell: ExportedCell) -> bool:
    """Whether a cell lies in the label map: it is accepted and has a mask."""
    return cell.mask is not None and cell.part is Part.MASKS


def dataset_entry(
    exported: ExportedImage, file: str, painted: list[int | None], classes: list[LabelClass]
) -> DatasetEntry:
    """What dataset.json says of an image (inference/datasets.py reads it).

    `annotated` holds what a label map cannot: cells that are boxes or points, regions, and the class of every cell by
    its index in `classes`, null for none. A point stands with the boxes, as x, y, x, y.
    """
    index = {label.pk: place for place, label in enumerate(classes)}
    image = exported.image
    boxes = [cell for cell in exported.cells if cell.part in (Part.BOXES, Part.POINTS)]
    annotated: Annotated = {
        "classes": [index.get(label or 0) for label in painted],
        "boxes": [list(cell.box) for cell in boxes],
        "box_classes": [index.get(cell.label_class or 0) for cell in boxes],
        "rejected": [list(cell.box) for cell in exported.cells if cell.part is Part.REJECTED],
        "cannot_tell": [list(cell.box) for cell in exported.cells if cell.part is Part.CANNOT_TELL],
        "fully_annotated": [list(r.box) for r in exported.regions if r.kind == "fully_annotated"],
        "ignore": [list(r.box) for r in exported.regions if r.kind == "ignore"],
    }
    return {
        "width": image.width,
        "height": image.height,
        "um_per_px": image.um_per_px,
        "name": image.name,
        **origin_of(image),
        "labels": file,
        "sha256": image.sha256,
        "log": exported.log,
        "annotated": annotated,
    }


def _label_notes(left_out: int, overlapping: int) -> list[str]:
    notes = []
    if left_out:
        notes.append(
            ngettext(
                "{n} annotation without an accepted mask is not in the label maps; dataset.json holds its box or its "
                "point.",
                "{n} annotations without an accepted mask are not in the label maps; dataset.json holds their boxes "
                "and points.",
                left_out,
            ).format(n=left_out)
        )
    if overlapping:
        notes.append(
            ngettext(
                "Cells of {n} image overlap: its label map is a TIFF with several pages.",
                "Cells of {n} images overlap: their label maps are TIFFs with several pages.",
                overlapping,
            ).format(n=overlapping)
        )
    return notes


def add_picture(archive: Archive, request: ExportRequest, exported: ExportedImage) -> None:
    """images/STEM.png, where the images were asked for."""
    if request.pictures:
        copy_picture(archive, f"images/{exported.stem}.png", exported.image)


def copy_picture(archive: Archive, name: str, image: Image) -> None:
    with image.pixels.open("rb") as source:
        archive.copy(name, source)
