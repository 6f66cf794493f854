"""What a round learns from, frozen: one canonical JSON document, whose hash names the snapshot.

The website writes it (labeling/rounds/snapshots.py), stages read it. The same annotations give the same bytes, so two
rounds on unchanged work share every stage. The reference set is named so that what a round says of its judges is never
an earlier set's; stages that learn or predict do not read it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal, get_args

from inference.documents.base import Document, JsonObject, Number

VERSION = 1
Box = tuple[Number, Number, Number, Number]  # x0, y0, x1, y1: image pixels, half-open
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


class PackedMask(Document):
    """A mask as JSON: where its top left pixel lies, its size, and its bits (inference/masks.py) in base64."""

    x: int
    y: int
    width: int
    height: int
    bits: str


class Stroke(PackedMask):
    """What somebody painted as cell or as background. band: how far around it a re-fusion may change pixels."""

    foreground: bool
    band: int | None = None


class SnapshotCell(Document):
    """A person's cell. mask: null, or the one that they verified."""

    uid: str
    box: Box
    label_class: int | None
    mask: PackedMask | None


class SnapshotImage(Document):
    """An image with what people said of it, read at one moment: `seq` of the working layer `layer`.

    reference  stored name of its label map in the locked reference set; None for an image that judges no masks
    um_per_px  µm per pixel; None where nobody has stated it
    """

    image: int
    sha256: str
    pixels: str
    reference: str | None
    width: int
    height: int
    um_per_px: Number | None
    group: str
    split: Split
    layer: str | None
    seq: int
    cells: tuple[SnapshotCell, ...]
    rejected: tuple[Box, ...]
    cannot_tell: tuple[Box, ...]
    exhaustive: tuple[Box, ...]
    ignore: tuple[Box, ...]

    @property
    def teaches(self) -> bool:
        return self.split == "train" and bool(self.exhaustive)

    @property
    def pixel_count(self) -> int:
        return self.width * self.height


class SnapshotClass(Document):
    id: int
    name: str


class ReferenceName(Document):
    """Which locked reference set judges."""

    number: int
    origin: str
    readers: int


class Snapshot(Document):
    """blinded: annotators must not see each other's work, so proposals are made as if nobody had drawn anything."""

    version: int = VERSION
    reference_set: ReferenceName | None = None
    blinded: bool = False
    classes: tuple[SnapshotClass, ...]
    images: tuple[SnapshotImage, ...]

    @classmethod
    def upgraded(cls, data: JsonObject) -> JsonObject:
        """Version 1 is the only one; documents of its first days name neither blinded nor reference_set."""
        if data.get("version", VERSION) != VERSION:
            raise ValueError(f"a snapshot of version {data['version']} cannot be read here; it is of a newer Boxwise")
        return data

    @classmethod
    def read(cls, data: bytes) -> "Snapshot":
        """The document in a file. Raises pydantic.ValidationError, ValueError for one of a newer version."""
        return cls.stored(json.loads(data))

    def written(self) -> bytes:
        """The canonical JSON."""
        return canonical(self.as_json())


def canonical(value: object) -> bytes:
    """JSON with sorted keys and without spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(value: object) -> str:
    """sha256 of canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


class SplitCount(Document):
    images: int
    annotated: int
    cells: int
    verified_masks: int


class ReferenceSummary(ReferenceName):
    """A locked reference set as it is described beside figures."""

    images: int
    groups: int
    note: str
    locked_at: str
    locked_by: str | None

    @property
    def name(self) -> ReferenceName:
        return ReferenceName(number=self.number, origin=self.origin, readers=self.readers)


class SnapshotSummary(Document):
    """Counts for people, per split, and whether images of one slide stand on both sides of the evaluation."""

    splits: Mapping[Split, SplitCount] = {}
    same_group_in_training_and_evaluation: tuple[str, ...] = ()
    um_per_px: Number | None = None
    images_without_scale: int = 0
    images_without_group: int = 0
    reference_set: ReferenceSummary | None = None
