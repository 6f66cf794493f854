"""Masks of cells on a field: asked for, painted into one map, held within their boxes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from inference.crumbs import lone_share, without_crumbs
from inference.documents.configuration import Instances
from inference.instances import instances
from inference.masks import boxes_of, labels_of, surroundings
from inference.pipeline.snapshots import Cell, Field, boxes_of_cells
from inference.types import Boxes, BoxMask, Labels, Mask, Prompter, Prompts


def masks_of_cells(
    prompter: Prompter, field: Field, cells: Sequence[Cell]
) -> tuple[list[BoxMask | None], np.ndarray[Any, Any]]:
    """One mask a cell, in their order (None where the prompter finds nothing), and their scores; verified ones
    score 1. A cell that is a box prompts by its box, one that is a point by a click."""
    masks: list[BoxMask | None] = [cell.mask for cell in cells]
    scores = np.ones(len(cells), np.float32)
    open_cells = [i for i, mask in enumerate(masks) if mask is None]
    clicked = [i for i in open_cells if cells[i].is_point]
    boxed = [i for i in open_cells if not cells[i].is_point]
    if not open_cells:
        return masks, scores
    encoded = prompter.encode(field.rgb())
    for asked, prompts_of in ((boxed, box_prompts), (clicked, click_prompts)):
        if not asked:
            continue
        answer = prompter.decode(encoded, prompts_of([cells[i] for i in asked]))
        for i, mask, score in zip(asked, answer.masks, answer.scores, strict=True):
            masks[i], scores[i] = (mask if mask.bits.any() else None), score
    return masks, scores


def box_prompts(cells: Sequence[Cell]) -> Prompts:
    return Prompts(boxes_of_cells(cells))


def click_prompts(cells: Sequence[Cell]) -> Prompts:
    """One click inside each cell."""
    points = np.array([[cell.centre] for cell in cells], np.float64)
    return Prompts(points=points, signs=np.ones((len(cells), 1), np.int8))


def extents_of(cells: Sequence[Cell], masks: Sequence[BoxMask | None]) -> Boxes:
    """(n, 4) the box of each cell; of a point that of its mask, or its surroundings where there is none."""
    boxes = boxes_of_cells(cells)
    for i, (cell, mask) in enumerate(zip(cells, masks, strict=True)):
        if not cell.is_point:
            continue
        boxes[i] = surroundings(boxes[i : i + 1])[0] if mask is None else boxes_of([mask])[0]
    return boxes


def paint(masks: Sequence[BoxMask | None], field: Field, order: Sequence[int] | None = None) -> Labels:
    """Label map with id i + 1 for mask i; where masks overlap, the one earlier in `order` keeps the pixel."""
    order = range(len(masks)) if order is None else order
    cells = ((i + 1, mask) for i in order if (mask := masks[i]) is not None)
    return labels_of(cells, field.width, field.height)


def bits_of(packed: np.ndarray[Any, Any], field: Field) -> np.ndarray[Any, Any]:
    size = field.width * field.height
    return np.unpackbits(packed)[:size].reshape(field.height, field.width).astype(bool)


def bounded_instances(mask: Mask, detected: Labels, boxes: Boxes, chosen: Instances) -> Labels:
    """instances(), with every cell held within its box and a margin.

    Growth gives foreground that no box claims to the nearest cell, far outside its box when its neighbour was not
    detected. A box says how far its cell reaches, so what lies beyond is cut off.

    mask        (H, W) bool
    detected    (H, W) ids; id i belongs to boxes[i - 1]
    chosen  its box_margin: how far a cell may leave its box, as a share of the box's longer side (2 px at least)
    """
    labels = instances(mask, detected, chosen.method)
    for index, place in enumerate(find_objects(labels)[: len(boxes)], start=1):
        if place is None:
            continue
        x0, y0, x1, y1 = boxes[index - 1]
        margin = max(2.0, chosen.box_margin * max(x1 - x0, y1 - y0))
        rows, columns = place
        y = np.arange(rows.start, rows.stop)[:, None] + 0.5
        x = np.arange(columns.start, columns.stop)[None] + 0.5
        inside = (x > x0 - margin) & (x < x1 + margin) & (y > y0 - margin) & (y < y1 + margin)
        window = labels[place]
        window[(window == index) & ~inside] = 0
    return instances(
        labels > 0,
        labels,
        chosen.method,
        fragments=chosen.fragments,
        smallest=chosen.smallest,
        largest_hole=chosen.largest_hole,
    )


def tidied(
    labels: Labels,
    chosen: Instances,
    crumb: float,
    *,
    keep: Sequence[int] = (),
) -> tuple[Labels, int]:
    """The cells without those below the least area and without crumbs, and how many were left out.

    crumb  px below which a cell is a crumb
    keep   ids that stay
    """
    areas = np.bincount(labels.ravel())
    small = (areas > 0) & (areas < chosen.smallest)
    small[[0, *keep]] = False
    large = labels.copy()
    large[small[labels]] = 0
    found, crumbs = without_crumbs(
        large,
        crumb,
        boxes=len(areas) - 1,
        keep=list(keep),
        lone=lone_share(chosen.crumbs),
    )
    dropped = int(small.sum())
    return found, crumbs + dropped
