"""A project that a round can learn from, and a worker that runs in this process."""

import io
import uuid
from collections.abc import Callable
from typing import Any

import PIL.Image

from inference.synthetic import tissue
from inference.types import RGB
from labeling.accounts.models import User
from labeling.annotations.services import working_layer, write_operations
from labeling.images.models import Image, Split
from labeling.images.services import add_image
from labeling.projects.models import Project
from labeling.projects.services import create_project
from labeling.rounds.reference import lock
from tests.labeling.operations import cell, effect, operation, region


def png_of(rgb: RGB) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()


def annotate(image: Image, user: User, boxes: Any, *, exhaustive: bool = True) -> None:
    """Boxes drawn through the log, as the browser does."""
    layer = working_layer(image=image, user=user)
    assert layer is not None
    acts = [operation(effect(uuid.uuid4(), cell([float(v) for v in box]))) for box in boxes]
    if exhaustive:
        whole = region((0, 0, image.width, image.height))
        acts.append(operation(effect(uuid.uuid4(), whole), action="region"))
    for start in range(0, len(acts), 200):
        _, verdicts = write_operations(layer=layer, author=user, operations=acts[start : start + 200])
        assert {v.verdict for v in verdicts} == {"accepted"}


def small_project(user: User, *, fields: int = 3, side: int = 128, cells: int = 14) -> Project:
    """`fields` synthetic images: the last is not annotated, the one before it is for validation."""
    project = create_project(owner=user, name="synthetic", classes=("nucleus",))
    for number in range(fields):
        made = tissue(side, side, cells, seed=number)
        image = add_image(
            project=project,
            name=f"synthetic {number}.png",
            content=png_of(made.rgb),
            synthetic=True,
            split=Split.VAL if number == fields - 2 else Split.TRAIN,
            reference=made.labels if number == fields - 2 else None,
        )
        if number < fields - 1:
            annotate(image, user, made.boxes)
    lock(project=project, by=user, origin="exact")
    return project


def run_all(run: Callable[[int], None], sent: list[dict[str, Any]]) -> None:
    """Do what was sent to the workers, and what that sends, until nothing is left."""
    while sent:
        run(**sent.pop(0))
