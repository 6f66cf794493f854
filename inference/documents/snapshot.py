"""What a round learns from, frozen: one canonical JSON document, whose hash names the snapshot.

The website writes it (labeling/rounds/snapshots.py), stages read it. The same annotations give the same bytes, so two
rounds on unchanged work share every stage. The reference set is named so that what a round says of its judges is never
an earlier set's; stages that learn or predict do not read it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import JsonValue

from inference.documents.base import Document, JsonObject, Number
from inference.documents.origins import centre_and_patient

VERSION = 2
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


class FieldView(Document):
    """How the pixels of a field are made from its slide, where they were cut with other channels.

    x, y      corner in the slide `slide`, pixels of its level 0
    channels  names of those that models see
    """

    slide: int
    x: int
    y: int
    channels: tuple[str, ...]


class SnapshotImage(Document):
    """An image with what people said of it, read at one moment: `seq` of the working layer `layer`.

    view       how `pixels` are made, which `sha256` names; absent where they are the image's own
    reference  stored name of its label map in the locked reference set; None for an image that judges no masks
    um_per_px  µm per pixel; None where nobody has stated it
    patient    whose tissue it is, by the name that tells the patients of the project apart; "" where nobody has said
    """

    image: int
    sha256: str
    pixels: str
    reference: str | None
    width: int
    height: int
    um_per_px: Number | None
    patient: str
    split: Split
    layer: str | None
    seq: int
    cells: tuple[SnapshotCell, ...]
    rejected: tuple[Box, ...]
    cannot_tell: tuple[Box, ...]
    exhaustive: tuple[Box, ...]
    ignore: tuple[Box, ...]
    view: FieldView | None = None

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
        """From version 1, whose first days name neither blinded nor reference_set."""
        version = data.get("version", 1)
        if version == 1:
            return patients_for_groups(data)
        if version != VERSION:
            raise ValueError(f"a snapshot of version {version} cannot be read here; it is of a newer Boxwise")
        return data

    @classmethod
    def read(cls, data: bytes) -> "Snapshot":
        """The document in a file. Raises pydantic.ValidationError, ValueError for one of a newer version."""
        return cls.stored(json.loads(data))

    def written(self) -> bytes:
        """The canonical JSON."""
        return canonical(self.as_json())

    def predicted_from(self) -> JsonObject:
        """What the key of a prediction hashes: everything but the words about the reference set.

        In the names of version 1, so that a round on work that has not changed since uses what it made then.
        """
        content = self.model_dump(mode="json", exclude_unset=True, exclude={"reference_set"})
        images = []
        for image in content["images"]:
            patient = image.pop("patient")
            images.append(image | {"group": patient})
        return content | {"images": images, "version": 1}


def patients_for_groups(data: JsonObject) -> JsonObject:
    """Upgrade to version 2: "Slide or patient" was one field, called group."""
    images = data["images"]
    assert isinstance(images, list)
    named: list[JsonValue] = []
    for image in images:
        assert isinstance(image, dict)
        named.append(centre_and_patient(image))
    return data | {"images": named, "version": VERSION}


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
    patients: int
    note: str
    locked_at: str
    locked_by: str | None

    @property
    def name(self) -> ReferenceName:
        return ReferenceName(number=self.number, origin=self.origin, readers=self.readers)


class SnapshotSummary(Document):
    """Counts for people, per split, and whether images of one patient stand on both sides of the evaluation."""

    splits: Mapping[Split, SplitCount] = {}
    same_patient_in_training_and_evaluation: tuple[str, ...] = ()
    um_per_px: Number | None = None
    images_without_scale: int = 0
    images_without_patient: int = 0
    reference_set: ReferenceSummary | None = None

    @classmethod
    def upgraded(cls, data: JsonObject) -> JsonObject:
        return counted_patients(data)


SUMMARY_NAMES = {
    "same_group_in_training_and_evaluation": "same_patient_in_training_and_evaluation",
    "images_without_group": "images_without_patient",
}


def counted_patients(data: JsonObject) -> JsonObject:
    """Upgrade: the counts said group where they say patient now."""
    found = {SUMMARY_NAMES.get(name, name): value for name, value in data.items()}
    described = found.get("reference_set")
    if isinstance(described, dict) and "groups" in described:
        counted = dict(described)
        counted["patients"] = counted.pop("groups")
        found["reference_set"] = counted
    return found
