"""A frozen snapshot as the models read it: fields with people's cells and the region in which their annotation counts.

The document is written by the website (labeling/rounds/snapshots.py); here it is only read, and it may as well come
from a file.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image

from inference.documents.snapshot import Snapshot, SnapshotCell, digest
from inference.masks import rasterise_boxes, surroundings, unpack
from inference.types import RGB, Boxes, BoxMask, Labels, Mask, UnreadableImage, is_point


@dataclass(frozen=True)
class Cell:
    """A person's cell: its box as drawn, its class (index, None for unclassified) and the mask they verified, if
    any."""

    uid: str
    box: tuple[float, float, float, float]
    class_index: int | None
    mask: BoxMask | None

    @property
    def is_point(self) -> bool:
        """Whether nobody has said how large it is."""
        return is_point(self.box)

    @property
    def centre(self) -> tuple[float, float]:
        """x, y in image pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Field:
    """One image of a snapshot. Boxes are (n, 4) float64, image pixels, half-open."""

    image: int
    pixels: Path
    width: int
    height: int
    split: str
    patient: str
    cells: tuple[Cell, ...]
    rejected: Boxes
    cannot_tell: Boxes
    exhaustive: Boxes
    ignore: Boxes
    reference: Path | None

    @property
    def annotated(self) -> bool:
        return len(self.exhaustive) > 0

    def rgb(self) -> RGB:
        """(H, W, 3) uint8. Raises UnreadableImage."""
        return read_rgb(self.pixels)

    def unspoken(self) -> "Field":
        """The same field as if nobody had annotated it: for proposals that annotators who must not see each other's
        see."""
        none = np.zeros((0, 4))
        return replace(self, cells=(), rejected=none, cannot_tell=none, exhaustive=none, ignore=none)

    def learning(self) -> tuple[list[Cell], Mask]:
        """The cells with an extent to learn from, and where everything else is background.

        -> cells whose centre lies in a fully annotated region, and (H, W) bool. Ignored regions and cannot-tell cells
        are left out of it, and so is the rest of a cell that reaches in from outside: half a cell is neither cell nor
        background. Where a point says that there is a cell of unknown size, its surroundings are left out.
        """
        placed, valid = self.placed()
        points = [cell for cell in self.cells if cell.is_point]
        valid &= ~rasterise_boxes(surroundings(boxes_of_cells(points)), self.width, self.height)
        return [cell for cell in placed if not cell.is_point], valid

    def placed(self) -> tuple[list[Cell], Mask]:
        """As `learning`, with the cells that are points among the cells: for what learns where cells are."""
        valid = rasterise_boxes(self.exhaustive, self.width, self.height)
        valid &= ~rasterise_boxes(np.concatenate([self.ignore, self.cannot_tell]), self.width, self.height)
        inside: list[Cell] = []
        outside: list[Cell] = []
        for cell in self.cells:
            x, y = cell.centre
            row, column = min(int(y), self.height - 1), min(int(x), self.width - 1)
            (inside if valid[row, column] else outside).append(cell)
        valid &= ~rasterise_boxes(boxes_of_cells(outside), self.width, self.height)
        return inside, valid


def boxes_of_cells(cells: Sequence[Cell]) -> Boxes:
    return np.array([cell.box for cell in cells], np.float64).reshape(-1, 4)


def read_rgb(path: Path) -> RGB:
    """(H, W, 3) uint8 of an image file. Raises UnreadableImage."""
    try:
        with PIL.Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImage(f"{path.name} cannot be read: {error}") from None


def read_labels(path: Path) -> Labels:
    """(H, W) int32 of a label map. Raises UnreadableImage."""
    try:
        with PIL.Image.open(path) as image:
            return np.array(image).astype(np.int32)
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImage(f"{path.name} cannot be read: {error}") from None


def fields_of(content: Snapshot, locate: Callable[[str], Path]) -> list[Field]:
    """The fields of a snapshot document; `locate` turns a stored name into a file on this machine."""
    indices = {entry.id: index for index, entry in enumerate(content.classes)}
    return [
        Field(
            image=entry.image,
            pixels=locate(entry.pixels),
            width=entry.width,
            height=entry.height,
            split=entry.split,
            patient=entry.patient,
            cells=tuple(_cell(cell, indices) for cell in entry.cells),
            rejected=_boxes(entry.rejected),
            cannot_tell=_boxes(entry.cannot_tell),
            exhaustive=_boxes(entry.exhaustive),
            ignore=_boxes(entry.ignore),
            reference=locate(entry.reference) if entry.reference else None,
        )
        for entry in content.images
    ]


def _boxes(boxes: Sequence[Sequence[float]]) -> Boxes:
    return np.array(boxes, np.float64).reshape(-1, 4)


def _cell(cell: SnapshotCell, indices: dict[int, int]) -> Cell:
    mask = None
    if cell.mask:
        m = cell.mask
        mask = BoxMask(m.x, m.y, unpack(base64.b64decode(m.bits), m.width, m.height))
    label_class = None if cell.label_class is None else indices.get(cell.label_class)
    return Cell(cell.uid, cell.box, label_class, mask)


LEARNED_FROM = {"sha256", "split", "cells", "cannot_tell", "exhaustive", "ignore"}


def learning_digest(content: Snapshot) -> str:
    """Hash of what models learn from, and of nothing else: a new image without annotation trains nothing again."""
    learned = [entry for entry in content.images if entry.exhaustive and entry.split in ("train", "val")]
    images = [entry.model_dump(mode="json", include=LEARNED_FROM) for entry in learned]
    return digest([[one.as_json() for one in content.classes], images])
