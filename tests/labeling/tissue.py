"""A project on real tissue, annotated in the way that a method of a round learns from."""

import base64
import uuid

import numpy as np
import pytest

from inference.datasets import Dataset, data_root, open_dataset
from inference.masks import cells_of, pack
from inference.types import BoxMask, Labels
from labeling.accounts.models import User
from labeling.annotations.services import working_layer, write_operations
from labeling.images.models import Image, Split
from labeling.images.services import add_image
from labeling.projects.models import Project
from labeling.projects.services import create_project
from labeling.rounds.reference import lock
from tests.labeling.operations import cell, effect, operation, region
from tests.labeling.rounds import png_of

SIDE = 192


def dataset(name: str = "tnbc") -> Dataset:
    """Skips where this machine has no such data."""
    root = data_root()
    if root is None or not (root / name).is_dir():
        pytest.skip(f"no {name} here: BOXWISE_DATA names the folder")
    return open_dataset(root / name)


def tissue_project(user: User, *, kind: str, teaching: int = 2, side: int = SIDE) -> Project:
    """Corners of images of tnbc: `teaching` that teach, one that nobody annotated, two that judge with locked masks.

    kind  what people have drawn around every cell: "points", "boxes" or "masks"
    """
    data = dataset()
    taught, judging = data.split("train"), data.split("val")
    project = create_project(owner=user, name=f"tissue, {kind}", classes=("nucleus",))
    for number, name in enumerate([*taught[: teaching + 1], *judging[:2]]):
        rgb, labels = data.image(name)[:side, :side], data.labels(name)[:side, :side]
        judges = number > teaching
        image = add_image(
            project=project,
            name=f"{name}.png",
            content=png_of(np.ascontiguousarray(rgb)),
            split=Split.VAL if judges else Split.TRAIN,
            reference=np.ascontiguousarray(labels) if judges else None,
        )
        if number != teaching:
            draw(image, user, labels, kind)
    lock(project=project, by=user, origin="published")
    return project


def draw(image: Image, user: User, labels: Labels, kind: str) -> None:
    """Every cell of a label map, and the whole image as fully annotated, through the log as the browser does."""
    layer = working_layer(image=image, user=user)
    assert layer is not None
    only = user_class(image.project)
    acts = [operation(effect(uuid.uuid4(), drawn(mask, kind, only))) for _, mask in cells_of(labels)]
    acts.append(operation(effect(uuid.uuid4(), region((0, 0, image.width, image.height))), action="region"))
    for start in range(0, len(acts), 200):
        _, verdicts = write_operations(layer=layer, author=user, operations=acts[start : start + 200])
        assert {verdict.verdict for verdict in verdicts} == {"accepted"}


def user_class(project: Project) -> int:
    return project.classes.get().pk


def drawn(mask: BoxMask, kind: str, label_class: int) -> dict[str, object]:
    height, width = mask.bits.shape
    box = [float(mask.x), float(mask.y), float(mask.x + width), float(mask.y + height)]
    if kind == "points":
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return cell([x, y, x, y], label_class=label_class)
    if kind == "boxes":
        return cell(box, label_class=label_class)
    packed = {
        "x": mask.x,
        "y": mask.y,
        "width": width,
        "height": height,
        "bits": base64.b64encode(pack(mask.bits)).decode(),
    }
    return cell(box, label_class=label_class, mask=packed)
