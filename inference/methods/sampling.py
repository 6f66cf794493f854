"""Kernels that read where the net says, guarded against places that are no numbers.

On a CPU roi_align and deform_conv2d turn a place into an index without a check: one NaN reads outside the memory of the
map and ends the process. Here such a place gives NaN, so that the loss is NaN and training ends with TrainingDiverged.
"""

import torch
from torch import Tensor
from torchvision.ops import deform_conv2d
from torchvision.ops import roi_align as unguarded_roi_align

FARTHEST = 1e6  # px: no image is so large, and the sums of such places stay finite


def usable(places: Tensor) -> Tensor:
    """Which of them are numbers that a kernel may read at; neither NaN nor infinite nor absurdly far."""
    return places.abs() < FARTHEST


def roi_align(
    maps: Tensor,
    boxes: Tensor,
    side: int,
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 2,
) -> Tensor:
    """RoIAlign (He et al. 2017), aligned; rows that are not usable are NaN.

    maps   (B, c, h, w)
    boxes  (n, 5): index of the map, corners in pixels; spatial_scale makes them places of the map
    ->     (n, c, side, side)
    """
    good = usable(boxes).all(1)
    safe = torch.where(good[:, None], boxes, torch.zeros_like(boxes))
    found: Tensor = unguarded_roi_align(
        maps,
        safe,
        side,
        spatial_scale=spatial_scale,
        sampling_ratio=sampling_ratio,
        aligned=True,
    )
    return found.masked_fill(~good[:, None, None, None], torch.nan)


def deformable(
    x: Tensor,
    offsets: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    padding: int,
) -> Tensor:
    """A deformable convolution (Zhu et al. 2019); all NaN where an offset is not usable.

    x (B, c, h, w); offsets (B, 2 k k, h, w) px; weight (C, c, k, k); bias (C,) -> (B, C, h, w)
    """
    good = usable(offsets)
    safe = torch.where(good, offsets, torch.zeros_like(offsets))
    found: Tensor = deform_conv2d(x, safe, weight, bias, padding=padding)
    return found if bool(good.all()) else found * torch.nan
