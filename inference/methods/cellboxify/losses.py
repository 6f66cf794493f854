"""CellBoxify's polygon loss, L_polygon = alpha L_u + beta L_lp + gamma L_gp (Khalid et al. 2024, section 3.3).

Where the paper writes sums over pixels, these are means, so that the weights do not depend on the size to which a cell
is clipped.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import complete_box_iou_loss, roi_align

from inference.methods.cellboxify.polygons import boxes_of_polygons

EPSILON = 1e-6


def unary(polygons: Tensor, boxes: Tensor) -> Tensor:
    """L_u = 1 - CIoU(b_c, b): the box of the polygon should be the box that a person drew (Zheng et al. 2020).

    polygons  (n, k, 2) and boxes (n, 4) in one frame
    ->        (n,)
    """
    around = boxes_of_polygons(polygons)
    loss: Tensor = complete_box_iou_loss(around, boxes, reduction="none")
    return loss


def neighbours(maps: Tensor, window: int) -> Tensor:
    """(n, c, h, w) -> (n, c, window * window - 1, h, w): what lies around each pixel; 0 beyond the border.

    Raises ValueError when the window has no middle.
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"a window around a pixel has 3, 5, 7 ... pixels on a side, not {window}")
    n, channels, height, width = maps.shape
    places = window * window
    patches = F.unfold(maps, window, padding=window // 2)
    patches = patches.reshape(n, channels, places, height, width)
    middle = places // 2
    before = patches[:, :, :middle]
    after = patches[:, :, middle + 1 :]
    return torch.cat([before, after], dim=2)


def affinity(colours: Tensor, window: int, sigma: float) -> Tensor:
    """w[(i, j), (p, q)] = exp(-(|I(i, j) - I(p, q)| / sigma)^2), and 0 where (p, q) lies beyond the border.

    colours  (n, 3, h, w) in 0..1
    sigma    colour distance at which the affinity is 1/e
    ->       (n, window * window - 1, h, w)
    """
    around = neighbours(colours, window)
    own = colours.unsqueeze(2)
    squared = (around - own).square().sum(dim=1)
    everywhere = torch.ones_like(colours[:, :1])
    inside = neighbours(everywhere, window).squeeze(1)
    alike = torch.exp(-squared / sigma**2)
    return alike * inside


def local_pairwise(masks: Tensor, weights: Tensor, window: int) -> Tensor:
    """L_lp: the affinity-weighted mean of |U(i, j) - U(p, q)| over all pairs of neighbours in a window.

    masks    (n, h, w) in 0..1
    weights  (n, window * window - 1, h, w) of `affinity`
    ->       (n,)
    """
    own = masks.unsqueeze(1)
    around = neighbours(own, window).squeeze(1)
    steps = (around - own).abs() * weights
    total = weights.flatten(1).sum(1)
    return steps.flatten(1).sum(1) / (total + EPSILON)


def global_pairwise(masks: Tensor, colours: Tensor) -> Tensor:
    """L_gp: the mean of |I - u_in|^2 U + |I - u_out|^2 (1 - U), where u_in and u_out are the mean colours inside and
    outside the polygon (Chan & Vese 2001).

    masks (n, h, w) in 0..1; colours (n, 3, h, w) in 0..1; -> (n,)
    """
    inside = masks.unsqueeze(1)
    loss = _spread(inside, colours)
    loss = loss + _spread(1 - inside, colours)
    return loss.mean((1, 2))


def _spread(share: Tensor, colours: Tensor) -> Tensor:
    """(n, h, w): the squared distance of each colour from the mean of a part, weighted by its share (n, 1, h, w)."""
    total = share.sum((2, 3), keepdim=True)
    weighted = colours * share
    mean = weighted.sum((2, 3), keepdim=True) / (total + EPSILON)
    squared = (colours - mean).square()
    apart = squared.sum(1)
    return apart * share.squeeze(1)


def clip_to_boxes(images: Tensor, boxes: list[Tensor], side: int) -> Tensor:
    """The clipping strategy: RoIAlign cuts each box out of its image at one fixed size.

    images  (b, 3, H, W)
    boxes   b tensors (n_i, 4), image pixels
    ->      (sum of n_i, 3, side, side)
    """
    cut: Tensor = roi_align(images, boxes, output_size=side, sampling_ratio=2, aligned=True)
    return cut
