"""What the files of an export hold, by name: COCO, GeoJSON for QuPath, dataset.json; and operations as they are sent.

Objects of JSON with named keys (TypedDict): other programs define them, and a large export has a hundred thousand.
"""

from typing import Literal, NotRequired, TypedDict

from inference.datasets import Annotated
from inference.documents.interactive import MaskJson
from inference.documents.publication import Provenance
from inference.formats.outlines import Geometry
from labeling.images.models import Image

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


class Origin(TypedDict):
    """Where an image comes from, in every format that names it."""

    centre: str
    patient: str
    block: str
    slide: str
    scanner: str
    stain: str
    tags: list[str]


def origin_of(image: Image) -> Origin:
    specimen = image.specimen
    return {
        "centre": specimen.centre,
        "patient": specimen.patient,
        "block": specimen.block,
        "slide": specimen.slide,
        "scanner": image.scanner,
        "stain": image.stain,
        "tags": image.tags,
    }


class CocoImage(Origin):
    """log: layer id -> how far its log went; notes: codes of images/sentences.py."""

    id: int
    file_name: str
    width: int
    height: int
    um_per_px: float | None
    split: str
    synthetic: bool
    name: str
    boxwise_id: int
    sha256: str
    log: dict[str, int]
    notes: list[str]
    regions: NotRequired[list[CocoRegion]]


class CocoKeypoints(TypedDict):
    """The names of the keypoints of a category, and the lines between them."""

    keypoints: list[str]
    skeleton: list[list[int]]


class CocoCategory(TypedDict):
    """keypoints, skeleton: only where cells are points."""

    id: int
    name: str
    supercategory: str
    keypoints: NotRequired[list[str]]
    skeleton: NotRequired[list[list[int]]]


class CocoKeypoint(TypedDict):
    """x, y and visibility of the one keypoint of a cell that is a point."""

    keypoints: list[float]
    num_keypoints: int


class CocoAnnotation(TypedDict):
    """segmentation: run lengths, polygons [[x, y, ...], ...], or [] for a cell that is a box or a point."""

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
    keypoints: NotRequired[list[float]]
    num_keypoints: NotRequired[int]
    reader: NotRequired[str]
    reason: NotRequired[str]
    score: NotRequired[float]


# -- dataset.json of label maps (inference/datasets.py)


class DatasetEntry(Origin):
    """An image; labels: the file of its label map, log: layer id -> how far its log went."""

    width: int
    height: int
    um_per_px: float | None
    name: str
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
