"""Polygons that a loss can see through: vertices -> how far inside the polygon each pixel lies.

The paper writes U'_C for the mask of a polygon C and does not say how it is differentiable; its source, BoxSnake (Yang
et al. 2023), uses the distance to the polygon. Here too: U'_C = sigmoid(s d / softness), where d is the distance from a
pixel's centre to the nearest side of the polygon and s is +1 inside it and -1 outside.
"""

import math

import torch
from torch import Tensor

TINY = 1e-9  # keeps the root of a distance of 0 differentiable


def ellipse(vertices: int) -> Tensor:
    """(vertices, 2): x, y of points on the ellipse inscribed in the unit square, from its rightmost point on."""
    angle = torch.arange(vertices) * (2 * math.pi / vertices)
    return 0.5 + 0.5 * torch.stack([angle.cos(), angle.sin()], dim=1)


def boxes_of_polygons(polygons: Tensor) -> Tensor:
    """(n, k, 2) -> (n, 4): the least x and y, the greatest x and y of the vertices."""
    return torch.cat([polygons.amin(dim=1), polygons.amax(dim=1)], dim=1)


def placed(polygons: Tensor, boxes: Tensor) -> Tensor:
    """(n, k, 2) vertices in units of their boxes (0 is the box's left or upper side, 1 the other one) -> in the frame
    in which boxes (n, 4) are given."""
    corner, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    return corner + polygons * size


def relative(polygons: Tensor, boxes: Tensor) -> Tensor:
    """The inverse of `placed`."""
    corner, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    return (polygons - corner) / size


def soft_masks(polygons: Tensor, side: int, softness: float) -> Tensor:
    """U'_C on a grid of side x side pixels over the unit square.

    polygons  (n, k, 2): x, y, in units of the square
    softness  pixels of the grid over which the mask rises from .5 to sigmoid(1) = .73
    ->        (n, side, side) in 0..1
    """
    grid = (torch.arange(side, device=polygons.device, dtype=polygons.dtype) + 0.5) / side
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    pixels = torch.stack([x, y], dim=-1).reshape(1, -1, 1, 2)  # (1, side * side, 1, 2)
    start = polygons[:, None]  # (n, 1, k, 2)
    end = polygons.roll(-1, dims=1)[:, None]
    distance = _distance(pixels, start, end) * side
    sign = torch.where(_inside(pixels, start, end), 1.0, -1.0)
    mask = torch.sigmoid(sign * distance / softness)
    return mask.reshape(-1, side, side)


def _distance(pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """(n, p): from each pixel to the nearest side."""
    along = end - start
    way = pixels - start
    share = (way * along).sum(-1) / (along.square().sum(-1) + TINY)
    foot = share.clamp(0, 1)[..., None] * along
    squared = (way - foot).square().sum(-1)
    return (squared.amin(-1) + TINY).sqrt()


@torch.no_grad()
def _inside(pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """(n, p) bool: a ray to the right crosses an odd number of sides."""
    x, y = pixels.unbind(-1)
    x0, y0 = start.unbind(-1)
    x1, y1 = end.unbind(-1)
    spans = (y0 > y) != (y1 > y)
    height = torch.where(spans, y1 - y0, torch.ones_like(y1))
    crossing = x0 + (y - y0) / height * (x1 - x0)
    crossed = spans & (x < crossing)
    odd: Tensor = crossed.sum(-1) % 2 == 1
    return odd
