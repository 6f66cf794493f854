"""One export of a project: the file that is written, and what the file cannot hold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from django.utils.text import slugify
from django.utils.translation import ngettext

from labeling.exchange import archives, cell_tables, data_sets, tool_formats
from labeling.exchange.archive import Archive, class_table, new_archive
from labeling.exchange.archives import Export
from labeling.exchange.coco import CocoWriter
from labeling.exchange.counting import Count
from labeling.exchange.request import ExportRequest, Layout
from labeling.exchange.selection import ExportedImage, classes_of, export_image
from labeling.images.models import Image, ImageKind, ImageQuerySet, learned_from
from labeling.images.stems import file_name_of, stems_of
from labeling.projects.models import Project

Tell = Callable[[int, int], None]  # images done, of all
Writer = Callable[[Archive, Export], list[str]]  # -> sentences about what the format cannot hold
WRITERS: MappingProxyType[Layout, Writer] = MappingProxyType(
    {
        Layout.COCO: archives.coco_archive,
        Layout.GEOJSON: archives.geojson_archive,
        Layout.LABELS: archives.label_archive,
        Layout.DATASET: data_sets.dataset_archive,
        Layout.CSV: cell_tables.csv_archive,
        Layout.PARQUET: cell_tables.parquet_archive,
    }
)  # every other layout is a format of other tools


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


def write_export(
    project: Project, request: ExportRequest, path: Path, tell: Tell = lambda done, total: None
) -> Written:
    """Write the file `path`, image by image. Memory is that of one image, but for formats of other tools that have one
    file for all images (tool_formats.py).

    The same work gives the same bytes. `tell` is called after each image and may raise to stop. Raises Invalid for
    work that the format cannot hold at all.
    """
    count = Count()
    images = _exported(project, request, count, tell)
    export = Export(project, classes_of(project), request, images, count)
    if request.is_json:
        notes = _coco_document(path, export)
    else:
        write = WRITERS.get(request.layout, tool_formats.tool_archive)
        with new_archive(path) as archive:
            notes = write(archive, export)
            if request.layout is not Layout.DATASET:  # whose checksums cover the table
                folder = "" if request.layout in WRITERS else tool_formats.TABLES
                archive.add(f"{folder}classes.csv", class_table(export.classes))
    name = slugify(project.name) or "project"
    if request.layout is Layout.DATASET:
        name = f"{name}-{export.version[:12]}"
    return Written(
        file_name=f"{name}-{request.layout}.{'json' if request.is_json else 'zip'}",
        content_type="application/json" if request.is_json else "application/zip",
        sha256=count.digest.hexdigest(),
        images=count.images,
        cells=count.cells,
        notes=(*notes, *_slide_notes(project, request)),
    )


def _coco_document(path: Path, export: Export) -> list[str]:
    with path.open("wb") as file:
        writer = CocoWriter(file, export.project, export.classes, export.request.segmentation)
        writer.begin()
        for exported in export.images:
            writer.add(exported)
        writer.end()
    return archives.coco_notes(writer)


def _slide_notes(project: Project, request: ExportRequest) -> list[str]:
    slides = project.images.filter(kind=ImageKind.SLIDE).count()
    if not slides or request.takes_slides:
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
    """Pictures, and whole slides where the format takes them (ExportRequest.takes_slides)."""
    if request.takes_slides:
        return Image.objects.filter(project=project).with_specimens().order_by("position")
    return learned_from(project).with_specimens().order_by("position")


def _exported(project: Project, request: ExportRequest, count: Count, tell: Tell) -> Iterator[ExportedImage]:
    images = list(exported_images(project, request))
    stems = stems_of(images)
    for done, image in enumerate(images, start=1):
        stem = stems[image.pk]
        file_name = f"{stem}.png" if request.pictures else file_name_of(image, stem)
        exported = export_image(image, stem=stem, file_name=file_name, parts=request.parts)
        count.add(exported)
        yield exported
        tell(done, len(images))
