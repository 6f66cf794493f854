"""DES-SAM's net: a frozen Segment Anything net, a simple feature pyramid with the heads of Faster R-CNN on its
embedding, and a few learned tokens beside the tokens of its mask decoder.

Boxes are in pixels of the net's input, in all of this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign

from inference.detectors.rcnn import Heads, Proposer
from inference.prompters.sam_nets import Composable


@dataclass(frozen=True)
class Size:
    """Of the detection module.

    scales        of the pyramid's levels, relative to the embedding
    channels      of each level
    convolutions  of the box head, and its hidden width
    prompts       learned tokens beside the output tokens
    """

    scales: tuple[float, ...] = (2.0, 1.0, 0.5)
    channels: int = 96
    convolutions: tuple[int, ...] = (96,)
    hidden: int = 256
    prompts: int = 8


class Level(nn.Sequential):
    """One level of ViTDet's pyramid (Li et al. 2022): brought to its scale, then 1 x 1 and 3 x 3."""

    def __init__(self, scale: float, channels_in: int, channels: int) -> None:
        layers: list[nn.Module] = []
        width = channels_in
        while scale > 1:
            layers.append(nn.ConvTranspose2d(width, width // 2, 2, 2))
            width //= 2
            scale /= 2
            if scale > 1:
                layers += [LayerNorm2d(width), nn.GELU()]
        if scale < 1:
            layers.append(nn.MaxPool2d(round(1 / scale)))
        layers += [nn.Conv2d(width, channels, 1, bias=False), LayerNorm2d(channels)]
        layers += [nn.Conv2d(channels, channels, 3, 1, 1, bias=False), LayerNorm2d(channels)]
        super().__init__(*layers)


@dataclass
class Chosen:
    """Of one image: boxes that the detection module made of proposals on cells, and the person's boxes of these."""

    found: Tensor
    drawn: Tensor


class BoxHeads(Heads):
    """The second stage with the paper's losses (eq. 1): BCE of cell or not, L1 of the four sides.

    The cross-entropy of two classes is the BCE of the difference of their logits.
    """

    chosen: Sequence[Chosen] = ()

    def forward(self, features: Any, proposals: Any, image_shapes: Any, targets: Any = None) -> Any:
        if not self.training:
            return super().forward(features, proposals, image_shapes, targets)
        proposals, matched, labels, wanted = self.select_training_samples(proposals, targets)
        seen = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        logits, sides = self.box_predictor(seen)
        losses = box_losses(logits, sides[:, 4:], torch.cat(labels), torch.cat(wanted))
        boxes = self.box_coder.decode(sides.detach(), proposals)[:, 1]
        self.chosen = []
        for found, index, label, target in zip(boxes.split([len(p) for p in proposals]), matched, labels, targets):
            cells = label > 0
            self.chosen.append(Chosen(found[cells], target["boxes"][index[cells]]))
        return [], losses


def box_losses(logits: Tensor, sides: Tensor, labels: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """L1(Y_B*, Y_B) + BCE(Y_C*, Y_C) (paper, eq. 1).

    logits (n, 2) of background and cell; sides, wanted (n, 4); labels (n,) 0 or 1. L1 of cells alone, over all n
    """
    cells = labels > 0
    margin = logits[:, 1] - logits[:, 0]
    classification = F.binary_cross_entropy_with_logits(margin, cells.to(margin.dtype))
    regression = (sides[cells] - wanted[cells]).abs().sum() / max(1, len(labels))
    return {"classification": classification, "boxes": regression}


class DesNet(nn.Module):
    """anchor: side of the smallest anchor in pixels of the input; each level doubles it."""

    def __init__(self, sam: Composable, size: Size, anchor: float) -> None:
        super().__init__()
        self.sam = cast("nn.Module", sam)
        names = [str(i) for i in range(len(size.scales))]
        self.levels = nn.ModuleDict()
        for name, scale in zip(names, size.scales):
            self.levels[name] = Level(scale, sam.dim, size.channels)
        anchors = AnchorGenerator(
            [(anchor * 2**i,) for i in range(len(names))],
            [(0.5, 1.0, 2.0)] * len(names),
        )
        self.rpn = Proposer(
            anchors,
            RPNHead(size.channels, 3),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 1000, "testing": 1000},
            post_nms_top_n={"training": 300, "testing": 500},
            nms_thresh=0.7,
        )
        norm: Any = partial(nn.GroupNorm, 8)
        self.heads = BoxHeads(
            MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2),
            FastRCNNConvFCHead((size.channels, 7, 7), list(size.convolutions), [size.hidden], norm_layer=norm),
            FastRCNNPredictor(size.hidden, 2),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=64,
            positive_fraction=0.5,
            bbox_reg_weights=None,
            score_thresh=0.05,
            nms_thresh=0.5,
            detections_per_img=500,
        )
        self.prompts = nn.Parameter(torch.randn(size.prompts, sam.dim) * 0.02)

    @property
    def composed(self) -> Composable:
        return cast("Composable", self.sam)

    def train(self, mode: bool = True) -> "DesNet":
        """The frozen net stays as it is in prediction."""
        super().train(mode)
        self.sam.eval()
        return self

    @torch.no_grad()
    def embed(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, side, side), normalised."""
        return tuple(level.float() for level in self.composed.embed(x))

    def features(self, seen: tuple[Tensor, ...]) -> dict[str, Tensor]:
        return {name: level(seen[0]) for name, level in self.levels.items()}

    def images(self, seen: tuple[Tensor, ...]) -> ImageList:
        """What torchvision asks of images: how many, and how large."""
        side = self.composed.side
        empty = seen[0].new_zeros(len(seen[0]), 3, side, side)
        return ImageList(empty, [(side, side)] * len(seen[0]))

    def detection_losses(
        self, seen: tuple[Tensor, ...], boxes: Sequence[Tensor], valid: Tensor
    ) -> tuple[dict[str, Tensor], Sequence[Chosen]]:
        """The losses of both stages, and the boxes that masks are learned of. valid (B, side, side)"""
        self.rpn.valid = self.heads.valid = valid
        targets = [{"boxes": one, "labels": one.new_ones(len(one), dtype=torch.int64)} for one in boxes]
        features, images = self.features(seen), self.images(seen)
        proposals, first = self.rpn(images, features, targets)
        _, second = self.heads(features, proposals, images.image_sizes, targets)
        self.rpn.valid = self.heads.valid = None
        return {**first, **second}, self.heads.chosen

    def detect(self, seen: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """boxes (n, 4) and scores (n,) of the first image."""
        features, images = self.features(seen), self.images(seen)
        proposals, _ = self.rpn(images, features)
        found, _ = self.heads(features, proposals, images.image_sizes)
        first: dict[str, Tensor] = found[0]
        return first

    def masks(self, seen: tuple[Tensor, ...], boxes: Tensor, *, student: bool) -> Tensor:
        """Logits (n, 4 h, 4 w) of the cells in these boxes of one image: of the net as it is, or with the prompts."""
        prompt = self.composed.prompt(boxes, None)
        logits, _ = self.composed.decode(seen, prompt, extra=self.prompts if student else None)
        return logits[:, 0].float()
