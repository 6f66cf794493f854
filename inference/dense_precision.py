"""COCO's average precision for dense cells: LIVECell's limits in place of those for people and cars.

COCO counts 100 detections an image and calls an object of less than 32 x 32 pixels small. An image of tissue holds
hundreds of cells, nearly all of them smaller. LIVECell (Edlund et al. 2021, Nature Methods) counts 2,000 detections and
sets the limits of size at 320 and 970.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from inference.metrics import COCO_THRESHOLDS
from inference.types import Scores

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Range = tuple[float, float]  # pixels, both ends belong to it

DENSE_DETECTIONS = 2000
DENSE_AREAS: Mapping[str, Range] = MappingProxyType(
    {"all": (0.0, 1e10), "small": (0.0, 320.0), "medium": (320.0, 970.0), "large": (970.0, 1e10)}
)
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Seen:
    """What was found in one image, and what is there.

    iou              (n, m): of each detection with each reference cell
    scores           (n,)
    found_areas      (n,) px
    reference_areas  (m,) px
    """

    iou: Floats
    scores: Scores
    found_areas: Floats
    reference_areas: Floats


def dense_precision(
    images: Iterable[Seen],
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    areas: Mapping[str, Range] = DENSE_AREAS,
    detections: int = DENSE_DETECTIONS,
) -> dict[str, float]:
    """COCO's summary of one class over any number of images: "ap", "ap50", "ap75" of cells of every size, and
    "ap_small", "ap_medium", "ap_large" (the names of `areas`). NaN where no reference cell has such a size.

    A reference cell outside a range of areas neither counts as missed, nor does what found it count as false; a
    detection outside the range that found nothing does not count either.
    """
    kept = list(images)
    summary: dict[str, float] = {}
    for name, limits in areas.items():
        precisions = _precision_of_range(kept, [float(value) for value in thresholds], limits, detections)
        if name != "all":
            summary[f"ap_{name}"] = float(np.mean(precisions))
            continue
        summary["ap"] = float(np.mean(precisions))
        for percent in (50, 75):
            near = np.isclose(thresholds, percent / 100)
            summary[f"ap{percent}"] = float(precisions[near].mean()) if near.any() else float("nan")
    return summary


def _precision_of_range(images: Sequence[Seen], thresholds: list[float], limits: Range, most: int) -> Floats:
    """AP at each threshold."""
    scores, hits, counted, present = [], [], [], 0
    for seen in images:
        order = np.argsort(-seen.scores, kind="stable")[:most]
        outside = ~_within(seen.reference_areas, limits)
        strange = ~_within(seen.found_areas[order], limits)
        hit, ignored = _matches(seen.iou[order], outside, thresholds)
        missed_strange = strange[:, None] & ~hit & ~ignored
        scores.append(seen.scores[order])
        hits.append(hit)
        counted.append(~ignored & ~missed_strange)
        present += int((~outside).sum())
    if present == 0:
        return np.full(len(thresholds), np.nan)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hit, counts = np.concatenate(hits)[order], np.concatenate(counted)[order]
    return np.array([_area_under(hit[counts[:, k], k], present) for k in range(len(thresholds))])


def _within(values: Floats, limits: Range) -> Flags:
    inside: Flags = (values >= limits[0]) & (values <= limits[1])
    return inside


def _matches(iou: Floats, outside: Flags, thresholds: list[float]) -> tuple[Flags, Flags]:
    """Greedy matching, best score first: (n, thresholds), whether a detection found a reference cell that counts, and
    whether it found one that does not. One that counts is preferred; of equals the last, as in COCO."""
    hit = np.zeros((len(iou), len(thresholds)), bool)
    ignored = np.zeros_like(hit)
    near = [np.flatnonzero(row >= min(thresholds)) for row in iou]
    for k, threshold in enumerate(thresholds):
        free = np.ones(iou.shape[1], bool)
        for row, candidates in enumerate(near):
            able = candidates[free[candidates] & (iou[row, candidates] >= min(threshold, 1 - 1e-10))]
            if not len(able):
                continue
            counting = able[~outside[able]]
            pool = counting if len(counting) else able
            values = iou[row, pool]
            partner = pool[len(pool) - 1 - int(np.argmax(values[::-1]))]
            free[partner] = False
            (hit if len(counting) else ignored)[row, k] = True
    return hit, ignored


def _area_under(hits: Flags, present: int) -> float:
    """Mean of the best precision at or beyond each of 101 recalls. hits: best score first."""
    true = np.cumsum(hits)
    precision = true / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    point = np.searchsorted(true / present, RECALLS, side="left")
    reached = np.append(precision, 0.0)[point]
    return float(reached.mean())
