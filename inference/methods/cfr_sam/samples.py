"""What CFR-SAM learns from: nuclei with a mask and a class, and views cut out of training images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inference.masks import boxes_of, cells_of, rasterise_boxes
from inference.methods.cfr_sam.net import MaskBatch, MaskSettings
from inference.methods.cfr_sam.points import PointBatch, PointSettings
from inference.nets import to_batch
from inference.training.augment import crop, jitter_colour, turn
from inference.types import RGB, BoxMask, Labels, Mask, Sample

LEAST_PIXELS = 12  # of a nucleus in a view; a sliver at the border has no centre to learn


@dataclass(frozen=True)
class Nuclei:
    """An image with its masks.

    labels   (H, W) int32: 0, or the number of a nucleus with a mask
    classes  (n + 1,): of nucleus i; that of 0 is not used
    valid    (H, W): where the masks say everything there is
    """

    rgb: RGB
    labels: Labels
    classes: npt.NDArray[np.int64]
    valid: Mask


def nuclei_of(sample: Sample) -> Nuclei:
    """The masks of a sample with the classes of their boxes. Boxes without a mask, and masks that `sample.boxes` does
    not know, are neither nuclei nor background. Raises ValueError for a sample without masks."""
    if sample.labels is None:
        raise ValueError(f"{sample.name} has no masks")
    cells = cells_of(sample.labels)
    boxes = boxes_of([mask for _, mask in cells])
    kinds = sample.classes.tolist()
    class_of = {tuple(box): int(kind) for box, kind in zip(sample.boxes.tolist(), kinds)}
    labels = np.zeros_like(sample.labels)
    valid = sample.valid.copy()
    classes = [0]
    for (_, mask), box in zip(cells, boxes.tolist()):
        place = place_of(mask)
        kind = class_of.pop(tuple(box), None)
        if kind is None:
            valid[place] &= ~mask.bits
            continue
        labels[place][mask.bits] = len(classes)
        classes.append(kind)
    if class_of:
        height, width = labels.shape
        alone = np.array(list(class_of))
        unknown = rasterise_boxes(alone, width, height)
        unknown &= labels == 0
        valid &= ~unknown
    return Nuclei(sample.rgb, labels, np.array(classes, np.int64), valid)


def place_of(mask: BoxMask) -> tuple[slice, slice]:
    """Rows and columns of the image."""
    height, width = mask.bits.shape
    rows = slice(mask.y, mask.y + height)
    columns = slice(mask.x, mask.x + width)
    return rows, columns


@dataclass(frozen=True)
class View:
    """A square of an image; ids (n,) of the nuclei in it, their classes (n,) and centres (n, 2) px of the view."""

    rgb: RGB
    labels: Labels
    valid: Mask
    ids: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    centres: npt.NDArray[np.float64]


def view_of(nuclei: Nuclei, rng: np.random.Generator, side: int, zoom: tuple[float, float]) -> View:
    """A random view, magnified, turned and mirrored."""
    planes: list[npt.NDArray[Any]] = [
        nuclei.labels.astype(np.float32),  # no int32 in cv2; floats hold the ids
        nuclei.valid.astype(np.uint8),
    ]
    rgb, (labels, valid), _ = crop(nuclei.rgb, planes, side, rng, zoom=zoom)
    quarter = int(rng.integers(4))
    mirror = bool(rng.integers(2))
    turned = turn(labels, quarter, mirror).astype(np.int32)
    ids, centres = centres_of(turned)
    return View(
        rgb=turn(rgb, quarter, mirror),
        labels=turned,
        valid=turn(valid, quarter, mirror) > 0,
        ids=ids,
        classes=nuclei.classes[ids],
        centres=centres,
    )


def centres_of(labels: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Numbers of the nuclei of LEAST_PIXELS and more, and the means of their pixels' centres, x, y: (n,), (n, 2) px."""
    ids = []
    centres = []
    for number, mask in cells_of(labels):
        rows, columns = np.nonzero(mask.bits)
        if len(rows) < LEAST_PIXELS:
            continue
        ids.append(number)
        x = mask.x + columns.mean() + 0.5
        y = mask.y + rows.mean() + 0.5
        centres.append((x, y))
    places = np.array(centres, np.float64).reshape(-1, 2)
    return np.array(ids, np.int64), places


def drawn(
    nuclei: Sequence[Nuclei],
    count: int,
    rng: np.random.Generator,
    *,
    side: int,
    zoom: tuple[float, float],
) -> list[View]:
    """Views of images that are drawn by chance."""
    chosen = rng.integers(len(nuclei), size=count)
    return [view_of(nuclei[index], rng, side, zoom) for index in chosen]


def planes_of(planes: Sequence[npt.NDArray[np.bool_]]) -> Tensor:
    """(H, W) bool each -> (B, 1, H, W) of 0 and 1."""
    return torch.from_numpy(np.stack(planes)[:, None]).float()


def point_batch(nuclei: Sequence[Nuclei], settings: PointSettings, rng: np.random.Generator) -> PointBatch:
    views = drawn(nuclei, settings.batch, rng, side=settings.side, zoom=settings.zoom)
    return PointBatch(
        images=jitter_colour(to_batch([view.rgb for view in views]), rng, strength=settings.colour),
        centres=[torch.from_numpy(view.centres).float() for view in views],
        classes=[torch.from_numpy(view.classes) for view in views],
        masks=planes_of([view.labels > 0 for view in views]),
        valid=planes_of([view.valid for view in views]),
    )


def mask_batch(nuclei: Sequence[Nuclei], settings: MaskSettings, rng: np.random.Generator) -> MaskBatch:
    views = drawn(nuclei, settings.batch, rng, side=settings.view, zoom=settings.zoom)
    images = jitter_colour(to_batch([view.rgb for view in views]), rng, strength=settings.colour)
    batch = MaskBatch(images, [], [], [])
    for view in views:
        chosen = rng.permutation(len(view.ids))[: settings.nuclei]
        centres = view.centres[chosen]
        shift = rng.uniform(-settings.jitter, settings.jitter, centres.shape)
        moved = np.clip(centres + shift, 0, settings.view - 1)
        masks, known = windows_of(view, view.ids[chosen], moved, settings.window)
        batch.points.append(torch.from_numpy(moved).float())
        batch.masks.append(torch.from_numpy(masks).float())
        batch.valid.append(torch.from_numpy(known).float())
    return batch


def windows_of(
    view: View,
    ids: npt.NDArray[np.int64],
    points: npt.NDArray[np.float64],
    window: int,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Masks of the nuclei and what is valid, in the windows that CfrNet.windows cuts around the points: (n, w, w) each;
    beyond the view nothing is valid."""
    half = window // 2
    labels = np.pad(view.labels, half)
    valid = np.pad(view.valid, half)
    masks = np.zeros((len(ids), window, window), bool)
    known = np.zeros_like(masks)
    corners = np.round(points).astype(int)  # the padding moves every corner by half a window
    for row, (number, (x, y)) in enumerate(zip(ids, corners.tolist())):
        place = (slice(y, y + window), slice(x, x + window))
        masks[row] = labels[place] == number
        known[row] = valid[place]
    return masks, known
