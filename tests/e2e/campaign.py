"""A project on real tissue with a locked reference that two former readers made, and one field that nobody has read.

Run inside the instance (Running.manage). The tissue is cut from images of patients with triple-negative breast cancer;
each field holds whole nuclei only.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from skimage.measure import approximate_polygon, find_contours

from inference.agreement.consensus import Method
from inference.agreement.readings import Matching
from inference.masks import cells_of
from inference.types import BoxMask
from labeling.accounts.models import User
from labeling.assignments import services
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.reviewing import accept_item
from labeling.exchange.seeding import SeedCell, draw, png
from labeling.images.models import Image, Split
from labeling.images.services import add_image
from labeling.projects.models import LabelClass, Project
from labeling.projects.services import create_project
from labeling.reviews.consensus.deciding import lock_as_reference
from labeling.reviews.consensus.making import Parameters, make_consensus
from tests.factories import MembershipFactory, UserFactory

DATA = Path(os.environ.get("BOXWISE_DATA", "../shared/data")).resolve() / "tnbc"
NAME = "Nuclei of the breast"
SIDE = 112  # of a field, px
LARGE = 285  # px from which a nucleus has the class "large nucleus"


@dataclass(frozen=True)
class Field:
    """A part of an image of the data set: x, y are its upper left corner."""

    source: str
    patient: str
    x: int
    y: int


LEARNED = Field("01_1", "patient 1", 80, 72)
TESTED = Field("02_1", "patient 2", 368, 232)
READ = Field("06_1", "patient 6", 232, 240)


def make(lead: User) -> dict[str, Any]:
    """-> project, image (the field that nobody has read), and of each field the polygons of its nuclei."""
    project = create_project(owner=lead, name=NAME, classes=("large nucleus", "small nucleus"))
    classes = list(project.classes.order_by("position"))
    learned, tested = add_field(project, LEARNED), add_field(project, TESTED)
    declare_workflow(project=project, by=lead, readings=2, is_blind=True)
    former = [UserFactory(username=f"former-reader-{project.pk}-{number}") for number in (1, 2)]
    for user in former:
        membership = MembershipFactory(project=project, user=user)
        read_as_it_is(learned, LEARNED, user, classes)
        read_as_it_is(tested, TESTED, user, classes)
        membership.delete()
    for image in (learned, tested):
        accept_item(item_id=image.work_item.pk, by=lead)
        make_consensus(image=image, by=lead, parameters=Parameters(Matching(), Method()))
    lock_as_reference(project=project, by=lead)
    unread = add_field(project, READ)
    return {
        "project": project.pk,
        "image": unread.pk,
        "tested_image": tested.pk,
        "learned": drawings(LEARNED),
        "tested": drawings(TESTED),
        "read": drawings(READ),
    }


def add_field(project: Project, field: Field) -> Image:
    return add_image(
        project=project,
        name=f"{field.patient}.png",
        content=png(part_of("images", field)),
        patient=field.patient,
        um_per_px=0.25,
        split=Split.VAL,
        is_original=False,
    )


def part_of(folder: str, field: Field) -> "np.ndarray[Any, Any]":
    with PIL.Image.open(DATA / folder / f"{field.source}.png") as file:
        pixels = np.asarray(file.convert("RGB") if folder == "images" else file)
    return pixels[field.y : field.y + SIDE, field.x : field.x + SIDE]


def nuclei(field: Field) -> list[BoxMask]:
    return [mask for _number, mask in cells_of(part_of("labels", field).astype(np.int32))]


def class_of(mask: BoxMask) -> int:
    """0: large, 1: small."""
    return 0 if mask.bits.sum() >= LARGE else 1


def read_as_it_is(image: Image, field: Field, user: User, classes: list[LabelClass]) -> None:
    """A reading that draws every nucleus as the data set has it."""
    item = image.work_item
    services.begin_item(item_id=item.pk, user=user)
    cells = []
    for mask in nuclei(field):
        height, width = mask.bits.shape
        box = (mask.x, mask.y, mask.x + width, mask.y + height)
        cells.append(SeedCell(box, classes[class_of(mask)].pk, mask))
    draw(image=image, owner=user, cells=cells)
    services.finish_item(item_id=item.pk, user=user)


def drawings(field: Field) -> list[dict[str, Any]]:
    """Of each nucleus the corners that a hand clicks at, px, and the key of its class."""
    found = []
    for mask in nuclei(field):
        (outline, *_holes) = find_contours(np.pad(mask.bits, 1).astype(float), 0.5)
        corners = approximate_polygon(outline, 0.8)[:-1]
        padded = corners[:, ::-1] - 0.5 + np.array([mask.x, mask.y])
        points = padded.clip(1, SIDE - 1).tolist()  # a hand stays inside the picture
        found.append({"points": points, "key": str(class_of(mask) + 1)})
    return found
