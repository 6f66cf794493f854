"""What people have said of an image, as stages need it: what it teaches, and where nothing is to be proposed."""

from typing import Any

import numpy as np

from inference.documents.snapshot import Snapshot
from inference.masks import rasterise_boxes
from inference.metrics import box_iou
from inference.pipeline.snapshots import Cell, Field, boxes_of_cells
from inference.pipeline.units import Setting
from inference.types import Boxes, Mask


def taught_by(setting: Setting, field: Field) -> tuple[list[Cell], Mask]:
    """The cells that teach, and where everything else is background: of a method that learns extents those that have
    one."""
    return field.placed() if setting.configuration.learns_from_points else field.learning()


def proposed_on(content: Snapshot, field: Field) -> Field:
    """What proposals may know of the people's annotations: everything, or nothing where annotators work blinded."""
    return field.unspoken() if content.blinded else field


def is_new(boxes: Boxes, field: Field, overlap: float) -> np.ndarray[Any, Any]:
    """(n,) bool: detections where a person has not spoken yet."""
    fresh = np.ones(len(boxes), bool)
    if not len(boxes):
        return fresh
    x = np.clip(((boxes[:, 0] + boxes[:, 2]) / 2).astype(int), 0, field.width - 1)
    y = np.clip(((boxes[:, 1] + boxes[:, 3]) / 2).astype(int), 0, field.height - 1)
    fresh &= ~_whole_region(field)[y, x]
    people = np.concatenate([boxes_of_cells(field.cells), field.cannot_tell])
    if len(people):
        fresh &= box_iou(boxes, people).max(axis=1) <= overlap
    for cell in field.cells:
        if cell.is_point:
            fresh &= ~_around(boxes, cell.centre)
    if len(field.rejected):
        fresh &= box_iou(boxes, field.rejected).max(axis=1) <= 0.5  # a person said no: do not propose it again
    return fresh


def _around(boxes: Boxes, point: tuple[float, float]) -> np.ndarray[Any, Any]:
    """(n,) bool: boxes in which a point lies."""
    x, y = point
    inside: np.ndarray[Any, Any] = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
    return inside


def _whole_region(field: Field) -> np.ndarray[Any, Any]:
    """Where people said that every cell is annotated, or that nothing is to be annotated."""
    return rasterise_boxes(np.concatenate([field.exhaustive, field.ignore]), field.width, field.height)
