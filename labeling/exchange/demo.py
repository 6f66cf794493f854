"""The demo project: real tissue that comes with scikit-image, with boxes made by eye; and synthetic tissue beside it.

demo_boxes.json says where the boxes come from and what their frame is.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from django.db import transaction

from inference.synthetic import tissue
from inference.types import RGB
from labeling.accounts.models import User
from labeling.exchange.seeding import CannotLoad, draw, owned_project, png
from labeling.images.models import Split
from labeling.images.services import add_image
from labeling.projects.models import Project
from labeling.projects.services import create_project
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import ReferenceSet
from labeling.rounds.reference import candidates, lock
from labeling.rounds.snapshots import Leaks

NAME = "Demo: colon, immunohistochemistry"
SLIDE = "skimage immunohistochemistry"
BOXES = Path(__file__).with_name("demo_boxes.json")
SIDE, CELLS = 256, 40  # of a synthetic field: pixels, nuclei at most
Say = Callable[[str], Any]


class DemoField(TypedDict):
    """A field of the whole image: origin x, y and size in its pixels, and the boxes that were drawn on it."""

    name: str
    split: str
    origin: list[int]
    size: list[int]
    cells: list[list[float]]
    cannot_tell: list[list[float]]
    exhaustive: list[list[float]]
    ignore: list[list[float]]


class Demo(TypedDict):
    pixels_sha256: str
    fields: list[DemoField]


@cache
def seed() -> Demo:
    """The content of demo_boxes.json."""
    content: Demo = json.loads(BOXES.read_text())
    return content


def whole_image() -> RGB:
    """The (512, 512, 3) image that the boxes were drawn on. Raises CannotLoad when scikit-image ships another one."""
    from skimage.data import immunohistochemistry  # slow to import, and wanted once in the life of a project

    rgb = np.ascontiguousarray(immunohistochemistry())
    if hashlib.sha256(rgb.tobytes()).hexdigest() != seed()["pixels_sha256"]:
        raise CannotLoad(
            "this scikit-image ships another immunohistochemistry image than the one that the demo's boxes "
            "were drawn on; install the version named in requirements.lock"
        )
    return rgb


def crop(rgb: RGB, field: DemoField) -> RGB:
    """One field of the whole image."""
    (x, y), (width, height) = field["origin"], field["size"]
    return rgb[y : y + height, x : x + width]


@transaction.atomic
def load_demo(*, owner: User, say: Say) -> Project:
    """The demo project of `owner`, made at the first call; later ones find it and change nothing. Raises CannotLoad."""
    project = owned_project(owner=owner, name=NAME)
    if project is not None:
        say(f'The project "{NAME}" is there already; nothing was changed.')
        return project
    content, rgb = seed(), whole_image()
    fields = content["fields"]
    project = create_project(
        owner=owner,
        name=NAME,
        description=(
            "Colonic glands, FHL2 revealed with DAB, hematoxylin counterstaining: the immunohistochemistry image of "
            f"scikit-image (CMMI; no known copyright restrictions), cut into {len(fields)} fields. All are one slide, "
            "so the evaluation is optimistic. The boxes were made by eye by a language model, for the makers of "
            "Boxwise (docs/demo.md). No pathologist has reviewed them."
        ),
        records_activity=True,
    )
    cells = 0
    for field in fields:
        image = add_image(
            project=project,
            name=f"colon {field['name']}.png",
            content=png(crop(rgb, field)),
            is_original=False,
            slide=SLIDE,
            split=field["split"],
            may_divide=True,
        )
        if not any((field["cells"], field["cannot_tell"], field["exhaustive"], field["ignore"])):
            continue
        cells += draw(
            image=image,
            owner=owner,
            cells=field["cells"],
            cannot_tell=field["cannot_tell"],
            exhaustive=field["exhaustive"],
            ignore=field["ignore"],
        )
    unmarked = sum(not field["exhaustive"] for field in fields)
    say(
        f'Loaded "{NAME}": {len(fields)} fields of 256 x 256 px, {cells} nuclei boxed by eye; '
        f"{unmarked} field is without boxes, for the models to propose on."
    )
    return project


@transaction.atomic
def load_synthetic(*, owner: User, count: int, say: Say) -> Project:
    """A project of `count` synthetic fields with their exact boxes, made once. Raises CannotLoad for none.

    The last one is left without boxes, and about every fifth is for validation and keeps its exact masks as reference.
    """
    if count < 1:
        raise CannotLoad(f"--synthetic takes a number of images from 1 on, not {count}")
    name = f"Synthetic tissue, {count} images"
    project = owned_project(owner=owner, name=name)
    if project is not None:
        say(f'The project "{name}" is there already; nothing was changed.')
        return project
    project = create_project(
        owner=owner,
        name=name,
        description="Synthetic: drawn by a program, for tests and load. Results on it say nothing about tissue.",
        records_activity=True,
    )
    cells = 0
    for number in range(1, count + 1):
        field = tissue(SIDE, SIDE, CELLS, seed=number)
        judged = number % 5 == 2
        image = add_image(
            project=project,
            name=f"synthetic {number:04d}.png",
            content=png(field.rgb),
            is_original=False,
            patient=f"synthetic {number:04d}",
            split=Split.VAL if judged else Split.TRAIN,
            synthetic=True,
            reference=field.labels if judged else None,
        )
        if number < count or count == 1:
            cells += draw(image=image, owner=owner, cells=field.boxes.tolist(), exhaustive=[(0, 0, SIDE, SIDE)])
        if number % 50 == 0:
            say(f"{number} of {count} synthetic fields are made ...")
    if candidates(project).exists():
        lock(project=project, by=owner, origin=ReferenceSet.Origin.EXACT)
    say(f'Loaded "{name}": {cells} nuclei on {count} synthetic fields of {SIDE} x {SIDE} px.')
    return project


def first_round(*, project: Project, owner: User, say: Say) -> None:
    """Start the project's first round, so that a newcomer who only looks finds proposals; never a second one."""
    if project.rounds.exists():
        return
    try:
        start_round(project=project, by=owner, preset="quick")
    except Leaks as leak:  # the splits are the data set's own: show what it gives, marked optimistic
        say(f"{leak} It is started so.")
        start_round(project=project, by=owner, preset="quick", same_patient=True)
    say("The first round has started: proposals appear on the images within minutes; its page shows how far it is.")
