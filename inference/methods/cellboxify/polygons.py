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
    step = 2 * math.pi / vertices
    angle = step * torch.arange(vertices)
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    return 0.5 + 0.5 * circle


def boxes_of_polygons(polygons: Tensor) -> Tensor:
    """(n, k, 2) -> (n, 4): the least x and y, the greatest x and y of the vertices."""
    low = polygons.amin(dim=1)
    high = polygons.amax(dim=1)
    return torch.cat([low, high], dim=1)


def placed(polygons: Tensor, boxes: Tensor) -> Tensor:
    """(n, k, 2) vertices in units of their boxes (0 is the box's left or upper side, 1 the other one) -> in the frame
    in which boxes (n, 4) are given."""
    corner, size = _corner_and_size(boxes)
    return corner + polygons * size


def relative(polygons: Tensor, boxes: Tensor) -> Tensor:
    """The inverse of `placed`."""
    corner, size = _corner_and_size(boxes)
    return (polygons - corner) / size


def _corner_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(n, 1, 2) each."""
    low, high = boxes.unsqueeze(1).chunk(2, dim=2)
    return low, high - low


def soft_masks(polygons: Tensor, side: int, softness: float) -> Tensor:
    """U'_C on a grid of side x side pixels over the unit square.

    polygons  (n, k, 2): x, y, in units of the square
    softness  pixels of the grid over which the mask rises from .5 to sigmoid(1) = .73
    ->        (n, side, side) in 0..1
    """
    numbers = torch.arange(side).to(polygons)
    grid = (numbers + 0.5) / side
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    pixels = torch.stack([x, y], dim=-1)
    pixels = pixels.reshape(1, -1, 1, 2)  # (1, side * side, 1, 2)
    start = polygons.unsqueeze(1)  # (n, 1, k, 2)
    end = start.roll(-1, dims=2)
    distance = _distance(pixels, start, end)
    inside = _inside(pixels, start, end)
    signed = torch.where(inside, distance, -distance)
    mask = torch.sigmoid(signed * side / softness)
    return mask.reshape(-1, side, side)


def _distance(pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """(n, p): from each pixel to the nearest side."""
    along = end - start
    way = pixels - start
    length = along.square().sum(-1, keepdim=True)
    projected = (way * along).sum(-1, keepdim=True)
    share = projected / (length + TINY)
    foot = share.clamp(0, 1) * along
    squared = (way - foot).square().sum(-1)
    nearest = squared.amin(-1)
    return (nearest + TINY).sqrt()


@torch.no_grad()
def _inside(pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """(n, p) bool: a ray to the right crosses an odd number of sides."""
    x, y = pixels.unbind(-1)
    x0, y0 = start.unbind(-1)
    x1, y1 = end.unbind(-1)
    starts_below = y0 > y
    ends_below = y1 > y
    spans = starts_below != ends_below
    height = torch.where(spans, y1 - y0, 1.0)
    share = (y - y0) / height
    crossing = x0 + share * (x1 - x0)
    crossed = spans & (x < crossing)
    odd: Tensor = crossed.sum(-1) % 2 == 1
    return odd
