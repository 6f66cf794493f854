"""Which labels of a data set a training is given: masks, boxes, or points that are derived from the boxes.

A cell that is a point stands in `Sample.boxes` as x, y, x, y (inference.types.is_point).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inference.documents.methods import Kind
from inference.masks import rasterise_boxes, surroundings
from inference.types import InferenceError, Sample, which_are_points


class NoSuchLabels(InferenceError):
    """The data set does not hold the labels that were asked for."""

    code = "no_such_labels"


def only_points(sample: Sample, *, jitter: float = 0.0, seed: int = 0) -> Sample:
    """The sample with a point for each cell: the centre of its box, moved by chance; no masks.

    jitter  px: each point moves so far at most, in a direction and by a distance drawn evenly from the disc, and stays
            in the image
    seed    of the draw; the same seed and sample give the same points

    Raises ValueError for a jitter below 0.
    """
    if jitter < 0:
        raise ValueError(f"points are moved by 0 px or more, not by {jitter}")
    height, width = sample.rgb.shape[:2]
    count = len(sample.boxes)
    chance = np.random.default_rng([seed, count])
    angle = chance.uniform(0, 2 * np.pi, count)
    share = np.sqrt(chance.uniform(0, 1, count))
    distance = jitter * share
    x0, y0, x1, y1 = sample.boxes.T
    x = (x0 + x1) / 2 + distance * np.cos(angle)
    y = (y0 + y1) / 2 + distance * np.sin(angle)
    x = np.clip(x, 0, np.nextafter(width, 0))
    y = np.clip(y, 0, np.nextafter(height, 0))
    points = np.stack([x, y, x, y], axis=1)
    return replace(sample, boxes=points, labels=None)


def without_points(sample: Sample) -> Sample:
    """The sample for what learns extents: cells that are points are left out, and so is where they lie, because
    unknown is not background."""
    points = which_are_points(sample.boxes)
    if not points.any():
        return sample
    height, width = sample.rgb.shape[:2]
    around = rasterise_boxes(surroundings(sample.boxes[points]), width, height)
    return replace(
        sample,
        boxes=sample.boxes[~points],
        classes=sample.classes[~points],
        valid=sample.valid & ~around,
    )


def labelled(samples: Sequence[Sample], kind: Kind, *, jitter: float = 0.0, seed: int = 0) -> list[Sample]:
    """The samples with labels of one kind. Raises NoSuchLabels where the set has none of that kind."""
    found: list[Sample] = []
    if kind == "points":
        for number, sample in enumerate(samples):
            found.append(only_points(sample, jitter=jitter, seed=seed + number))
    elif kind == "boxes":
        found = [without_points(replace(sample, labels=None)) for sample in samples]
    else:
        found = [without_points(sample) for sample in samples]
        if any(sample.labels is None for sample in found):
            raise NoSuchLabels("the data set holds no masks; train on its boxes or points instead")
    if samples and not _cells(found):
        remedy = "add some"
        if _cells(samples):
            remedy = "train on its points instead (--labels points)"
        raise NoSuchLabels(f"the data set holds no {kind}; {remedy}")
    return found


def _cells(samples: Sequence[Sample]) -> int:
    return sum(len(sample.boxes) for sample in samples)
