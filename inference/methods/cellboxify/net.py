"""Mask R-CNN (He et al. 2017) with a polygon head: each box gets a closed polygon in place of a mask."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign

from inference.detectors.rcnn import BACKBONES, Heads, RcnnNet, RcnnSettings
from inference.methods.cellboxify.losses import affinity, clip_to_boxes, global_pairwise, local_pairwise, unary
from inference.methods.cellboxify.polygons import ellipse, placed, relative, soft_masks

POOLED = 14  # places on a side of a cell's features, as in Mask R-CNN's mask branch


@dataclass(frozen=True)
class PolygonSettings(RcnnSettings):
    """What the polygon head adds to the settings of the detector.

    vertices      of each polygon
    clipped       side in pixels to which a cell is clipped for the pairwise losses
    window        k of the local pairwise loss
    sigma         colour distance (RGB in 0..1) at which two neighbours' affinity is 1/e
    softness      pixels of the clipped cell over which a polygon's mask rises (polygons.soft_masks)
    alpha, beta, gamma  weights of the unary, the local and the global pairwise loss
    polygons      most cells of a batch whose polygons are learned from in one step
    ratios        height by width of the anchors
    proposals     of an image
    """

    vertices: int = 20
    clipped: int = 20
    window: int = 3
    sigma: float = 0.1
    softness: float = 1.0
    alpha: float = 1.0
    beta: float = 0.5
    gamma: float = 1.0
    polygons: int = 64
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    proposals: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        fewest = min(self.vertices, self.clipped)
        least = min(self.sigma, self.softness)
        if fewest < 3 or least <= 0 or self.polygons < 1:
            raise ValueError(f"impossible settings: {self}")


class PolygonHeads(Heads):
    """The second stage, which keeps what it learned from: the polygon head learns from the same regions.

    positives  after a training step, of each image: regions (n, 4) that overlap a cell, and the cells' boxes (n, 4)
    """

    positives: list[tuple[Tensor, Tensor]]

    def select_training_samples(self, proposals: Any, targets: Any) -> Any:
        chosen = super().select_training_samples(proposals, targets)
        regions, matched, labels, _ = chosen
        self.positives = []
        for own, match, label, target in zip(regions, matched, labels, targets):
            positive = label > 0
            cells = target["boxes"][match[positive]]
            self.positives.append((own[positive], cells))
        return chosen


class PolygonHead(nn.Module):
    """Features of n regions (n, channels, 14, 14) -> polygons (n, k, 2) in units of the regions.

    It moves the vertices of the ellipse that is inscribed in the region; before training, not at all.
    """

    def __init__(
        self,
        channels: int,
        convolutions: tuple[int, ...],
        hidden: int,
        vertices: int,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in convolutions:
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2))
        self.convolutions = nn.Sequential(*layers)
        places = (POOLED // 2) ** 2
        self.hidden = nn.Linear(channels * places, hidden)
        self.moves = nn.Linear(hidden, 2 * vertices)
        nn.init.normal_(self.moves.weight, std=1e-3)
        nn.init.zeros_(self.moves.bias)
        self.register_buffer("start", ellipse(vertices), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        x = self.convolutions(features).flatten(1)
        x = torch.relu(self.hidden(x))
        start: Tensor = self.start
        moves = self.moves(x).reshape(-1, *start.shape)
        return start + moves


class CellBoxifyNet(RcnnNet):
    """(B, 3, H, W) in 0..1 -> in training the sum of the detector's losses and L_polygon, else what the detector finds
    with "polygons" (n, k, 2) in units of its boxes."""

    roi_heads: PolygonHeads

    def __init__(self, classes: int, settings: PolygonSettings) -> None:
        in_use = max(1000, settings.proposals)
        super().__init__(
            classes,
            settings,
            heads=PolygonHeads,
            ratios=settings.ratios,
            proposals=(settings.proposals, in_use),
        )
        kind = BACKBONES[settings.backbone]
        self.settings = settings
        self.polygon_pool = MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=POOLED, sampling_ratio=2)
        self.polygon_head = PolygonHead(kind.pyramid, kind.convolutions, kind.hidden, settings.vertices)

    def further_losses(self, features: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        share = max(1, self.settings.polygons // len(x))
        regions = [regions[:share] for regions, _ in self.roi_heads.positives]
        cells = [cells[:share] for _, cells in self.roi_heads.positives]
        if not sum(len(one) for one in cells):
            return {"polygon": x.new_zeros(())}
        size = (int(x.shape[2]), int(x.shape[3]))
        pooled = self.polygon_pool(features, regions, [size] * len(x))
        polygons = placed(self.polygon_head(pooled), torch.cat(regions))
        return {"polygon": self.polygon_loss(polygons, x, cells)}

    def polygon_loss(self, polygons: Tensor, x: Tensor, cells: list[Tensor]) -> Tensor:
        """L_polygon, the mean over cells. polygons (n, k, 2) and cells, n boxes in all, in pixels of x (B, 3, H, W)"""
        settings = self.settings
        boxes = torch.cat(cells)
        colours = clip_to_boxes(x, cells, settings.clipped)
        masks = soft_masks(relative(polygons, boxes), settings.clipped, settings.softness)
        weights = affinity(colours, settings.window, settings.sigma)
        loss = settings.alpha * unary(polygons, boxes)
        loss = loss + settings.beta * local_pairwise(masks, weights, settings.window)
        loss = loss + settings.gamma * global_pairwise(masks, colours)
        return loss.mean()

    def further_found(
        self,
        found: list[dict[str, Tensor]],
        features: dict[str, Tensor],
        sizes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        boxes = [one["boxes"] for one in found]
        pooled = self.polygon_pool(features, boxes, sizes)
        counts = [len(one) for one in boxes]
        polygons = self.polygon_head(pooled).split(counts)
        return [one | {"polygons": own} for one, own in zip(found, polygons)]
