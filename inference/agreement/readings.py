"""What several readers have drawn on the same images: what agreement is computed from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, floor

import numpy as np

from inference.types import BoxMask

LEAST_IOU = 0.5  # two cells are one where they share more than this part of their union
MOST_UM = 3.0  # or where their centres are at most so far apart


@dataclass(frozen=True)
class Cell:
    """One cell of one reading.

    box    x0, y0, x1, y1: image pixels, half-open
    label  name of its class; None where the reader gave none
    mask   tight, inside the image; None for a cell that is a box, which then stands for its pixels
    """

    uid: str
    box: tuple[float, float, float, float]
    label: str | None = None
    mask: BoxMask | None = None

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box, image pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    def pixels(self) -> BoxMask:
        """The mask, or all pixels that the box touches."""
        if self.mask is not None:
            return self.mask
        x0, y0 = floor(self.box[0]), floor(self.box[1])
        width, height = max(1, ceil(self.box[2]) - x0), max(1, ceil(self.box[3]) - y0)
        return BoxMask(x0, y0, np.ones((height, width), bool))


@dataclass(frozen=True)
class Reading:
    """All cells that one reader has drawn on one image."""

    reader: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class ReadImage:
    """One image with the readings of it, of which each reader has one at most.

    patient    what is resampled as one: images of one patient are alike
    um_per_px  µm per pixel; None where nobody has stated it, and then centres are not compared
    """

    image: str
    patient: str
    readings: Sequence[Reading]
    um_per_px: float | None = None

    def __post_init__(self) -> None:
        readers = [reading.reader for reading in self.readings]
        if len(set(readers)) != len(readers):
            raise ValueError(f"image {self.image} has two readings of one reader: {', '.join(sorted(readers))}")


def all_readings(images: Iterable[ReadImage]) -> list[Reading]:
    """The readings of all these images, one after the other."""
    return list(chain.from_iterable(image.readings for image in images))


def all_cells(readings: Iterable[Reading]) -> list[Cell]:
    """The cells of all these readings, one after the other."""
    return list(chain.from_iterable(reading.cells for reading in readings))


@dataclass(frozen=True)
class Matching:
    """When two cells of different readers are one: by the pixels that they share, or by the distance of their centres.

    by     "iou" or "distance"
    iou    strictly more than this part of the union is shared, 0..1
    um     centres are at most so far apart, µm
    """

    by: str = "iou"
    iou: float = LEAST_IOU
    um: float = MOST_UM

    def __post_init__(self) -> None:
        if self.by not in ("iou", "distance"):
            raise ValueError(f"cells are matched by iou or by distance, not by {self.by!r}")
        if not 0 < self.iou < 1:
            raise ValueError(f"iou must be above 0 and below 1, not {self.iou}")
        if not self.um > 0:
            raise ValueError(f"um must be above 0, not {self.um}")
