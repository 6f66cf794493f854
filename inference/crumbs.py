"""Crumbs are pieces too small to be cells of this project. They are not proposed.

The rule: a piece of foreground outside every box is a crumb when its area is below a threshold. The threshold is a
share (0.25 by default) of the first percentile of the annotated cells' areas. A piece in a box of the detector is a
crumb when its area is below BOXED of the threshold, because the box speaks for a cell. A cell's area is that of the
ellipse in its box. Areas are in square micrometres where every image of the round states its scale, else in pixels.

On the image itself, a piece outside every box is a crumb as well when it is smaller than LONE of the median cell that
stands in a box there: the segmenter alone saw it, and most of what it sees alone and small is no cell. This was
measured by cross-validation on four data sets (docs/models.md, "What helps without training").

A cell that a person boxed is never a crumb, nor is a piece at the image's rim, because only a part of it is in the
image. With fewer than FEWEST annotated cells there is no such threshold, because so few cells do not show how small
cells can be; then only the least area of the instances holds ("smallest", in pixels). How many true cells the rule
would lose was measured on real data (docs/rounds.md, "Crumbs").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.documents.snapshot import Snapshot, SnapshotImage
from inference.types import Labels, is_point

FEWEST = 15  # annotated cells away from the rim
PERCENTILE = 1.0
LONE = 0.5  # of the median cell in a box on the same image, for pieces outside every box
FEWEST_BOXED = 5  # cells in boxes on an image, from which their median says how large cells are there
BOXED = 0.4  # of the threshold, for pieces in a box of the detector


@dataclass(frozen=True)
class Smallest:
    """The area below which a piece is a crumb: 0 for no rule. In µm² where `physical`, else in pixels."""

    area: float
    physical: bool
    cells: int

    def pixels(self, um_per_px: float | None) -> float:
        """The same area in pixels of an image; 0 where its scale is needed and not known."""
        if not self.physical:
            return self.area
        if not um_per_px:
            return 0.0
        pixel = um_per_px**2
        return self.area / pixel


def smallest_cell(images: Sequence[SnapshotImage], share: float) -> Smallest:
    """The rule's threshold from the images of a snapshot.

    share  of the first percentile; 0 switches the rule off
    """
    physical = bool(images) and all(image.um_per_px for image in images)
    areas: list[float] = []
    for image in images:
        unit = image.um_per_px**2 if physical and image.um_per_px else 1.0
        areas += _areas_of_whole_cells(image, unit)
    cells = len(areas)
    if share <= 0 or cells < FEWEST:
        return Smallest(0.0, physical, cells)
    percentile = float(np.percentile(areas, PERCENTILE))
    return Smallest(share * percentile, physical, cells)


def _areas_of_whole_cells(image: SnapshotImage, unit: float) -> list[float]:
    """The areas of the image's cells away from its rim. `unit` is the area of a pixel."""
    boxes = [cell.box for cell in image.cells if not is_point(cell.box)]
    whole = [box for box in boxes if not _at_rim(box, image.width, image.height)]
    return [area_of(box) * unit for box in whole]


def crumb_areas(content: Snapshot, share: float) -> dict[int, float]:
    """Image -> pixels below which a piece on it is a crumb, for every image of a snapshot.

    share  the setting "crumbs" of a round's instances; 0 for rounds from before the rule: no rule
    """
    smallest = smallest_cell(content.images, share)
    return {image.image: smallest.pixels(image.um_per_px) for image in content.images}


def lone_share(share: float) -> float:
    """What a piece outside every box is asked for: LONE, or nothing where the rule for crumbs is off (share 0)."""
    return LONE if share > 0 else 0.0


def area_of(box: Sequence[float]) -> float:
    """The area of the ellipse in a box, in the box's own units."""
    x0, y0, x1, y1 = box
    width = x1 - x0
    height = y1 - y0
    return math.pi / 4 * width * height


def _at_rim(box: Sequence[float], width: int, height: int) -> bool:
    x0, y0, x1, y1 = box
    at_left_or_top = x0 < 1 or y0 < 1
    at_right_or_bottom = x1 > width - 1 or y1 > height - 1
    return at_left_or_top or at_right_or_bottom


def without_crumbs(
    labels: Labels, area: float, *, boxes: int = 0, keep: Sequence[int] = (), lone: float = 0.0
) -> tuple[Labels, int]:
    """The label map without pieces of fewer than `area` pixels.

    labels  (H, W) int32, 0 is background
    boxes   the ids 1..boxes stand in a box each: for them the threshold is BOXED of `area`
    lone    pieces outside every box must be this share of the median of those in boxes; 0 asks for nothing
    keep    ids that are never crumbs: cells that a person boxed
    ->      a new map with the same ids, and how many were left out
    """
    count = int(labels.max(initial=0)) + 1
    sizes = np.bincount(labels.ravel(), minlength=count)
    least = np.full(count, float(area))
    least[1 : boxes + 1] *= BOXED
    there = sizes > 0
    boxed = sizes[1 : boxes + 1][there[1 : boxes + 1]]
    if len(boxed) >= FEWEST_BOXED:
        least[boxes + 1 :] = np.maximum(least[boxes + 1 :], lone * float(np.median(boxed)))
    small = there & (sizes < least)
    small[0] = False
    small[_ids_at_rim(labels)] = False
    never = [one for one in keep if one < count]
    small[never] = False
    left_out = small[labels]
    kept: Labels = np.where(left_out, 0, labels).astype(labels.dtype)
    return kept, int(small.sum())


def _ids_at_rim(labels: Labels) -> npt.NDArray[np.int64]:
    top = labels[:1].ravel()
    bottom = labels[-1:].ravel()
    left = labels[:, :1].ravel()
    right = labels[:, -1:].ravel()
    rim = np.concatenate([top, bottom, left, right])
    return np.unique(rim).astype(np.int64)
