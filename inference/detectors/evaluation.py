"""How good boxes are, and which score and overlap to cut them off at: chosen on validation images, never on others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torchvision.ops import nms as suppress

from inference.metrics import average_precision, box_iou
from inference.types import Boxes, Detections, Detector, Sample

FAINTEST = 0.05  # no detector of ours has its best F1 below
OVERLAPS = (0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Tuned:
    """Best F1 over thresholds and overlaps, where it is reached, and AP50 at that overlap."""

    threshold: float
    nms: float
    ap50: float
    f1: float


def tune(faint: Detector, samples: Sequence[Sample], overlaps: Sequence[float] = OVERLAPS) -> Tuned | None:
    """The threshold and the overlap for suppression with the best F1; the overlap 0.5 where others are not better.

    faint  the detector at the threshold FAINTEST, suppressing nothing that overlaps by less than the largest overlap;
           it looks at each image once
    ->     None when there is no box to be found, or none was found
    """
    seen = [faint.detect(sample.rgb) for sample in samples]
    best: Tuned | None = None
    for overlap in sorted(overlaps, key=lambda v: abs(v - 0.5)):
        ap50, f1, threshold = judged([suppressed(found, overlap) for found in seen], samples)
        if f1 > (best.f1 if best else 0):
            best = Tuned(threshold, overlap, ap50, f1)
    return best


def suppressed(found: Detections, overlap: float) -> Detections:
    """One cell has one class: boxes of all classes suppress each other."""
    keep = suppress(torch.from_numpy(found.boxes), torch.from_numpy(found.scores).double(), overlap).numpy()
    return Detections(found.boxes[keep], found.scores[keep], found.classes[keep])


def judge(detector: Any, samples: Sequence[Sample]) -> tuple[float, float, float]:
    """AP50 regardless of class over all samples together, best F1, and the score threshold that reaches it (that of
    the detector's settings when nothing is found)."""
    found = [detector.detect(sample.rgb) for sample in samples]
    return judged(found, samples, nothing=detector.settings.threshold)


def judged(
    detections: Sequence[Detections], samples: Sequence[Sample], nothing: float = 0.3
) -> tuple[float, float, float]:
    """As `judge`, of boxes that were found before. Boxes whose centre lies outside `valid` count neither as found nor
    as missed."""
    images, scores, hits, total = [], [], [], 0
    for found, sample in zip(detections, samples, strict=True):
        truth = sample.boxes[inside(sample.boxes, sample.valid)]
        keep = inside(found.boxes, sample.valid)
        total += len(truth)
        overlap = box_iou(found.boxes[keep], truth)
        images.append((overlap, found.scores[keep]))
        free = np.ones(len(truth), bool)
        for score, row in zip(found.scores[keep], overlap):  # best first
            row = np.where(free, row, 0)
            hit = len(row) > 0 and row.max() >= 0.5
            if hit:
                free[row.argmax()] = False
            scores.append(float(score))
            hits.append(hit)
    if not total or not scores:
        return 0.0, 0.0, nothing
    order = np.argsort(scores, kind="stable")[::-1]
    true = np.cumsum(np.array(hits)[order])
    recall, precision = true / total, true / np.arange(1, len(order) + 1)
    f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-9)
    ap = average_precision(images, [0.5]).at[0.5]
    return ap, float(f1.max()), float(np.array(scores)[order][f1.argmax()])


def inside(boxes: Boxes, valid: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the centre of each box lies where annotation is exhaustive."""
    h, w = valid.shape
    x = np.clip(((boxes[:, 0] + boxes[:, 2]) / 2).astype(int), 0, w - 1)
    y = np.clip(((boxes[:, 1] + boxes[:, 3]) / 2).astype(int), 0, h - 1)
    return np.asarray(valid[y, x], bool)
