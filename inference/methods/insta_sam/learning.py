"""What InstaSAM learns: masks of points, and from these foreground and distances (paper, eq. 2 to 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inference.methods.backbones import normalised
from inference.methods.insta_sam.net import InstaNet
from inference.methods.insta_sam.pseudo import IGNORED, distance_maps, pseudo_labels, with_negatives
from inference.methods.insta_sam.settings import InstaSettings
from inference.methods.losses import binary_cross_entropy, iou_loss, l1_loss
from inference.nets import to_batch
from inference.training.augment import crop, jitter_colour, turn, turn_boxes
from inference.types import Sample


@dataclass(frozen=True)
class Batch:
    """images (B, 3, field, field) in 0..1; points (K, 2), orders (K, K) and valid (field, field) of each."""

    images: Tensor
    points: list[Tensor]
    orders: list[Tensor]
    valid: list[Tensor]


def draw(
    samples: Sequence[Sample],
    settings: InstaSettings,
    rng: np.random.Generator,
) -> Batch:
    """Random crops, turned and mirrored, with the points that lie in them."""
    side = settings.field
    images, points, orders, valids = [], [], [], []
    for index in rng.integers(len(samples), size=settings.batch):
        sample = samples[index]
        image, (valid,), (x, y, scale) = crop(
            sample.rgb, [sample.valid.astype(np.uint8)], side, rng, zoom=settings.zoom
        )
        quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
        placed = turn_boxes(
            (sample.boxes - [x, y, x, y]) * scale,
            side,
            quarter,
            mirror,
        )
        inside = (placed[:, :2] >= 0).all(1) & (placed[:, :2] < side).all(1)
        images.append(turn(image, quarter, mirror))
        points.append(torch.from_numpy(placed[inside, :2]).float())
        orders.append(torch.from_numpy(rng.random((inside.sum(), inside.sum()))))
        valids.append(torch.from_numpy(turn(valid, quarter, mirror)))
    return Batch(
        jitter_colour(to_batch(images), rng, strength=settings.colour),
        points,
        orders,
        valids,
    )


def loss_of(settings: InstaSettings, where: torch.device) -> Any:
    """The objective as the training loop takes it."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, InstaNet)
        x = normalised(batch.images.to(where), model.composed.side)
        with torch.no_grad():
            plain = model.composed.embed(x)
        adapted = model.embed(x)
        found = model.maps(adapted)
        total = found.new_zeros((), dtype=torch.float32)
        for i, points in enumerate(batch.points):
            scale = model.composed.side / settings.field
            places, signs = with_negatives(
                points.to(where) * scale,
                batch.orders[i].to(where),
            )
            valid = resized(batch.valid[i].to(where), found.shape[-1])
            one = [level[i : i + 1] for level in adapted]
            total = total + image_loss(
                teacher=_masks(
                    model,
                    [level[i : i + 1] for level in plain],
                    places,
                    signs,
                    teacher=True,
                ),
                student=_masks(model, one, places, signs),
                maps=found[i].float(),
                valid=valid,
                settings=settings,
            )
        return total / len(batch.points)

    return loss


def _masks(
    model: InstaNet,
    seen: Sequence[Tensor],
    places: Tensor,
    signs: Tensor,
    *,
    teacher: bool = False,
) -> Tensor:
    """(K, h, w) float32, without gradients for the teacher."""
    if not len(places):
        side = 4 * model.composed.side // model.composed.patch
        return places.new_zeros(0, side, side)
    with torch.set_grad_enabled(not teacher and torch.is_grad_enabled()):
        return model.masks(tuple(seen), places, signs).float()


def image_loss(
    *,
    teacher: Tensor,
    student: Tensor,
    maps: Tensor,
    valid: Tensor,
    settings: InstaSettings,
) -> Tensor:
    """L = w_S L_S' + w_B L_B + w_D L_D (paper, eq. 5 and 6) of one image.

    teacher, student  (K, h, w) logits of the frozen and of the adapted net, at the same points
    maps              (3, h, w) foreground logit and distances; valid (h, w) bool
    """
    first = pseudo_labels(teacher, delta=settings.delta, epsilon=settings.epsilon)
    second = pseudo_labels(
        student.detach(),
        delta=settings.delta,
        epsilon=settings.epsilon,
    )
    of_masks, of_foreground, of_distance = settings.weights
    total = maps.new_zeros(())
    if len(student):
        numbers = torch.arange(1, len(student) + 1, device=student.device)
        wanted = (first[None] == numbers[:, None, None]).float()
        sure = ((first != IGNORED) & valid).float().expand_as(wanted)
        total = total + of_masks * (
            binary_cross_entropy(student, wanted, sure)
            + iou_loss(
                student,
                wanted,
                sure,
            )
        )
    band = round(settings.border * maps.shape[-1] / settings.field)
    inner = torch.zeros_like(valid)
    inner[band : len(inner) - band, band : len(inner) - band] = True
    sure = ((second != IGNORED) & valid & inner).float()
    foreground = (second > 0).float()
    cross = binary_cross_entropy(maps[:1], foreground[None], sure[None])
    overlap = iou_loss(maps[:1], foreground[None], sure[None])
    away = distance_loss(maps[1:], second, sure)
    return total + of_foreground * (cross + overlap) + of_distance * away


def distance_loss(found: Tensor, labels: Tensor, sure: Tensor) -> Tensor:
    """L_D: the mean L1 over the pixels of cells and the mean over the others, each for itself. In one mean over all
    pixels the few of cells would be next to nothing, and what is learned first, 0 everywhere, would stay.

    found (2, h, w); labels (h, w) of pseudo_labels; sure (h, w) of 0 and 1
    """
    wanted = distance_maps(labels)
    cells = (labels > 0).float()
    inside = l1_loss(found, wanted, (sure * cells)[None])
    outside = l1_loss(found, wanted, (sure * (1 - cells))[None])
    return inside + outside


def resized(mask: Tensor, side: int) -> Tensor:
    """(n, n) of 0 and 1 -> (side, side) bool, True where all pixels below are."""
    if len(mask) == side:
        return mask > 0
    shrunk = nn.functional.interpolate(
        mask[None, None].float(),
        (side, side),
        mode="area",
    )
    return shrunk[0, 0] > 0.99
