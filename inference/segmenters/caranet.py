"""CaraNet (Lou et al. 2022, arXiv:2108.07368), BoxCell's ITS, written from the paper's description.

A Res2Net (Gao et al. 2019; timm) gives features at strides 8, 16 and 32. A partial decoder (Wu et al. 2019) makes a
first, coarse map of them. Going up, each level looks with its channel-wise feature pyramid (Lou & Loew 2021) at several
scales and with axial attention along rows and columns, weighs that by 1 - sigmoid(the map so far), and adds what it
finds: the rims. All four maps are trained.

Its finest map has a stride of 8, a third of a nucleus: images are enlarged twice before it sees them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.res2net import Bottle2neck
from timm.models.resnet import ResNet
from torch import Tensor, nn

from inference.nets import adopt
from inference.segmenters.learning import Batch, SegmenterTrainer, bce_dice, published
from inference.training.loop import Schedule
from inference.weights import files

MODEL = "caranet-1"
CHANNELS = 32  # of every level behind the encoder
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# "v1b" of Res2Net's authors, which CaraNet uses, is timm's "d"; "small" is our own for a CPU.
BACKBONES: dict[str, dict[str, Any]] = {
    "res2net-small": {"layers": (1, 1, 1, 1), "channels": (32, 64, 128, 192)},
    "res2net50d": {"layers": (3, 4, 6, 3)},
    "res2net101d": {"layers": (3, 4, 23, 3)},
}


@dataclass(frozen=True)
class CaraNetSettings:
    """Everything the trained weights depend on, besides the data.

    enlarge     magnification of images, in training and prediction
    pretrained  start from timm's weights of the backbone where somebody fetched them (boxwise models)
    """

    schedule: Schedule = field(default_factory=lambda: Schedule(steps=400, epoch=50, lr=1e-3, warmup=30, patience=6))
    backbone: str = "res2net-small"
    batch: int = 6
    side: int = 256
    zoom: tuple[float, float] = (0.75, 1.4)
    colour: float = 0.7
    flips: bool = False
    enlarge: float = 2.0
    pretrained: bool = True

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES or self.side % 32 or self.batch < 1 or self.enlarge <= 0:
            raise ValueError(f"impossible settings: {self}")


PRESETS = {
    "tiny": CaraNetSettings(schedule=Schedule(steps=16, epoch=8, lr=1e-3, warmup=4, average=0.8), batch=2, side=192),
    "quick": CaraNetSettings(),
    # BoxCell: 200 epochs, AdamW at 1e-4, cosine with 5 epochs of warm-up, batch 16, patience 20 epochs. An epoch here
    # is 20 steps: some 30 images of 512 px hold ten crops each.
    "paper": CaraNetSettings(
        schedule=Schedule(steps=4000, epoch=20, lr=1e-4, warmup=100, average=0.99, patience=20),
        backbone="res2net101d",
        batch=16,
        side=352,
    ),
}


def conv(a: int, b: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, size, padding=size // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))


def resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


class Encoder(nn.Module):
    """(B, 3, H, W) in 0..1 -> features at strides 8, 16, 32."""

    def __init__(self, backbone: str) -> None:
        super().__init__()
        self.body = ResNet(
            Bottle2neck,
            base_width=26,
            stem_type="deep",
            stem_width=32,
            avg_down=True,
            block_args={"scale": 4},
            num_classes=0,
            **BACKBONES[backbone],
        )
        self.channels = [info["num_chs"] for info in self.body.feature_info[2:]]

    def forward(self, x: Tensor) -> list[Tensor]:
        body = self.body
        mean, deviation = (torch.tensor(v, device=x.device)[:, None, None] for v in (MEAN, DEVIATION))
        x = body.act1(body.bn1(body.conv1((x - mean) / deviation)))
        x = body.layer1(body.maxpool(x))
        found = []
        for stage in (body.layer2, body.layer3, body.layer4):
            x = stage(x)
            found.append(x)
        return found


class PartialDecoder(nn.Module):
    """Features at strides 8, 16, 32 (CHANNELS each) -> one map at stride 8. Deeper levels gate the shallower ones."""

    def __init__(self) -> None:
        super().__init__()
        c = CHANNELS
        self.gate_43, self.gate_53, self.gate_54 = conv(c, c), conv(c, c), conv(c, c)
        self.join_5, self.join_54 = conv(c, c), conv(2 * c, 2 * c)
        self.mix_54, self.mix_543 = conv(2 * c, 2 * c), conv(3 * c, 3 * c)
        self.last = nn.Sequential(conv(3 * c, 3 * c), nn.Conv2d(3 * c, 1, 1))

    def forward(self, x3: Tensor, x4: Tensor, x5: Tensor) -> Tensor:
        gated_4 = self.gate_54(resize(x5, x4)) * x4
        gated_3 = self.gate_53(resize(x5, x3)) * self.gate_43(resize(x4, x3)) * x3
        deep = self.mix_54(torch.cat([gated_4, self.join_5(resize(x5, x4))], 1))
        found: Tensor = self.last(self.mix_543(torch.cat([gated_3, self.join_54(resize(deep, x3))], 1)))
        return found


class FeaturePyramid(nn.Module):
    """Channel-wise feature pyramid: four branches of growing dilation, each of three pairs of a 3 x 1 and a 1 x 3
    convolution whose outputs are kept side by side; branches are summed from the smallest on before they are joined."""

    def __init__(self, channels: int = CHANNELS, dilation: int = 8) -> None:
        super().__init__()
        quarter, part = channels // 4, channels // 16
        self.squeeze = conv(channels, quarter)
        self.branches = nn.ModuleList()
        for rate in (1, dilation // 4 + 1, dilation // 2 + 1, dilation + 1):
            steps = nn.ModuleList()
            for a, b in ((quarter, part), (part, part), (part, quarter - 2 * part)):
                steps.append(
                    nn.Sequential(
                        nn.Conv2d(a, b, (3, 1), padding=(rate, 0), dilation=(rate, 1), bias=False),
                        nn.Conv2d(b, b, (1, 3), padding=(0, rate), dilation=(1, rate), bias=False),
                        nn.BatchNorm2d(b),
                        nn.PReLU(b),
                    )
                )
            self.branches.append(steps)
        self.join = nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels), nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        small = self.squeeze(x)
        levels: list[Tensor] = []
        for branch in self.branches:
            assert isinstance(branch, nn.ModuleList)
            seen, kept = small, []
            for step in branch:
                seen = step(seen)
                kept.append(seen)
            level = torch.cat(kept, 1)
            levels.append(level + levels[-1] if levels else level)
        joined: Tensor = self.join(torch.cat(levels, 1))
        return joined + x


class AxialAttention(nn.Module):
    """Every place looks along its column, then along its row; begins as the identity. (B, C, H, W) -> the same"""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.asks = nn.ModuleList(nn.Conv2d(channels, 2 * (channels // 4) + channels, 1) for _ in range(2))
        self.share = nn.Parameter(torch.zeros(2))
        self.split = [channels // 4, channels // 4, channels]

    def forward(self, x: Tensor) -> Tensor:
        for axis, (ask, share) in enumerate(zip(self.asks, self.share)):
            # Lines become a batch dimension: (B, lines, places of a line, channels)
            order = (0, 3, 2, 1) if axis == 0 else (0, 2, 3, 1)
            query, key, value = (part.permute(order) for part in ask(x).split(self.split, 1))
            seen = F.scaled_dot_product_attention(query, key, value)
            x = x + share * seen.permute((0, 3, 2, 1) if axis == 0 else (0, 3, 1, 2))
        return x


class ReverseAttention(nn.Module):
    """One level on the way up: features and the map so far -> a better map at the features' resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.pyramid, self.axial = FeaturePyramid(), AxialAttention()
        self.find = nn.Sequential(conv(CHANNELS, CHANNELS), conv(CHANNELS, CHANNELS), nn.Conv2d(CHANNELS, 1, 1))

    def forward(self, x: Tensor, so_far: Tensor) -> Tensor:
        so_far = resize(so_far, x)
        missing: Tensor = self.find((1 - torch.sigmoid(so_far)) * self.axial(self.pyramid(x)))
        return missing + so_far


class CaraNetNet(nn.Module):
    """(B, 3, H, W) in 0..1, sides multiples of 32 -> logits (B, 1, H, W)."""

    def __init__(self, backbone: str) -> None:
        super().__init__()
        self.encoder = Encoder(backbone)
        self.narrow = nn.ModuleList(conv(c, CHANNELS) for c in self.encoder.channels)
        self.decoder = PartialDecoder()
        self.levels = nn.ModuleList(ReverseAttention() for _ in range(3))  # strides 32, 16, 8

    def maps(self, x: Tensor) -> list[Tensor]:
        """All four maps at full resolution, the best last."""
        x3, x4, x5 = (narrow(f) for narrow, f in zip(self.narrow, self.encoder(x)))
        found = [self.decoder(x3, x4, x5)]
        for level, features in zip(self.levels, (x5, x4, x3)):
            found.append(level(features, found[-1]))
        return [resize(one.float(), x) for one in found]

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x)[-1]


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean over the four maps of BCE + Dice."""
    assert isinstance(model, CaraNetNet)
    images, truth, valid = batch
    return torch.stack([bce_dice(found, truth, valid) for found in model.maps(images)]).mean()


class CaraNet(SegmenterTrainer):
    """Trainer of CaraNet."""

    MODEL, STRIDE = MODEL, 32

    def __init__(
        self, settings: CaraNetSettings | str = "quick", *, device: str = "auto", seed: int | None = None
    ) -> None:
        super().__init__(PRESETS[settings] if isinstance(settings, str) else settings, device=device, seed=seed)

    def net(self) -> nn.Module:
        return CaraNetNet(self.settings.backbone)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return loss(model, batch)

    def start(self) -> Path | None:
        wanted = self.settings.pretrained and self.settings.backbone != "res2net-small"
        return published(self.settings.backbone, wanted=wanted) if wanted else None

    def take(self, net: nn.Module, start: Path) -> None:
        """A file of our own, or timm's of the backbone."""
        assert isinstance(net, CaraNetNet)
        state = files.read_checkpoint(start)
        if any(name.startswith("decoder.") for name in state):
            files.fill(net, state, start)
        elif adopt(net.encoder.body, state):
            raise files.BadWeights(f"{start.name} does not fit the backbone {self.settings.backbone}")
