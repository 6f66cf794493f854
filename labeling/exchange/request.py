"""What somebody asks for when they export: the format, the content, how it is written."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

from labeling.errors import Invalid
from labeling.exchange.coco import Segmentation
from labeling.exchange.selection import Part, parts_of


class Layout(StrEnum):
    """The formats of an export. The API and its files call them layouts.

    The first three are Boxwise's own and lose nothing that their format can say. A data set adds a card and checksums
    to label maps. CSV and PARQUET are tables of cells. The others are formats of other tools, under their names in
    inference/formats/registry.py.
    """

    COCO = "coco"
    GEOJSON = "geojson"
    LABELS = "labels"
    DATASET = "dataset"
    CSV = "csv"
    PARQUET = "parquet"
    YOLO = "yolo"
    VOC = "voc"
    LABELME = "labelme"
    CVAT = "cvat"
    LABELSTUDIO = "labelstudio"
    APERIO = "aperio"
    ROI = "roi"
    CELLPOSE = "cellpose"
    HOVERNET = "hovernet"
    CONSEP = "consep"
    PANNUKE = "pannuke"
    OME = "ome"
    TIFF = "tiff"
    PNG = "png"
    DICOM = "dicom"


OWN = frozenset((Layout.COCO, Layout.GEOJSON, Layout.LABELS, Layout.DATASET, Layout.CSV, Layout.PARQUET))
TOOLS = frozenset(Layout) - OWN
WITH_PICTURES = frozenset((Layout.LABELS, Layout.DATASET))  # where nobody says whether the images go along
# Their files have a value for each pixel of an image: whole slides are left out.
PER_PIXEL = frozenset(
    (
        Layout.LABELS, Layout.DATASET, Layout.CELLPOSE, Layout.CONSEP, Layout.PANNUKE, Layout.OME, Layout.TIFF,
        Layout.PNG, Layout.DICOM,
    )
)  # fmt: skip


class StoredExportRequest(TypedDict):
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
            raise Invalid(f"layout must be one of {', '.join(Layout)}, not {layout!r}", field="layout")
        if segmentation not in ("", *Segmentation):
            raise Invalid(f"segmentation must be rle or polygons, not {segmentation!r}", field="segmentation")
        if pictures not in ("", "0", "1", "true", "false"):
            raise Invalid(f"images must be 1 or 0, not {pictures!r}", field="images")
        # A label map without its image teaches nothing; other files go back to a tool that has the images.
        with_pictures = pictures in ("1", "true") or (pictures == "" and layout in WITH_PICTURES)
        return cls(Layout(layout), parts_of(list(include)), Segmentation(segmentation or "rle"), with_pictures)

    def as_json(self) -> StoredExportRequest:
        return {
            "layout": str(self.layout),
            "include": sorted(str(part) for part in self.parts),
            "segmentation": str(self.segmentation),
            "images": self.pictures,
        }

    @classmethod
    def from_json(cls, document: StoredExportRequest) -> "ExportRequest":
        pictures = "1" if document["images"] else "0"
        return cls.of(
            document["layout"], include=document["include"], segmentation=document["segmentation"], pictures=pictures
        )

    @property
    def is_json(self) -> bool:
        """COCO without images is one JSON file; everything else is a zip."""
        return self.layout is Layout.COCO and not self.pictures

    @property
    def takes_slides(self) -> bool:
        """Whether whole slides are written too. A slide is too large for pictures and for label maps."""
        return self.layout not in PER_PIXEL and not self.pictures
