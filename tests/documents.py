"""Documents for tests: complete ones, in which a test names only what it is about."""

from typing import Any

from inference.documents.publication import Certificate, PublicationFacts
from inference.documents.snapshot import Snapshot, SnapshotImage
from inference.documents.stage_reports import ModelNames

CERTIFICATE = Certificate(
    objective=512.5, flow=4321, cut=4321, closed=True, milliseconds={"cut": 3.0, "total": 7.5},
    ambiguous_share=0.0312, components=2, free_pixels=90,
)  # fmt: skip
NO_NAMES = ModelNames()
NO_FACTS = PublicationFacts()
STATEMENTS: dict[str, Any] = {"certificate": CERTIFICATE, "model_names": NO_NAMES, "facts": NO_FACTS}  # of publish()


def image_json(image: int = 1, **given: Any) -> dict[str, Any]:
    """An image of a snapshot as JSON: of the training split, and nobody has annotated anything."""
    usual: dict[str, Any] = {
        "image": image, "sha256": f"{image:064}", "pixels": f"images/{image}.png", "reference": None,
        "width": 64, "height": 48, "um_per_px": None, "patient": "", "split": "train", "layer": None, "seq": 0,
        "cells": [], "rejected": [], "cannot_tell": [], "exhaustive": [], "ignore": [],
    }  # fmt: skip
    return usual | given


def of_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """The snapshot as version 1 wrote it, where the patient was called group."""
    images = []
    for image in content["images"]:
        rest = {name: value for name, value in image.items() if name != "patient"}
        images.append(rest | {"group": image["patient"]})
    return content | {"version": 1, "images": images}


def snapshot_image(image: int = 1, **given: Any) -> SnapshotImage:
    return SnapshotImage.model_validate(image_json(image, **given))


def cell_json(box: list[float], **given: Any) -> dict[str, Any]:
    return {"uid": "a", "box": box, "label_class": None, "mask": None} | given


def snapshot_of(*images: SnapshotImage | dict[str, Any], **given: Any) -> Snapshot:
    return Snapshot.model_validate({"version": 2, "classes": [], "images": list(images)} | given)
