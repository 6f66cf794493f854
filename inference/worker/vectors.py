"""Jobs that compute what cells look like: an item an image, a file of vectors a layer.

A file is stored before its row says so. An image whose vectors are there already is passed over, so a worker's
successor goes on with the next one.
"""

import uuid
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from django.core.files import File
from django.db import transaction

from inference import registry
from inference.encoders import ARCHITECTURES
from inference.likeness.vectors import CellVectors, uids_of, write_vectors
from inference.masks import unpack
from inference.tiles import tiles
from inference.types import BoxMask, Encoder, UnreadableImage, Vectors
from inference.worker import needs
from inference.worker.proposing import Picture
from labeling.annotations.models import Annotation, Layer
from labeling.gallery.listing import proposal_layers, written_layers
from labeling.gallery.models import CellVectorFile
from labeling.gallery.vectors import drawn_cells, state_of_cells
from labeling.images.models import Image
from labeling.images.planes import MissingChannel
from labeling.images.slides import SlideProblem
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.items import End, each_item
from labeling.jobs.models import Job, JobItem
from labeling.leases import patiently
from labeling.projects.models import Project
from labeling.rounds.proposing.choices import SHIPPED_SCALE, target_scale

MEMORY = 600 << 20  # bytes above an idle worker's: two nets and a tile
SIDE, HALO = 1024, 64  # px of the encoder's frame
NAMES = {architecture.name: architecture.weights for architecture in ARCHITECTURES}


@handles(Job.Kind.VECTORS)
def compute_vectors(job: Job, folder: Path, tell: Tell) -> Result:
    """The vectors of all proposals, and of the cells that people drew, on the images of the job."""
    with needs.missing_resources():
        needs.afford(MEMORY)
        encoder = _loaded(str(job.request["encoder"]))
        each_item(job, tell, partial(_on_item, job, encoder, folder))
    return Result()


@lru_cache(maxsize=1)
def _loaded(name: str) -> Encoder:
    """Kept until another one is asked for, since loading it costs seconds."""
    return registry.encoder(name, device="cpu")


def _on_item(job: Job, encoder: Encoder, folder: Path, item: JobItem, end: End) -> None:
    image = Image.objects.filter(pk=item.choice["image"], project=job.project_id).first()
    if image is None:
        end(JobItem.State.DECLINED, facts={"code": "gone"})
        return
    job.project.refresh_from_db()
    job.project.decline_if_archived()
    try:
        cells = embed_image(image, job, encoder, folder)
    except (SlideProblem, MissingChannel, UnreadableImage) as error:
        end(JobItem.State.DECLINED, facts={"code": "unreadable"}, error=str(error))
        return
    end(JobItem.State.DONE, facts={"cells": cells})


def embed_image(image: Image, job: Job, encoder: Encoder, folder: Path) -> int:
    """Compute what is missing on an image, as the owner of the job sees it. -> cells.

    Raises SlideProblem, MissingChannel, UnreadableImage.
    """
    picture = None
    count = 0
    for layer, rows, state in _layers(image, job):
        there = CellVectorFile.objects.filter(layer=layer, encoder=encoder.name).first()
        if there is not None and there.state == state:
            continue
        picture = picture or Picture(image, job.project.model_channels)
        vectors = vectors_of(picture, rows, encoder)
        _keep(layer, encoder.name, state, CellVectors(uids_of([row.uid for row in rows]), vectors), folder)
        count += len(rows)
    return count


def _layers(image: Image, job: Job) -> list[tuple[Layer, list[Annotation], str]]:
    """The layers of an image that have cells to look at, with these cells and their state."""
    found = []
    for layer in proposal_layers(job.project, job.owner).filter(image=image):
        rows = Annotation.objects.filter(layer=layer, kind=Annotation.Kind.CELL, deleted=False).order_by("pk")
        found.append((layer, list(rows), ""))
    for layer in written_layers(job.project, job.owner).filter(image=image):
        drawn = list(drawn_cells(Layer.objects.filter(pk=layer.pk)).order_by("pk"))
        if drawn:
            found.append((layer, drawn, state_of_cells(drawn)))
    return found


def vectors_of(picture: Picture, rows: Sequence[Annotation], encoder: Encoder) -> Vectors:
    """(n, d), one row a cell. The image is looked at in the scale that the shipped nets know, tile by tile; a cell is
    seen in the tile of its middle."""
    image = picture.image
    target = target_scale(image.um_per_px, SHIPPED_SCALE)
    factor = 1.0 if target is None or image.um_per_px is None else image.um_per_px / target
    found = np.zeros((len(rows), encoder.dimensions), np.float16)
    middles = np.array([_middle(row) for row in rows]).reshape(-1, 2) * factor
    width = max(1, round(image.width * factor))
    height = max(1, round(image.height * factor))
    for tile in tiles(width, height, side=SIDE, halo=HALO):
        x0, y0, x1, y1 = tile.core
        is_in = (middles >= (x0, y0)) & (middles < (x1, y1))
        here = np.flatnonzero(is_in.all(axis=1))
        if not len(here):
            continue
        left, top, right, bottom = tile.outer
        across, down = right - left, bottom - top
        place = (left / factor, top / factor)
        rgb = picture.scaled(*place, across / factor, down / factor, (across, down))
        cells = [scaled_mask(rows[int(index)], factor, left, top) for index in here]
        found[here] = encoder.encode(rgb, cells)
    return found


def _middle(row: Annotation) -> tuple[float, float]:
    return (row.x0 + row.x1) / 2, (row.y0 + row.y1) / 2


def scaled_mask(row: Annotation, factor: float, left: int, top: int) -> BoxMask:
    """The mask of a cell, or its box where it has none, magnified by `factor`; its place counts from (left, top)."""
    mask = _mask_of(row)
    height, width = mask.bits.shape
    rows = _sampled(height, factor)
    columns = _sampled(width, factor)
    x = round(mask.x * factor) - left
    y = round(mask.y * factor) - top
    return BoxMask(x, y, mask.bits[np.ix_(rows, columns)])


def _mask_of(row: Annotation) -> BoxMask:
    """The mask of a cell, or its box where it has none."""
    if row.mask_bits is None:
        across = max(1, round(row.x1 - row.x0))
        down = max(1, round(row.y1 - row.y0))
        return BoxMask(round(row.x0), round(row.y0), np.ones((down, across), bool))
    width, height = row.mask_width or 0, row.mask_height or 0  # none is None: the database keeps the rule
    bits = unpack(bytes(row.mask_bits), width, height)
    return BoxMask(row.mask_x or 0, row.mask_y or 0, bits)


def _sampled(length: int, factor: float) -> npt.NDArray[np.int64]:
    """Which of `length` rows are shown by each of those that are magnified by `factor`."""
    count = max(1, round(length * factor))
    middles = (np.arange(count) + 0.5) / factor
    return np.minimum(middles, length - 1).astype(np.int64)


def _keep(layer: Layer, encoder: str, state: str, found: CellVectors, folder: Path) -> None:
    path = folder / f"{uuid.uuid4().hex}.npy"
    write_vectors(path, found)
    storage = CellVectorFile._meta.get_field("file").storage
    with path.open("rb") as stream:
        name = storage.save(f"vectors/{path.name}", File(stream))
    size = path.stat().st_size
    path.unlink()
    values = {"file": name, "cells": len(found.cells), "size": size, "state": state}
    try:
        patiently(partial(_write, layer, encoder, values))
    except BaseException:
        storage.delete(name)
        raise


@transaction.atomic
def _write(layer: Layer, encoder: str, values: dict[str, object]) -> None:
    """The row says which file counts; the file before it goes once that is committed. Raises Archived."""
    Project.objects.for_change(layer.image.project_id)
    before = CellVectorFile.objects.select_for_update().filter(layer=layer, encoder=encoder).first()
    CellVectorFile.objects.update_or_create(layer=layer, encoder=encoder, defaults=values)
    if before is not None:
        transaction.on_commit(partial(before.file.storage.delete, str(before.file.name)))
