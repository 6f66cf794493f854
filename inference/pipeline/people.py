"""What people have said of an image, as stages need it: what it teaches, and where nothing is to be proposed."""

import numpy as np

from inference.documents.snapshot import Snapshot
from inference.masks import rasterise_boxes
from inference.metrics import box_iou
from inference.pipeline.snapshots import Cell, Field, boxes_of_cells
from inference.pipeline.units import Setting
from inference.types import Boxes, Mask

REJECTED = 0.5  # IoU with a rejected proposal above which a detection is the same; it is not proposed again


def taught_by(setting: Setting, field: Field) -> tuple[list[Cell], Mask]:
    """The cells that teach, and where everything else is background: of a method that learns extents those that have
    one."""
    return field.placed() if setting.configuration.learns_from_points else field.learning()


def proposed_on(content: Snapshot, field: Field) -> Field:
    """What proposals may know of the people's annotations: everything, or nothing where annotators work blinded."""
    return field.unspoken() if content.blinded else field


def is_new(boxes: Boxes, field: Field, overlap: float) -> Mask:
    """(n,) bool: detections where a person has not spoken yet."""
    if not len(boxes):
        return np.ones(0, bool)
    people = np.concatenate([boxes_of_cells(field.cells), field.cannot_tell])
    spoken = _middles_in(boxes, _whole_region(field))
    spoken |= _overlapping(boxes, people, overlap)
    spoken |= _overlapping(boxes, field.rejected, REJECTED)
    for cell in field.cells:
        if cell.is_point:
            spoken |= _around(boxes, cell.centre)
    return ~spoken


def _middles_in(boxes: Boxes, region: Mask) -> Mask:
    """(n,) bool: boxes whose middle lies in a region (H, W)."""
    height, width = region.shape
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    columns = np.clip(middles[:, 0].astype(int), 0, width - 1)
    rows = np.clip(middles[:, 1].astype(int), 0, height - 1)
    inside: Mask = region[rows, columns]
    return inside


def _overlapping(boxes: Boxes, others: Boxes, overlap: float) -> Mask:
    """(n,) bool: boxes with an IoU above `overlap` with any of the others."""
    if not len(others):
        return np.zeros(len(boxes), bool)
    best = box_iou(boxes, others).max(axis=1)
    found: Mask = best > overlap
    return found


def _around(boxes: Boxes, point: tuple[float, float]) -> Mask:
    """(n,) bool: boxes in which a point lies."""
    x, y = point
    across = (boxes[:, 0] <= x) & (x < boxes[:, 2])
    down = (boxes[:, 1] <= y) & (y < boxes[:, 3])
    inside: Mask = across & down
    return inside


def _whole_region(field: Field) -> Mask:
    """Where people said that every cell is annotated, or that nothing is to be annotated."""
    regions = np.concatenate([field.exhaustive, field.ignore])
    return rasterise_boxes(regions, field.width, field.height)
