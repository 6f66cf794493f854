"""What the files of an export hold, by name: COCO, GeoJSON for QuPath, dataset.json; and operations as they are sent.

Objects of JSON with named keys (TypedDict): other programs define them, and a large export has a hundred thousand.
"""

from typing import Literal, NotRequired, TypedDict

from inference.datasets import Annotated
from inference.documents.interactive import MaskJson
from inference.documents.publication import Provenance
from inference.formats.outlines import Geometry

# -- COCO


class RunLengths(TypedDict):
    """COCO's compressed run lengths; size is [height, width]."""

    size: list[int]
    counts: str


class CocoRegion(TypedDict):
    kind: str
    bbox: list[float]
    author: str
    reader: NotRequired[str]


class CocoImage(TypedDict):
    """log: layer id -> how far its log went; notes: codes of images/sentences.py."""

    id: int
    file_name: str
    width: int
    height: int
    um_per_px: float | None
    split: str
    synthetic: bool
    group: str
    scanner: str
    site: str
    stain: str
    name: str
    boxwise_id: int
    sha256: str
    log: dict[str, int]
    notes: list[str]
    regions: NotRequired[list[CocoRegion]]


class CocoCategory(TypedDict):
    id: int
    name: str
    supercategory: str


class CocoAnnotation(TypedDict):
    """segmentation: run lengths, polygons [[x, y, ...], ...], or [] for a cell that is a box."""

    image_id: int
    category_id: int
    segmentation: RunLengths | list[list[float]]
    area: float
    bbox: list[float]
    iscrowd: int
    uid: str
    author: str
    provenance: Provenance
    attributes: dict[str, str]
    parent: NotRequired[str | None]
    drawn_bbox: NotRequired[list[float]]
    reader: NotRequired[str]
    reason: NotRequired[str]
    score: NotRequired[float]


# -- dataset.json of label maps (inference/datasets.py)


class DatasetEntry(TypedDict):
    """An image; labels: the file of its label map, log: layer id -> how far its log went."""

    width: int
    height: int
    um_per_px: float | None
    name: str
    group: str
    scanner: str
    site: str
    stain: str
    labels: str
    sha256: str
    log: dict[str, int]
    annotated: Annotated


# -- GeoJSON


class Classification(TypedDict):
    name: str
    color: list[int]


class Properties(TypedDict):
    objectType: str
    metadata: dict[str, str]
    classification: NotRequired[Classification]
    measurements: NotRequired[dict[str, float]]
    isLocked: NotRequired[bool]


class Feature(TypedDict):
    type: Literal["Feature"]
    id: str
    geometry: Geometry
    properties: Properties


# -- operations as a browser would send them


class StateSent(TypedDict):
    kind: str
    status: str
    label_class: int | None
    box: list[float]
    mask: MaskJson | None
    derived_from: str | None
    reason: str


class EffectSent(TypedDict):
    annotation: str
    seen: str | None
    after: StateSent


class OperationSent(TypedDict):
    op_id: str
    action: str
    tool: str
    session: str
    begun_at: str
    committed_at: str
    begun_ms: float
    committed_ms: float
    activity: list[int] | None
    undoes: str | None
    effects: list[EffectSent]
