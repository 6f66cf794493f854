"""The first stage of CFR-SAM: which points prompt the second, one in each nucleus, and of which class they are.

image ─► pyramid ─► anchors on a grid, moved by the offset net ─► features at the moved anchors, of all levels
                                                                    ├─► head: a further move to the centre
                                                                    └─► head: class, or background
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import convnext_small
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.ops import FeaturePyramidNetwork

from inference.methods.cfr_sam.losses import focal, prompt_loss
from inference.nets import Body
from inference.training.loop import Schedule

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CONVNEXT = {"features.1": "0", "features.3": "1", "features.5": "2", "features.7": "3"}
CONVNEXT_WIDTHS = (96, 192, 384, 768)


@dataclass(frozen=True)
class PointSettings:
    """backbone  "body", the compact one, or "convnext-small"
    levels    of the pyramid, from stride 4 on (ConvNeXt)
    width     channels of the pyramid; hidden: of both heads
    spacing   px between anchors
    distance_weight, negative_weight, regression_weight  of losses.prompt_loss
    threshold probability that an anchor is no background
    """

    schedule: Schedule = field(
        default_factory=lambda: Schedule(steps=300, epoch=60, lr=2e-3, warmup=30, average=0.97, patience=4)
    )
    backbone: str = "body"
    levels: int = 4
    width: int = 256
    hidden: int = 128
    spacing: int = 8
    batch: int = 4
    side: int = 192
    zoom: tuple[float, float] = (0.8, 1.25)
    colour: float = 0.7
    distance_weight: float = 0.1
    negative_weight: float = 0.4
    regression_weight: float = 5e-3
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.backbone not in ("body", "convnext-small") or self.side % 32 or self.spacing < 1:
            raise ValueError(f"impossible settings: {self}")


class Pyramid(nn.Module):
    """ConvNeXt-S (Liu et al. 2022) with a feature pyramid: (B, 3, H, W) in 0..1 -> `levels` maps from stride 4 on."""

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        nodes = dict(list(CONVNEXT.items())[:levels])
        self.body = create_feature_extractor(convnext_small(weights=None), nodes)
        self.pyramid = FeaturePyramidNetwork(list(CONVNEXT_WIDTHS[:levels]), width)

    def forward(self, x: Tensor) -> list[Tensor]:
        mean, deviation = (torch.tensor(v, device=x.device)[:, None, None] for v in (MEAN, DEVIATION))
        return list(self.pyramid(self.body((x - mean) / deviation)).values())


class Compact(nn.Module):
    """The project's own body: one map at stride 4."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(4)
        self.channels = self.body.channels

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.body(x)]


def grid_of(height: int, width: int, spacing: int) -> Tensor:
    """(m, 2) px: x, y of anchors, evenly spread."""
    y = torch.arange(spacing / 2, height, spacing)
    x = torch.arange(spacing / 2, width, spacing)
    return torch.cartesian_prod(y, x).flip(1)


def sampled(level: Tensor, points: Tensor, height: int, width: int) -> Tensor:
    """Features (B, c, h, w) of an image of height x width at points (B, m, 2) px, bilinear -> (B, m, c)."""
    size = torch.tensor([width, height], device=points.device, dtype=points.dtype)
    places = (points / size * 2 - 1)[:, :, None]
    found = F.grid_sample(level, places.to(level.dtype), align_corners=False, padding_mode="border")
    return found[..., 0].transpose(1, 2)


class PointNet(nn.Module):
    """(B, 3, H, W) in 0..1 -> logits (B, m, classes + 1), the background last; points (B, m, 2) px; and in training the
    logits of the foreground (B, 1, h, w)."""

    def __init__(self, classes: int, settings: PointSettings) -> None:
        super().__init__()
        self.settings = settings
        paper = settings.backbone == "convnext-small"
        self.features: nn.Module = Pyramid(settings.levels, settings.width) if paper else Compact()
        width = settings.width if paper else Compact().channels
        described = width * (settings.levels if paper else 1)
        self.offset = nn.Linear(width, 2)
        self.move = head(described, settings.hidden, 2)
        self.kind = head(described, settings.hidden, classes + 1)
        self.foreground = nn.Sequential(
            nn.Conv2d(width, width // 2, 3, padding=1, bias=False),
            nn.GroupNorm(width // 16, width // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 2, 1, 1),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        height, width = x.shape[2:]
        levels = self.features(x)
        spacing = self.settings.spacing
        grid = grid_of(height, width, spacing).to(x.device).expand(len(x), -1, -1)
        with torch.autocast(x.device.type, enabled=False):  # eight bits do not tell one pixel from the next
            levels = [level.float() for level in levels]
            moved = grid + spacing * self.offset(sampled(levels[0], grid, height, width))
            described = torch.cat([sampled(level, moved, height, width) for level in levels], dim=2)
            points = moved + spacing * self.move(described)
            return self.kind(described), points, self.foreground(levels[0])


def head(channels: int, hidden: int, outputs: int) -> nn.Sequential:
    made = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, outputs))
    nn.init.normal_(made[-1].weight, std=0.01)
    nn.init.zeros_(made[-1].bias)
    return made


@dataclass(frozen=True)
class PointBatch:
    """images (B, 3, H, W); centres and classes of each image's nuclei; masks and valid (B, 1, H, W) of 0 and 1."""

    images: Tensor
    centres: list[Tensor]
    classes: list[Tensor]
    masks: Tensor
    valid: Tensor


def loss(model: nn.Module, batch: PointBatch) -> Tensor:
    """Equation 2: the mean over images, and the auxiliary foreground."""
    assert isinstance(model, PointNet)
    settings = model.settings
    logits, points, foreground = model(batch.images)
    height, width = batch.images.shape[2:]
    grid = grid_of(height, width, settings.spacing).long().to(batch.images.device)
    total = focal(F.interpolate(foreground, (height, width), mode="bilinear"), batch.masks, batch.valid)
    for number, centres in enumerate(batch.centres):
        known = batch.valid[number, 0, grid[:, 1], grid[:, 0]] > 0
        one = prompt_loss(
            logits[number],
            points[number],
            batch.classes[number],
            centres,
            known,
            distance_weight=settings.distance_weight,
            negative_weight=settings.negative_weight,
            regression_weight=settings.regression_weight,
        )
        total = total + one / len(batch.centres)
    return total


@torch.no_grad()
def find(net: PointNet, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points of one image (1, 3, H, W), best first: (n, 2) px, their probability of being a nucleus, their class."""
    logits, points, _ = net(x)
    probabilities = logits[0].softmax(1)
    nucleus = 1 - probabilities[:, -1]
    order = nucleus.argsort(descending=True, stable=True)
    order = order[nucleus[order] > net.settings.threshold]
    return points[0, order], nucleus[order], probabilities[order, :-1].argmax(1)
