"""One export of a project: what is asked for, the file that is written, and what the file cannot hold."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypedDict, assert_never

from django.utils.text import slugify
from django.utils.translation import ngettext

from inference.datasets import Annotated
from labeling.errors import Invalid
from labeling.exchange.archive import IMAGE_COLUMNS, Archive, as_json, class_table, image_row, new_archive, table
from labeling.exchange.coco import CocoWriter, Segmentation
from labeling.exchange.entries import DatasetEntry
from labeling.exchange.geojson import as_feature_collection
from labeling.exchange.labels import CELL_COLUMNS, cell_rows, label_map
from labeling.exchange.selection import (
    ExportedImage,
    Part,
    classes_of,
    export_image,
    parts_of,
)
from labeling.images.models import Image, ImageKind, ImageQuerySet, learned_from
from labeling.images.stems import file_name_of, stems_of
from labeling.projects.models import LabelClass, Project

Tell = Callable[[int, int], None]  # images done, of all


class Layout(StrEnum):
    """The formats of an export. The API and its files call them layouts."""

    COCO = "coco"
    GEOJSON = "geojson"
    LABELS = "labels"


class ExportAsked(TypedDict):
    """ExportRequest as a job keeps it."""

    layout: str
    include: list[str]
    segmentation: str
    images: bool


@dataclass(frozen=True)
class ExportRequest:
    """What somebody asks for.

    pictures      whether the images themselves go along, as PNG
    segmentation  how COCO writes masks; the other layouts do not ask
    """

    layout: Layout
    parts: frozenset[Part]
    segmentation: Segmentation = Segmentation.RLE
    pictures: bool = False

    @classmethod
    def of(
        cls, layout: str, *, include: Iterable[str] = (), segmentation: str = "", pictures: str = ""
    ) -> "ExportRequest":
        """From words, as they come in a query or a form. Raises Invalid that names the field."""
        if layout not in set(Layout):
            raise Invalid(f"layout must be coco, geojson or labels, not {layout!r}", field="layout")
        if segmentation not in ("", *Segmentation):
            raise Invalid(f"segmentation must be rle or polygons, not {segmentation!r}", field="segmentation")
        if pictures not in ("", "0", "1", "true", "false"):
            raise Invalid(f"images must be 1 or 0, not {pictures!r}", field="images")
        # A label map without its image teaches nothing; a COCO or GeoJSON file goes back to a tool that has the images.
        with_pictures = pictures in ("1", "true") or (pictures == "" and layout == Layout.LABELS)
        return cls(Layout(layout), parts_of(list(include)), Segmentation(segmentation or "rle"), with_pictures)

    def as_json(self) -> ExportAsked:
        return {
            "layout": str(self.layout),
            "include": sorted(str(part) for part in self.parts),
            "segmentation": str(self.segmentation),
            "images": self.pictures,
        }

    @classmethod
    def from_json(cls, document: ExportAsked) -> "ExportRequest":
        pictures = "1" if document["images"] else "0"
        return cls.of(
            document["layout"], include=document["include"], segmentation=document["segmentation"], pictures=pictures
        )

    @property
    def is_json(self) -> bool:
        """COCO without images is one JSON file; everything else is a zip."""
        return self.layout is Layout.COCO and not self.pictures


@dataclass(frozen=True)
class Written:
    """The file of an export.

    sha256  of what was exported: equal for equal work, whenever it is written
    notes   sentences about what the format cannot hold
    """

    file_name: str
    content_type: str
    sha256: str
    images: int
    cells: int
    notes: tuple[str, ...] = ()


@dataclass
class _Count:
    """What was written so far, and what did not fit."""

    images: int = 0
    cells: int = 0
    boxes_left_out: int = 0
    overlapping: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, exported: ExportedImage) -> None:
        self.images += 1
        self.cells += len(exported.cells)
        for cell in exported.cells:
            self.digest.update(as_json([cell.uid, cell.part, cell.box, cell.label_class]))
            if cell.mask is not None:
                self.digest.update(cell.mask.bits.tobytes())
        for region in exported.regions:
            self.digest.update(as_json([region.uid, region.kind, region.box]))


def write_export(
    project: Project, request: ExportRequest, path: Path, tell: Tell = lambda done, total: None
) -> Written:
    """Write the file `path`, image by image; memory is that of one image.

    The same work gives the same bytes. `tell` is called after each image and may raise to stop.
    """
    classes = classes_of(project)
    count = _Count()
    images = _exported(project, request, count, tell)
    notes: list[str] = []
    if request.is_json:
        with path.open("wb") as file:
            writer = CocoWriter(file, project, classes, request.segmentation)
            writer.begin()
            for exported in images:
                writer.add(exported)
            writer.end()
        notes += _coco_notes(writer)
    else:
        with new_archive(path) as archive:
            if request.layout is Layout.COCO:
                notes += _coco_archive(archive, project, classes, request, images)
            elif request.layout is Layout.GEOJSON:
                _geojson_archive(archive, classes, request, images)
            elif request.layout is Layout.LABELS:
                _label_archive(archive, project, classes, request, images, count)
            else:
                assert_never(request.layout)
            archive.add("classes.csv", class_table(classes))
    return Written(
        file_name=f"{slugify(project.name) or 'project'}-{request.layout}.{'json' if request.is_json else 'zip'}",
        content_type="application/json" if request.is_json else "application/zip",
        sha256=count.digest.hexdigest(),
        images=count.images,
        cells=count.cells,
        notes=(*notes, *_label_notes(count), *_slide_notes(project, request)),
    )


def _slide_notes(project: Project, request: ExportRequest) -> list[str]:
    slides = project.images.filter(kind=ImageKind.SLIDE).count()
    if not slides or (request.layout is not Layout.LABELS and not request.pictures):
        return []
    return [
        ngettext(
            "{n} whole slide is not in this export, since its picture does not fit; its fields are. COCO and GeoJSON "
            "without images hold what is drawn on it.",
            "{n} whole slides are not in this export, since their pictures do not fit; their fields are. COCO and "
            "GeoJSON without images hold what is drawn on them.",
            slides,
        ).format(n=slides)
    ]


def exported_images(project: Project, request: ExportRequest) -> ImageQuerySet:
    """Pictures, and whole slides where neither pictures nor label maps are written, which a slide is too large for."""
    if request.layout is Layout.LABELS or request.pictures:
        return learned_from(project).order_by("position")
    return Image.objects.filter(project=project).order_by("position")


def _exported(project: Project, request: ExportRequest, count: _Count, tell: Tell) -> Iterator[ExportedImage]:
    images = list(exported_images(project, request))
    stems = stems_of(images)
    for done, image in enumerate(images, start=1):
        stem = stems[image.pk]
        file_name = f"{stem}.png" if request.pictures else file_name_of(image, stem)
        exported = export_image(image, stem=stem, file_name=file_name, parts=request.parts)
        count.add(exported)
        yield exported
        tell(done, len(images))


# -- COCO


def _coco_archive(
    archive: Archive,
    project: Project,
    classes: list[LabelClass],
    request: ExportRequest,
    images: Iterable[ExportedImage],
) -> list[str]:
    rows, pictures = [], []
    with archive.open("annotations.json") as member:
        writer = CocoWriter(member, project, classes, request.segmentation)
        writer.begin()
        for exported in images:
            writer.add(exported)
            rows.append(image_row(exported, "COCO"))
            pictures.append((exported.file_name, exported.image))
        writer.end()
    for name, image in pictures:  # a zip takes one member at a time
        with image.pixels.open("rb") as source:
            archive.copy(f"images/{name}", source)
    archive.add("images.csv", table(IMAGE_COLUMNS, rows))
    return _coco_notes(writer)


def _coco_notes(writer: CocoWriter) -> list[str]:
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


def _geojson_archive(
    archive: Archive, classes: list[LabelClass], request: ExportRequest, images: Iterable[ExportedImage]
) -> None:
    rows = []
    for exported in images:
        archive.add(f"geojson/{exported.stem}.geojson", as_feature_collection(exported, classes))
        rows.append(image_row(exported, "GeoJSON"))
        _picture(archive, request, exported)
    archive.add("images.csv", table(IMAGE_COLUMNS, rows))


# -- label maps


def _label_archive(
    archive: Archive,
    project: Project,
    classes: list[LabelClass],
    request: ExportRequest,
    images: Iterable[ExportedImage],
    count: _Count,
) -> None:
    """labels/STEM.png or .tif, and dataset.json, which `boxwise train` and a new project read."""
    rows, lines = [], []
    entries: dict[str, DatasetEntry] = {}
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for exported in images:
        painted = [cell for cell in exported.cells if cell.mask is not None and cell.part is Part.MASKS]
        made = label_map(painted, exported.image.width, exported.image.height)
        file = f"labels/{exported.stem}.{made.suffix}"
        archive.add(file, made.encoded())
        lines += cell_rows(exported, painted, file, made, classes)
        rows.append(image_row(exported, made.stored_as))
        entries[exported.stem] = dataset_entry(exported, file, [cell.label_class for cell in painted], classes)
        splits[exported.image.split].append(exported.stem)
        count.overlapping += len(made.pages) > 1
        count.boxes_left_out += len(exported.cells) - len(painted)
        _picture(archive, request, exported)
    archive.add("cells.csv", table(CELL_COLUMNS, lines))
    archive.add("images.csv", table(IMAGE_COLUMNS, rows))
    about = {
        "name": project.name,
        "description": project.description,
        "made_by": "Boxwise",
        "sha256": count.digest.hexdigest(),
        "classes": [label.name for label in classes],
        "splits": splits,
        "per_image": entries,
    }
    archive.add_json("dataset.json", about)


def dataset_entry(
    exported: ExportedImage, file: str, painted: list[int | None], classes: list[LabelClass]
) -> DatasetEntry:
    """What dataset.json says of an image (inference/datasets.py reads it).

    `annotated` holds what a label map cannot: cells that are boxes, regions, and the class of every cell by its index
    in `classes`, null for none.
    """
    index = {label.pk: place for place, label in enumerate(classes)}
    image = exported.image
    boxes = [cell for cell in exported.cells if cell.part is Part.BOXES]
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
        "group": image.group,
        "scanner": image.scanner,
        "site": image.site,
        "stain": image.stain,
        "labels": file,
        "sha256": image.sha256,
        "log": exported.log,
        "annotated": annotated,
    }


def _label_notes(count: _Count) -> list[str]:
    notes = []
    if count.boxes_left_out:
        notes.append(
            ngettext(
                "{n} annotation without an accepted mask is not in the label maps; dataset.json holds its box.",
                "{n} annotations without an accepted mask are not in the label maps; dataset.json holds their boxes.",
                count.boxes_left_out,
            ).format(n=count.boxes_left_out)
        )
    if count.overlapping:
        notes.append(
            ngettext(
                "Cells of {n} image overlap: its label map is a TIFF with several pages.",
                "Cells of {n} images overlap: their label maps are TIFFs with several pages.",
                count.overlapping,
            ).format(n=count.overlapping)
        )
    return notes


def _picture(archive: Archive, request: ExportRequest, exported: ExportedImage) -> None:
    if not request.pictures:
        return
    with exported.image.pixels.open("rb") as source:
        archive.copy(f"images/{exported.stem}.png", source)
