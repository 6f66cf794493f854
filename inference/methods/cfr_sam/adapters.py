"""What CFR-SAM puts into the frozen encoder: a local-aware adapter a block, and a fusion of the blocks' features."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AdaptiveConvolution(nn.Module):
    """Depth-wise convolution whose kernel at each place is made from the features around it (equations 3 to 5).

        K_s = conv_s(X)                          (B, r * s * s, h, w), one kernel a channel and place
        X'  = X + mean over s of (K_s * unfold_s(X))

    conv_s is depth-wise and sees s x s places: with that, and with kernels of 3, 5 and 7 places, the numbers of
    parameters of the paper's Table 9 come out (docs/methods.md).
    """

    def __init__(self, rank: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.kernels = tuple(kernels)
        self.makers = nn.ModuleList(kernel_maker(rank, size) for size in self.kernels)

    def forward(self, x: Tensor) -> Tensor:
        batch, rank, height, width = x.shape
        total = torch.zeros_like(x)
        for size, maker in zip(self.kernels, self.makers):
            shape = (batch, rank, size * size, height, width)
            kernel = maker(x).reshape(shape)
            patches = F.unfold(x, size, padding=size // 2)
            product = kernel * patches.reshape(shape)
            total = total + product.sum(2)
        return x + total / len(self.kernels)


def kernel_maker(rank: int, size: int) -> nn.Conv2d:
    """A depth-wise convolution that makes size * size weights for each channel and place."""
    return nn.Conv2d(
        rank,
        rank * size * size,
        size,
        padding=size // 2,
        groups=rank,
    )


class LocalAdapter(nn.Module):
    """MALA, the multi-scale adaptive local-aware adapter. (B, h, w, C) -> the same; before training, the identity."""

    def __init__(self, width: int, rank: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, rank)
        self.local = AdaptiveConvolution(rank, kernels)
        self.mix = nn.Conv2d(rank, rank, 1)
        self.up = nn.Linear(rank, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        low = self.down(x + self.norm(x))
        local = self.local(low.permute(0, 3, 1, 2))  # (B, r, h, w)
        local = local + self.mix(local)
        local = F.gelu(local).permute(0, 2, 3, 1)
        return x + self.up(local)


class HierarchicalFusion(nn.Module):
    """HMFM, the hierarchical modulated fusion module (equations 6 to 8).

        w_l = sigmoid(W2 relu(W1 GAP(F_l))),   F'_l = F_l + w_l F_l,   F = the mean over l of F'_l

    levels of (B, h, w, C) each -> (B, h, w, C)
    """

    def __init__(self, width: int, levels: int, reduction: int = 16) -> None:
        super().__init__()
        narrow = max(8, width // reduction)
        self.gates = nn.ModuleList(gate_of(width, narrow) for _ in range(levels))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        modulated = []
        for level, gate in zip(levels, self.gates, strict=True):
            overall = level.mean((1, 2), keepdim=True)
            weight = torch.sigmoid(gate(overall))
            modulated.append(level + weight * level)
        return torch.stack(modulated).mean(0)


def gate_of(width: int, narrow: int) -> nn.Sequential:
    """The weight of each channel before its sigmoid, from the channels' means."""
    return nn.Sequential(
        nn.Linear(width, narrow),
        nn.ReLU(),
        nn.Linear(narrow, width),
    )


def chosen_levels(depth: int, count: int = 4) -> tuple[int, ...]:
    """The blocks whose features are fused, evenly spread, the last among them: of 12 blocks the 3rd, 6th, 9th, 12th."""
    count = min(count, depth)
    ends = [round(number * depth / count) for number in range(1, count + 1)]
    return tuple(end - 1 for end in ends)
