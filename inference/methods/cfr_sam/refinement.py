"""BGMR, CFR-SAM's boundary-guided mask refinement (section 3.6): a coarse mask sharpened by what the image shows.

Maps are windows around each prompt (n, channels, h, w) at the image's own resolution. Where the paper has batch
normalisation, these have group normalisation: a batch is a handful of windows of one stain.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from inference.methods.sampling import deformable


def convolution(channels_in: int, channels: int, size: int = 3) -> nn.Sequential:
    """Convolution, normalisation, ReLU."""
    groups = max(1, channels // 8)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, size, padding=size // 2, bias=False),
        nn.GroupNorm(groups, channels),
        nn.ReLU(inplace=True),
    )


def joined(first: Tensor, second: Tensor) -> Tensor:
    """Channels of both."""
    return torch.cat([first, second], dim=1)


def smoothed(x: Tensor) -> Tensor:
    """The mean of 3 x 3 pixels; at the border of those that are there."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class Deformable(nn.Module):
    """A 3 x 3 deformable convolution (Zhu et al. 2019) that begins as a plain one; in float32."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.offsets = nn.Conv2d(channels_in, 18, 3, padding=1)
        self.weights = DeformConv2d(channels_in, channels, 3, padding=1)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            offsets = self.offsets(x)
            layer = self.weights
            return deformable(x, offsets, layer.weight, layer.bias, padding=1)


class BoundaryEnhancement(nn.Module):
    """BE (equation 10): a feature and what smoothing would take from it, BE(F) = F + sigmoid(conv(F - smooth(F)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        sharp = x - smoothed(x)
        return x + torch.sigmoid(self.convolution(sharp))


class ContextBoundaries(nn.Module):
    """MCBE: the image (n, 3, h, w) -> boundary features (n, channels, h, w) of growing contexts (equation 9)."""

    def __init__(self, channels: int, steps: int = 3) -> None:
        super().__init__()
        self.base = convolution(3, channels, 1)
        self.first = convolution(channels, channels)
        self.further = nn.ModuleList()
        self.enhance = nn.ModuleList()
        for _ in range(steps):
            self.further.append(convolution(channels, channels, 1))
            self.enhance.append(BoundaryEnhancement(channels))
        self.join = nn.Conv2d(channels * (steps + 1), channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        base = self.base(image)
        feature = self.first(base)
        contexts = [feature]
        for further, enhance in zip(self.further, self.enhance):
            feature = further(smoothed(feature))
            contexts.append(enhance(feature))
        every = torch.cat(contexts, dim=1)
        return base + self.join(every)


class SpatialAttention(nn.Module):
    """Where to look (Woo et al. 2018): a weight in 0..1 from the mean and the greatest of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        greatest = x.amax(1, keepdim=True)
        logits = self.convolution(joined(mean, greatest))
        return x * torch.sigmoid(logits)


class BoundaryFusion(nn.Module):
    """BGFF (equations 11 to 13): semantic features (n, c, h, w) and boundary features, alike -> fused features and the
    logits of the boundary (n, 1, h, w).

    Half of the semantic channels meet the boundary features in a plain convolution, the other half in a deformable one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.plain = convolution(half + channels, half)
        self.deformable = Deformable(half + channels, half)
        self.attention = nn.ModuleList([SpatialAttention(), SpatialAttention()])
        self.join = nn.Conv2d(channels, channels, 1)
        self.boundary = nn.Sequential(
            convolution(channels, channels),
            nn.Conv2d(channels, 1, 1),
        )

    def forward(self, semantic: Tensor, boundary: Tensor) -> tuple[Tensor, Tensor]:
        first, second = semantic.chunk(2, dim=1)
        plain = self.plain(joined(first, boundary))
        plain = self.attention[0](plain)
        moved = self.deformable(joined(second, boundary))
        moved = self.attention[1](torch.relu(moved))
        fused = self.join(joined(plain, moved))
        return fused, self.boundary(fused)


class Upsampling(nn.Sequential):
    """`rounds` times twice the size, bilinear, and a convolution each."""

    def __init__(self, channels_in: int, channels: int, rounds: int) -> None:
        layers: list[nn.Module] = []
        narrow = convolution(channels_in, channels, 1)
        if rounds:
            layers.append(twice())
        layers.append(narrow)
        for _ in range(rounds - 1):
            layers.append(twice())
            layers.append(convolution(channels, channels))
        super().__init__(*layers)


def twice() -> nn.Upsample:
    """Twice the size."""
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


class Refinement(nn.Module):
    """BGMR (equation 14).

    semantic  (n, channels of the embedding, h / (4 s), w / (4 s)): HMFM's features
    coarse    (n, channels of the decoder, h / s, w / s): the decoder's features
    image     (n, 3, h, w)
    ->        logits of the refined mask and of the boundary, (n, 1, h, w) each

    rounds    how often the decoder's features are doubled until they have the image's resolution: s = 2 ** rounds
    """

    def __init__(self, semantic: int, coarse: int, channels: int, rounds: int) -> None:
        super().__init__()
        self.lift = Upsampling(semantic, channels, 2)
        self.join = convolution(channels + coarse, channels, 1)
        self.enlarge = Upsampling(channels, channels, rounds)
        self.contexts = ContextBoundaries(channels)
        self.fusion = BoundaryFusion(channels)
        self.narrow = convolution(channels, channels // 2, 1)
        self.move = Deformable(channels // 2, channels // 2)
        self.widen = nn.Conv2d(channels // 2, channels, 1)
        self.head = nn.Sequential(
            convolution(channels, channels),
            convolution(channels, channels),
            nn.Conv2d(channels, 1, 1),
        )

    def forward(self, semantic: Tensor, coarse: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        lifted = self.lift(semantic)
        feature = self.join(joined(lifted, coarse))
        feature = self.enlarge(feature)
        contexts = self.contexts(image)
        fused, boundary = self.fusion(feature, contexts)
        weighted = torch.sigmoid(fused) * feature
        moved = self.move(self.narrow(weighted))
        refined = feature + self.widen(torch.relu(moved))
        return self.head(refined), boundary
