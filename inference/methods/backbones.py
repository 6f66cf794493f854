"""The net of the Segment Anything family that a method composes, by the name of its prompter."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.prompters import compact
from inference.prompters.sam import DEVIATION, MEAN
from inference.prompters.sam_nets import Composable, SamNet, build, sam_net
from inference.types import RGB, InferenceError
from inference.weights import catalogue, files

OWN = "boxwise-sam"
COMPACT = "image_encoder.body.stem.weight"  # a tensor that only boxwise-sam has


def composable(name: str, *, blocks: bool = False) -> Composable:
    """The net with its weights, frozen. Raises InferenceError where it or what is asked of it is not here.

    blocks  an encoder whose blocks are all of one width is needed, because adapters stand between them
    """
    if name == OWN:
        return frozen(compact.load_net())
    if name not in catalogue.ENTRIES or not catalogue.ENTRIES[name].prompts:
        known = ", ".join([OWN, *(one.name for one in catalogue.ENTRIES.values() if one.prompts)])
        raise InferenceError(f"{name} is no net of the Segment Anything family; there are {known}")
    net = build(catalogue.found(name))
    if not isinstance(net, SamNet) or (blocks and not net.depth):
        raise InferenceError(
            f"the encoder of {name} has no blocks of one width, which this method needs; "
            f"take {OWN}, sam-vit-b, sam-vit-l, sam-vit-h or medsam"
        )
    return frozen(net)


def rebuilt(state: Mapping[str, Tensor], path: Path) -> Composable:
    """The net whose tensors these are, frozen and not yet filled. Raises BadWeights."""
    if COMPACT in state:
        return frozen(compact.CompactNet())
    return frozen(sam_net(dict(state), path))


def part_of(state: Mapping[str, Tensor], prefix: str) -> files.State:
    """The tensors below a name, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def frozen(net: nn.Module) -> Composable:
    """The same net, of which nothing is trained."""
    net.requires_grad_(False)
    return cast("Composable", net.eval())


def normalised(images: Tensor, side: int) -> Tensor:
    """(B, 3, h, w) in 0..1, square -> (B, 3, side, side) as the family's encoders take them."""
    if images.shape[-1] != side:
        images = F.interpolate(images, (side, side), mode="bilinear", align_corners=False, antialias=True)
    mean, deviation = (torch.tensor(v, device=images.device)[:, None, None] for v in (MEAN, DEVIATION))
    return (images * 255 - mean) / deviation


def squared(rgb: RGB, side: int) -> RGB:
    """The picture with its mirror image to the right and below, up to a square of `side` pixels."""
    height, width = rgb.shape[:2]
    found: RGB = np.pad(rgb, ((0, side - height), (0, side - width), (0, 0)), mode="symmetric")
    return found


def trained_parameters(net: nn.Module) -> int:
    """How many numbers of a net are trained."""
    return sum(value.numel() for value in net.parameters() if value.requires_grad)
