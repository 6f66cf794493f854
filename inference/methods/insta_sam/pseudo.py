"""What InstaSAM learns from: masks of points, of which only the sure and single pixels count (paper, eq. 2 to 4), and
the distance maps of HoVer-Net (Graham et al. 2019) that are made of them."""

import torch
from torch import Tensor

IGNORED = -1
NEGATIVES = 4


def pseudo_labels(logits: Tensor, *, delta: float, epsilon: float) -> Tensor:
    """Instances that points agree on.

    F = sum_k [s(m_k) > delta],  H = - sum_k s(m_k) log s(m_k)
    y = argmax_k of (delta, s(m_1), ..., s(m_K)) where H < epsilon and F < 2, else ignored

    logits  (K, h, w) of the mask of each point
    ->      (h, w) int64: 0 background, k + 1 the cell of point k, IGNORED
    """
    if not len(logits):
        return torch.zeros(logits.shape[1:], dtype=torch.int64, device=logits.device)
    chance = torch.sigmoid(logits.float())
    covered = (chance > delta).sum(0)
    entropy = -(chance * torch.log(chance.clamp(min=1e-12))).sum(0)
    best, index = chance.max(0)
    found = torch.where(best > delta, index + 1, torch.zeros_like(index))
    found[(entropy >= epsilon) | (covered >= 2)] = IGNORED
    return found


def distance_maps(labels: Tensor) -> Tensor:
    """How far right and below its cell's centre each pixel lies: -1 at the left or top end, 1 at the right or bottom.

    labels  (h, w) int64, 0 and below is no cell
    ->      (2, h, w) float32, horizontal and vertical; 0 outside cells
    """
    found = torch.zeros(2, *labels.shape, device=labels.device)
    for number in labels.unique().tolist():
        if number <= 0:
            continue
        rows, columns = torch.nonzero(labels == number, as_tuple=True)
        for axis, place in ((0, columns), (1, rows)):
            away = place.float() - place.float().mean()
            reach = torch.where(away < 0, -away.min(), away.max()).clamp(min=1e-6)
            found[axis, rows, columns] = away / reach
    return found


def with_negatives(points: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """Prompts of one point inside and up to four points of other cells outside.

    points  (K, 2) x y; order (K, K) any numbers: of row k, the points with the smallest are its negatives
    ->      places (K, 5, 2) and signs (K, 5): 1 inside, 0 outside, -1 unused
    """
    count = len(points)
    places = points.new_zeros(count, 1 + NEGATIVES, 2)
    signs = torch.full(
        (count, 1 + NEGATIVES),
        -1,
        dtype=torch.int64,
        device=points.device,
    )
    places[:, 0], signs[:, 0] = points, 1
    others = min(NEGATIVES, count - 1)
    if others > 0:
        own = torch.eye(count, dtype=torch.bool, device=points.device)
        chosen = order.masked_fill(own, float("inf")).argsort(dim=1)[:, :others]
        places[:, 1 : 1 + others] = points[chosen]
        signs[:, 1 : 1 + others] = 0
    return places, signs
