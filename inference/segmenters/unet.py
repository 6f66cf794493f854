"""The project's own segmenter: a small residual U-Net, image -> probability of being cell.

Learned with BCE + Dice on pseudo-masks (BoxCell's ITS), only where annotation is exhaustive.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.nets import Body, adopt
from inference.segmenters.learning import Batch, NetSegmenter, SegmenterTrainer, bce_dice
from inference.training.loop import Schedule
from inference.weights import files, shipped

MODEL = "unet-1"


@dataclass(frozen=True)
class UNetSettings:
    """Everything the trained weights depend on, besides the data.

    flips   average over the four mirror images when predicting: four times the work, a little better
    """

    schedule: Schedule = field(default_factory=lambda: Schedule(steps=400, epoch=50, warmup=30, patience=6))
    batch: int = 8
    side: int = 256
    zoom: tuple[float, float] = (0.75, 1.4)
    colour: float = 0.7
    flips: bool = False
    pretrained: bool = True

    def __post_init__(self) -> None:
        if self.side % 32 or self.batch < 1 or not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"impossible settings: {self}")


PRESETS = {
    "tiny": UNetSettings(schedule=Schedule(steps=24, epoch=8, lr=1e-3, warmup=5, average=0.9), batch=4, side=192),
    "quick": UNetSettings(
        schedule=Schedule(steps=120, epoch=30, lr=1e-3, warmup=20, average=0.97, patience=4), batch=6
    ),
    "standard": UNetSettings(schedule=Schedule(steps=600, epoch=100, lr=1e-3, warmup=50, average=0.99, patience=4)),
    "paper": UNetSettings(
        schedule=Schedule(steps=3000, epoch=100, warmup=100, average=0.995, patience=10), batch=16, flips=True
    ),
}


class UNetNet(nn.Module):
    """(B, 3, H, W) -> logits (B, 1, H, W); computed at half resolution, sharpened by the image at full resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(2)
        self.head = nn.Conv2d(self.body.channels, 8, 1)
        self.fine = nn.Sequential(nn.Conv2d(11, 8, 3, 1, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        coarse = F.interpolate(self.head(self.body(x)), scale_factor=2, mode="bilinear", align_corners=False)
        fine: Tensor = self.fine(torch.cat([coarse, (x - 0.5) * 4], 1)) + coarse[:, :1]
        return fine


def loss(model: nn.Module, batch: Batch) -> Tensor:
    images, truth, valid = batch
    return bce_dice(model(images), truth, valid)


class UNet(SegmenterTrainer):
    """Trainer of the U-Net, which starts from the shipped weights."""

    MODEL = MODEL

    def __init__(
        self, settings: UNetSettings | str = "quick", *, device: str = "auto", seed: int | None = None
    ) -> None:
        super().__init__(PRESETS[settings] if isinstance(settings, str) else settings, device=device, seed=seed)

    def net(self) -> nn.Module:
        return UNetNet()

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return loss(model, batch)

    def start(self) -> Path | None:
        return shipped("unet") if self.settings.pretrained else None

    def take(self, net: nn.Module, start: Path) -> None:
        adopt(net, files.load(start, MODEL)[0])


def load(weights: Path, *, device: str = "auto") -> NetSegmenter:
    """A segmenter from its file. Raises BadWeights."""
    return UNet(device=device).load(weights)
