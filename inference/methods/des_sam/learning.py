"""What DES-SAM learns: boxes, the teacher's masks, and edges (paper, eq. 1 to 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.detectors.crops import draw
from inference.methods.backbones import normalised
from inference.methods.cellboxify.losses import affinity, global_pairwise, local_pairwise
from inference.methods.des_sam.net import Chosen, DesNet
from inference.methods.des_sam.settings import DesSettings
from inference.methods.losses import binary_cross_entropy, dice_loss
from inference.methods.sampling import roi_align
from inference.nets import to_batch
from inference.training.augment import jitter_colour
from inference.types import Sample

CUT = 32  # places of a cell's surroundings in which edges are sought
AROUND = 1.4  # of the box's sides


@dataclass(frozen=True)
class Batch:
    """images (B, 3, view, view) in 0..1; boxes (n, 4) of each in pixels of it; valid (B, view, view)."""

    images: Tensor
    boxes: list[Tensor]
    valid: Tensor


def drawn(
    samples: Sequence[Sample],
    settings: DesSettings,
    rng: np.random.Generator,
) -> Batch:
    images, boxes, valids = [], [], []
    for index in rng.integers(len(samples), size=settings.batch):
        sample = samples[index]
        image, seen, _, valid = draw(
            sample,
            rng,
            side=settings.view,
            zoom=settings.zoom,
            visible=0.4,
        )
        images.append(image)
        boxes.append(torch.from_numpy(seen).float())
        valids.append(torch.from_numpy(valid))
    colour = jitter_colour(to_batch(images), rng, strength=settings.colour)
    return Batch(colour, boxes, torch.stack(valids))


def distillation(teacher: Tensor, student: Tensor) -> Tensor:
    """BCE + Dice of the student's masks against the teacher's (paper, eq. 2); logits (n, h, w)."""
    wanted = (teacher > 0).to(student.dtype)
    cross = binary_cross_entropy(student, wanted, torch.ones_like(student))
    return cross + dice_loss(student, wanted)


def edge_loss(
    masks: Tensor,
    image: Tensor,
    boxes: Tensor,
    settings: DesSettings,
) -> Tensor:
    """alpha L_lp + beta L_gp (paper, eq. 4), in the surroundings of each box.

    masks (n, h, w) logits; image (3, h, w) in 0..1; boxes (n, 4) in places of them
    """
    if not len(masks):
        return masks.sum()
    middles, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * AROUND / 2
    around = torch.cat([middles - sizes, middles + sizes], dim=1)
    rows = torch.arange(len(masks), device=masks.device, dtype=around.dtype)[:, None]
    inside = cut(torch.sigmoid(masks)[:, None], torch.cat([rows, around], dim=1))[:, 0]
    colours = cut(image[None], torch.cat([torch.zeros_like(rows), around], dim=1))
    weights = affinity(colours, settings.window, settings.sigma)
    local = local_pairwise(inside, weights, settings.window).mean()
    whole = global_pairwise(inside, colours).mean()
    return settings.alpha * local + settings.beta * whole


def cut(maps: Tensor, places: Tensor) -> Tensor:
    """(n, c, CUT, CUT) of rows (image, x0, y0, x1, y1)."""
    return roi_align(maps, places.to(maps.dtype), CUT)


def loss_of(settings: DesSettings, where: torch.device) -> Any:
    """The whole objective (paper, eq. 5, all weights 1) as the training loop takes it."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, DesNet)
        side = model.composed.side
        scale = side / settings.view
        images = batch.images.to(where)
        seen = model.embed(normalised(images, side))
        boxes = [one.to(where) * scale for one in batch.boxes]
        valid = F.interpolate(
            batch.valid[:, None].to(where),
            (side, side),
            mode="nearest",
        )[:, 0]
        with torch.autocast(where.type, enabled=False):  # RoI align has no bfloat16 on a CPU
            losses, chosen = model.detection_losses(seen, boxes, valid)
        total = torch.stack([value.float() for value in losses.values()]).sum()
        for i, one in enumerate(chosen):
            level = tuple(part[i : i + 1] for part in seen)
            of_masks = mask_losses(model, level, images[i], one, settings)
            total = total + of_masks / len(chosen)
        return total

    return loss


def mask_losses(
    model: DesNet, seen: tuple[Tensor, ...], image: Tensor, chosen: Chosen, settings: DesSettings
) -> Tensor:
    """Distillation and edges of one image, of the first cells that were chosen (they come in no order)."""
    found, boxes = chosen.found[: settings.masks], chosen.drawn[: settings.masks]
    proper = ((found[:, 2:] - found[:, :2]) >= 1).all(1)
    found, boxes = found[proper], boxes[proper]
    if not len(found):
        return model.prompts.sum() * 0
    with torch.no_grad():
        teacher = model.masks(seen, boxes, student=False)
    student = model.masks(seen, found, student=True)
    places = student.shape[-1]
    shown = F.interpolate(image[None], (places, places), mode="area")[0]
    edges = edge_loss(student, shown, found * places / model.composed.side, settings)
    return distillation(teacher, student) + edges
