"""What laboratories and scanners do to colour, and what a microscope does to orientation."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inference.types import RGB

# Ruifrok & Johnston 2001: optical density of hematoxylin, eosin and a residual stain, one row each.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32)
STAINS /= np.linalg.norm(STAINS, axis=1, keepdims=True)


def jitter_colour(batch: Tensor, rng: np.random.Generator, *, strength: float = 1.0) -> Tensor:
    """Another stain, scanner and focus for every image of a batch. (B, 3, H, W) in 0..1 -> the same.

    Stain amounts +-35 % and offsets +-.05 in HED space with a noisy stain matrix, then gamma, contrast, brightness,
    saturation; for some images blur, noise, or grey. `strength` scales all of it.
    """
    n = len(batch)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        middle = (low + high) / 2
        low, high = middle + (low - middle) * strength, middle + (high - middle) * strength
        return torch.from_numpy(rng.uniform(low, high, (n, *shape)).astype(np.float32))

    stains = torch.from_numpy(STAINS)[None] + draw(-0.06, 0.06, 3, 3)
    to_stain = torch.linalg.inv(stains)
    remixed = stains + draw(-0.06, 0.06, 3, 3)
    density = -torch.log(batch.clamp(min=1 / 255))
    amounts = torch.einsum("bcs,bchw->bshw", to_stain, density)
    amounts = amounts * draw(0.65, 1.35, 3, 1, 1) + draw(-0.05, 0.05, 3, 1, 1)
    x = torch.exp(-torch.einsum("bsc,bshw->bchw", remixed, amounts)).clamp(0, 1)
    x = x.clamp(min=1e-4) ** torch.exp(draw(-0.3, 0.3, 1, 1, 1))
    mean = x.mean((2, 3), keepdim=True)
    x = (x - mean) * draw(0.75, 1.3, 1, 1, 1) + mean + draw(-0.08, 0.08, 1, 1, 1)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * torch.where(draw(0, 1, 1, 1, 1) < 0.05, torch.zeros(()), draw(0.6, 1.4, 1, 1, 1))
    blurred = rng.random(n) < 0.25
    if blurred.any():
        soft = torch.nn.functional.avg_pool2d(
            torch.nn.functional.pad(x[blurred], (1, 1, 1, 1), mode="replicate"), 3, stride=1
        )
        x[blurred] = soft
    noise = torch.from_numpy(rng.standard_normal(tuple(x.shape), np.float32)) * draw(0, 0.04, 1, 1, 1)
    plain = torch.from_numpy(rng.random(n) < 0.1)  # some images as they are: the exact stain is worth knowing too
    out = torch.where(plain[:, None, None, None], batch, (x + noise).clamp(0, 1))
    return out.contiguous(memory_format=torch.channels_last)


def crop(
    rgb: RGB, planes: list[npt.NDArray[Any]], side: int, rng: np.random.Generator, *, zoom: tuple[float, float]
) -> tuple[RGB, list[npt.NDArray[Any]], tuple[float, float, float]]:
    """A random square of `side` pixels, magnified by a random factor from `zoom`.

    planes  (H, W) arrays cut alike with nearest neighbours; outside the image they are 0, colours are reflected
    ->      image, planes, (x, y, scale): a point p of the image lies at (p - (x, y)) * scale in the crop
    """
    h, w = rgb.shape[:2]
    scale = float(np.exp(rng.uniform(np.log(zoom[0]), np.log(zoom[1]))))
    cut = side / scale
    x = rng.uniform(0, w - cut) if w > cut else (w - cut) / 2
    y = rng.uniform(0, h - cut) if h > cut else (h - cut) / 2
    # Pixel centres: output pixel u shows image position x + (u + .5) / scale - .5.
    back = np.array([[1 / scale, 0, x + 0.5 / scale - 0.5], [0, 1 / scale, y + 0.5 / scale - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    image = cv2.warpAffine(rgb, back, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    cuts = [
        cv2.warpAffine(plane, back, (side, side), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST) for plane in planes
    ]
    return image, cuts, (x, y, scale)


def turn(array: npt.NDArray[Any], quarter: int, mirror: bool) -> npt.NDArray[Any]:
    """Quarter turns counter-clockwise, then a left-right mirror."""
    turned = np.rot90(array, quarter)
    return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)


def turn_boxes(boxes: npt.NDArray[np.float64], side: int, quarter: int, mirror: bool) -> npt.NDArray[np.float64]:
    """What `turn` does to boxes in a square of `side` pixels."""
    x0, y0, x1, y1 = boxes.T
    for _ in range(quarter % 4):
        x0, y0, x1, y1 = y0, side - x1, y1, side - x0
    if mirror:
        x0, x1 = side - x1, side - x0
    return np.stack([x0, y0, x1, y1], axis=1)
