"""What a person still has to do about predicted cells: how many stand, what the others need, how long that takes.

Every reference cell is in exactly one of five states, so their counts per 100 reference cells add up to 100:

- untouched: a predicted cell meets it with an IoU of at least `UNTOUCHED`; its proposal is accepted as it is;
- edge: one meets it (IoU above .5, as in panoptic quality), but its edge has to be repaired;
- merged: none meets it, and more than half of it lies in a predicted cell that holds more than half of others too;
- split: none meets it, and two or more predicted cells lie in it by more than half;
- missed: none meets it, for any other reason.

Predicted cells that meet nothing are rejected; those that are neither pieces of a split nor hold merged cells are
false. numpy only: the website imports this.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from inference.metrics import Contingency

SHOWN = (
    "untouched_cells",
    "edge_cells",
    "missed_cells",
    "merged_cells",
    "split_cells",
    "false_cells",
    "repair_seconds",
)
UNTOUCHED = 0.7  # IoU from which a mask is taken as it is: two people's outlines of one nucleus agree about as well
FOUND = 0.5  # IoU above which a cell is found, as in panoptic quality

# Seconds by the keystroke-level model, as in docs/gestures.md: one act of preparation a cell, then its gestures.
_PREPARE, _KEY, _DRAG = 1.35, 0.28, 2.40
ACCEPT_S = _PREPARE + _KEY  # A
REJECT_S = _PREPARE + _KEY  # X
EDGE_S = _PREPARE + 2 * _KEY + _DRAG  # E; one stroke; Enter
DRAW_S = _PREPARE + _DRAG + _KEY  # one box; A for the mask that it prompts


@dataclass(frozen=True)
class Repair:
    """Counts of cells, which add up over images.

    untouched, edge, merged, split, missed   reference cells
    rejected       predicted cells that meet no reference cell
    false          those of them that are no piece of a split and hold no merged cells
    empty_false    false cells in images whose reference is empty
    empty_pixels   the pixels of those images
    """

    untouched: int = 0
    edge: int = 0
    merged: int = 0
    split: int = 0
    missed: int = 0
    rejected: int = 0
    false: int = 0
    empty_false: int = 0
    empty_pixels: int = 0

    def __add__(self, other: "Repair") -> "Repair":
        return Repair(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def cells(self) -> int:
        """Reference cells."""
        return self.untouched + self.edge + self.merged + self.split + self.missed

    @property
    def seconds(self) -> float:
        """What accepting, mending, drawing and rejecting take, by the keystroke-level model; looking is not in it."""
        drawn = self.merged + self.split + self.missed
        return self.untouched * ACCEPT_S + self.edge * EDGE_S + drawn * DRAW_S + self.rejected * REJECT_S

    def per_100(self) -> dict[str, float]:
        """SHOWN per 100 reference cells; empty where there is none."""
        if not self.cells:
            return {}
        share = 100 / self.cells
        return {
            "untouched_cells": self.untouched * share,
            "edge_cells": self.edge * share,
            "missed_cells": self.missed * share,
            "merged_cells": self.merged * share,
            "split_cells": self.split * share,
            "false_cells": self.false * share,
            "repair_seconds": self.seconds * share,
        }

    def false_per_mm2(self, um_per_pixel: float) -> float | None:
        """False cells per mm² where the reference is empty; None where no image's is.

        Raises ValueError for a pixel that has no positive size.
        """
        if not um_per_pixel > 0:
            raise ValueError(f"a pixel must be larger than 0 µm, not {um_per_pixel}")
        if not self.empty_pixels:
            return None
        return self.empty_false / (self.empty_pixels * (um_per_pixel / 1000) ** 2)


def repair(table: "Contingency", pixels: int, untouched: float = UNTOUCHED) -> Repair:
    """What one image needs.

    table      of metrics.contingency(reference, predicted)
    pixels     of the image, or of its part where annotation is complete
    untouched  IoU from which an accepted mask is left as it is, .5..1
    """
    if not FOUND <= untouched <= 1:
        raise ValueError(f"untouched must lie between {FOUND} and 1, not {untouched}")
    n, m = len(table.reference_ids), len(table.predicted_ids)
    overlap = table.iou
    pairs = overlap > FOUND
    found, met = _marked(table.i[pairs], n), _marked(table.j[pairs], m)
    good = int((overlap[pairs] >= untouched).sum())
    inside_predicted = table.shared > table.reference_area[table.i] / 2  # a reference cell is in one at most
    inside_reference = table.shared > table.predicted_area[table.j] / 2  # a predicted cell likewise
    holds = np.bincount(table.j[inside_predicted], minlength=m) >= 2
    pieces = np.bincount(table.i[inside_reference], minlength=n) >= 2
    merged = _marked(table.i[inside_predicted & holds[table.j]], n) & ~found
    split = pieces & ~found & ~merged
    of_split = _marked(table.j[inside_reference & pieces[table.i]], m)
    false = int((~met & ~holds & ~of_split).sum())
    empty = n == 0
    return Repair(
        untouched=good,
        edge=int(pairs.sum()) - good,
        merged=int(merged.sum()),
        split=int(split.sum()),
        missed=int((~found & ~merged & ~split).sum()),
        rejected=int((~met).sum()),
        false=false,
        empty_false=m if empty else 0,
        empty_pixels=pixels if empty else 0,
    )


def _marked(places: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.bool_]:
    marked = np.zeros(length, bool)
    marked[places] = True
    return marked
