"""Open proposals by the thousand on synthetic tissue, for the gallery and for certificates in a browser."""

import io
import uuid
from typing import Any

import numpy as np
import PIL.Image

from inference.masks import pack
from inference.synthetic import tissue
from labeling.accounts.models import User
from labeling.annotations.services import Loaded
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.images.services import add_image
from labeling.projects.models import Role
from tests.factories import LabelClassFactory, MembershipFactory, ProjectFactory
from tests.labeling.lots import publish_cells

SIDE = 500  # px of a field


def make(lead: User, cells: int) -> dict[str, Any]:
    """A project of `lead` with this many open proposals of two classes; every tenth is wrong by its class."""
    project = ProjectFactory(name="Many cells")
    MembershipFactory(project=project, user=lead, role=Role.OWNER)
    classes = [LabelClassFactory(project=project, name=name, position=n) for n, name in ((1, "tumour"), (2, "stroma"))]
    made = 0
    seed = 0
    images = []
    field = tissue(SIDE, SIDE, 520, seed=7)
    while made < cells:
        seed += 1
        rgb = np.roll(field.rgb, seed, axis=2) if seed % 3 == 0 else field.rgb
        rgb = np.clip(rgb.astype(int) + seed % 7, 0, 255).astype(np.uint8)
        rgb[0, 0] = seed % 256, seed // 256, 0
        file = io.BytesIO()
        PIL.Image.fromarray(rgb).save(file, "PNG", compress_level=1)
        image = add_image(project=project, name=f"field {seed}.png", content=file.getvalue())
        loaded = _proposals(field.labels, [one.pk for one in classes])[: cells - made]
        publish_cells(image, lead, loaded)
        images.append(image.pk)
        made += len(loaded)
    return {"project": project.pk, "images": images, "classes": [one.pk for one in classes], "cells": made}


def _proposals(labels: np.ndarray, classes: list[int]) -> list[Loaded]:
    found = []
    for number in range(1, int(labels.max()) + 1):
        rows, columns = np.nonzero(labels == number)
        if len(rows) < 20:
            continue
        top, left = int(rows.min()), int(columns.min())
        bits = labels[top : rows.max() + 1, left : columns.max() + 1] == number
        height, width = bits.shape
        mask = PackedMask(left, top, width, height, pack(bits))
        box = (float(left), float(top), float(left + width), float(top + height))
        state = AnnotationState("cell", "confirmed", box, classes[number % 10 == 0], mask)
        found.append(Loaded(uuid.uuid4(), state, (number * 37 % 1000) / 1000))
    return found
