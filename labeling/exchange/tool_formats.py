"""Exports in the formats of other tools: inference/formats writes them, and says what they cannot hold."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from inference.formats import AnnotatedImage, Annotation, Annotations, write
from inference.formats.format import Format
from inference.formats.losses import Loss, Property
from inference.formats.model import LabelClass as FormatClass
from inference.formats.model import Pixels, Points, Rectangle, Region
from inference.formats.registry import format_named
from inference.types import InferenceError
from labeling.errors import Invalid
from labeling.exchange.archive import IMAGE_COLUMNS, Archive, as_json, image_row, table
from labeling.exchange.archives import Export, copy_picture
from labeling.exchange.selection import ExportedCell, ExportedImage, Part
from labeling.projects.models import LabelClass

# What the format has no place for, as the note of an export says it.
LOST: dict[Property, str] = {
    Property.MASKS: gettext_noop("masks: only their boxes are written"),
    Property.HOLES: gettext_noop("holes in cells"),
    Property.PARTS: gettext_noop("detached parts of cells: only the largest is written"),
    Property.OVERLAPS: gettext_noop("pixels that two cells share: the earlier cell has them"),
    Property.SUBPIXEL: gettext_noop("corners between pixels"),
    Property.BOXES: gettext_noop("boxes without a mask"),
    Property.POINTS: gettext_noop("points"),
    Property.LINES: gettext_noop("lines"),
    Property.MANY: gettext_noop("cells beyond 65,535"),
    Property.CLASSES: gettext_noop("classes of cells"),
    Property.SCORES: gettext_noop("scores"),
    Property.ATTRIBUTES: gettext_noop("attributes, authors and provenance"),
    Property.MEASUREMENTS: gettext_noop("measurements"),
    Property.IDS: gettext_noop("ids of cells"),
    Property.NAMES_OF_OBJECTS: gettext_noop("names of cells"),
    Property.NUCLEI: gettext_noop("nuclei of cells"),
    Property.LOCKS: gettext_noop("locks"),
    Property.CROWDS: gettext_noop("cells that nobody could tell: they are left out"),
    Property.PARENTS: gettext_noop("which cell belongs to which"),
    Property.REGIONS: gettext_noop("regions (of so many images)"),
    Property.EMPTY: gettext_noop("images without an annotation"),
    Property.NAMES: gettext_noop("names of images beyond ASCII"),
    Property.SCALE: gettext_noop("µm per pixel (images.csv has them)"),
    Property.COLORS: gettext_noop("colours of classes (classes.csv has them)"),
}
TABLES = "boxwise/"  # folder of our own tables: tools have files of the same names
UNDECIDED = (Part.REJECTED, Part.PROPOSALS)


def tool_archive(archive: Archive, export: Export) -> list[str]:
    """Write the export in the format of a tool. -> notes

    A format with a file an image is written image by image. One whose images share a file holds the annotations of
    the whole project in memory, as masks of the size of a cell.

    Raises Invalid where the format cannot hold the work at all, with the remedy.
    """
    writer = ToolWriter(archive, export, format_named(export.request.layout))
    for exported in export.images:
        writer.add(exported)
    writer.end()
    return writer.sentences()


@dataclass
class ToolWriter:
    """lost       what the format has no place for -> how many
    undecided     rejected and open proposals: in a format without a status they would pass for cells
    members       names in the archive, each once
    """

    archive: Archive
    export: Export
    format: Format
    waiting: list[AnnotatedImage] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    lost: Counter[Property] = field(default_factory=Counter)
    undecided: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)

    def add(self, exported: ExportedImage) -> None:
        cells = [cell for cell in exported.cells if cell.part not in UNDECIDED]
        self.undecided += len(exported.cells) - len(cells)
        if Property.CROWDS not in self.format.keeps:
            decided = [cell for cell in cells if cell.part is not Part.CANNOT_TELL]
            self.lost[Property.CROWDS] += len(cells) - len(decided)
            cells = decided
        self.waiting.append(annotated_image(exported, cells, self.export.classes))
        self.rows.append(image_row(exported, self.format.title))
        if self.export.request.pictures:
            folder = f"images/{exported.image.split}" if self.format.has_splits else "images"
            copy_picture(self.archive, f"{folder}/{exported.stem}.png", exported.image)
        if not self.format.shares_files:
            self._write()

    def end(self) -> None:
        if self.waiting:
            self._write()
        self.archive.add(f"{TABLES}images.csv", table(IMAGE_COLUMNS, self.rows))

    def _write(self) -> None:
        """Write the images that wait, and copy their files into the archive."""
        classes = [FormatClass(label.name, None, label.color) for label in self.export.classes]
        annotations = Annotations(self.waiting, classes)
        self.waiting = []
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "files"
            try:
                names, losses, notes = write(annotations, folder, format=self.format.name)
            except InferenceError as error:
                raise Invalid(str(error), field="layout") from error
            for name in names:
                self._copy(folder / name, name)
        for loss in losses:
            self._lose(loss)
        self.notes |= dict.fromkeys(notes)

    def _copy(self, file: Path, name: str) -> None:
        if name in self.members:  # a list of classes, the same beside every image
            return
        self.members.add(name)
        with self.archive.open(name) as member, file.open("rb") as source:
            shutil.copyfileobj(source, member)

    def _lose(self, loss: Loss) -> None:
        if loss.what is Property.COLORS:  # the project has its classes once, and not once an image
            self.lost[loss.what] = loss.count
        else:
            self.lost[loss.what] += loss.count

    def sentences(self) -> list[str]:
        """What the reader must know: what is lost, what was left out, what the writer noticed."""
        found = []
        for what, count in self.lost.items():
            if count:
                words = _("The format has no place for {what}: {n}.")
                found.append(words.format(what=_(LOST[what]), n=f"{count:,}"))
        if self.undecided:
            words = ngettext(
                "{n} rejected or open proposal is left out: in this format it would pass for a cell. COCO and GeoJSON "
                "say which it is.",
                "{n} rejected or open proposals are left out: in this format they would pass for cells. COCO and "
                "GeoJSON say which they are.",
                self.undecided,
            )
            found.append(words.format(n=f"{self.undecided:,}"))
        return [*found, *self.notes]


def annotated_image(
    exported: ExportedImage, cells: Sequence[ExportedCell], classes: Sequence[LabelClass]
) -> AnnotatedImage:
    """An image as inference/formats sees it."""
    names = {label.pk: label.name for label in classes}
    known = {cell.uid for cell in cells}
    image = exported.image
    made = AnnotatedImage(exported.file_name, image.width, image.height, um_per_px=image.um_per_px)
    made.facts["split"] = image.split
    made.regions = [Region(region.kind, region.box) for region in exported.regions]
    for cell in cells:
        parent = str(cell.parent) if cell.parent in known else ""
        made.annotations.append(annotation_of(cell, names.get(cell.label_class or 0), parent))
    return made


def annotation_of(cell: ExportedCell, label: str | None, parent: str) -> Annotation:
    """A cell with what people said of it as attributes, as the metadata of GeoJSON has it."""
    attributes: dict[str, Any] = {"author": cell.author} if cell.author else {}
    if cell.reader:
        attributes["reader"] = cell.reader
    if cell.provenance:
        attributes["provenance"] = as_json(cell.provenance).decode()
    return Annotation(
        geometry=geometry_of(cell),
        label=label,
        uid=str(cell.uid),
        score=cell.score,
        attributes=attributes | cell.attributes,
        crowd=cell.part is Part.CANNOT_TELL,
        parent=parent,
    )


def geometry_of(cell: ExportedCell) -> Pixels | Points | Rectangle:
    if cell.mask is not None:
        return Pixels(cell.mask)
    if cell.point is not None:
        return Points(np.array([cell.point], np.float64))
    return Rectangle(cell.box)
