"""Crumbs: pieces too small to be cells of this project, which are no proposals.

The rule: a piece of foreground that no box stands behind is a crumb when its area is below a share (0.25 by default)
of the first percentile of the annotated cells' areas. A piece in a box of the detector has a second opinion: it is a
crumb below BOXED of that. A cell's area is that of the ellipse in its box. Areas are in square micrometres
where every image of the round states its scale, else in pixels.

What is never a crumb: a cell that a person boxed, and a piece at the image's rim, of which only a part is in the
image. Below FEWEST annotated cells only the floor of the instances holds ("smallest", in pixels): the smallest of a
handful says little about the smallest that there are. How many true cells the rule would lose was measured on real
data (docs/rounds.md, "Crumbs").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.types import Labels

FEWEST = 15  # annotated cells away from the rim
PERCENTILE = 1.0
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
        return self.area / um_per_px**2 if um_per_px else 0.0


def smallest_cell(images: Sequence[dict[str, Any]], share: float) -> Smallest:
    """The rule's threshold from the images of a snapshot document (labeling/rounds/snapshots.py).

    share  of the first percentile; 0 switches the rule off
    """
    physical = bool(images) and all(image.get("um_per_px") for image in images)
    areas: list[float] = []
    for image in images:
        unit = image["um_per_px"] ** 2 if physical else 1.0
        inside = [cell for cell in image["cells"] if not _at_rim(cell["box"], image["width"], image["height"])]
        areas += [area_of(cell["box"]) * unit for cell in inside]
    if share <= 0 or len(areas) < FEWEST:
        return Smallest(0.0, physical, len(areas))
    return Smallest(share * float(np.percentile(areas, PERCENTILE)), physical, len(areas))


def crumb_areas(content: dict[str, Any], options: dict[str, Any]) -> dict[int, float]:
    """Image -> pixels below which a piece on it is a crumb, for every image of a snapshot document.

    options  the instances' part of a round's configuration; rounds from before the rule have no "crumbs": no rule
    """
    smallest = smallest_cell(content["images"], options.get("crumbs", 0.0))
    return {entry["image"]: smallest.pixels(entry.get("um_per_px")) for entry in content["images"]}


def area_of(box: Sequence[float]) -> float:
    """The area of the ellipse in a box, in the box's own units."""
    x0, y0, x1, y1 = box
    return math.pi / 4 * (x1 - x0) * (y1 - y0)


def _at_rim(box: Sequence[float], width: int, height: int) -> bool:
    x0, y0, x1, y1 = box
    return x0 < 1 or y0 < 1 or x1 > width - 1 or y1 > height - 1


def without_crumbs(labels: Labels, area: float, *, boxes: int = 0, keep: Sequence[int] = ()) -> tuple[Labels, int]:
    """The label map without pieces of fewer than `area` pixels.

    labels  (H, W) int32, 0 is background
    boxes   the ids 1..boxes stand in a box each: for them the threshold is BOXED of `area`
    keep    ids that are never crumbs: cells that a person boxed
    ->      a new map with the same ids, and how many were left out
    """
    count = int(labels.max(initial=0)) + 1
    sizes = np.bincount(labels.ravel(), minlength=count)
    least = np.full(count, float(area))
    least[1 : boxes + 1] *= BOXED
    small = (sizes > 0) & (sizes < least)
    small[0] = False
    small[_ids_at_rim(labels)] = False
    small[[one for one in keep if one < count]] = False
    kept: Labels = np.where(small[labels], 0, labels).astype(labels.dtype)
    return kept, int(small.sum())


def _ids_at_rim(labels: Labels) -> npt.NDArray[np.int64]:
    sides = [labels[:1].ravel(), labels[-1:].ravel(), labels[:, :1].ravel(), labels[:, -1:].ravel()]
    return np.unique(np.concatenate(sides)).astype(np.int64)
