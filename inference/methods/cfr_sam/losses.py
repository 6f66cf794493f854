"""The losses of both stages of CFR-SAM (equations 1, 2, 15 and 16)."""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

Indices = npt.NDArray[np.intp]


def matching(
    probabilities: Tensor,
    points: Tensor,
    classes: Tensor,
    centres: Tensor,
    distance_weight: float,
) -> tuple[Indices, Indices]:
    """Which anchor learns which nucleus: the assignment with the greatest total of equation 1,

        score(i, j) = p_i(class_j) - distance_weight |point_i - centre_j|

    probabilities (m, classes + 1), points (m, 2) px, classes (n,), centres (n, 2) px; n <= m
    ->            indices of anchors and of nuclei, (n,) each

    Raises ValueError for more nuclei than anchors.
    """
    if len(centres) > len(points):
        raise ValueError(f"{len(points)} anchors cannot learn {len(centres)} nuclei")
    likely = probabilities[:, classes]
    apart = torch.cdist(points, centres)
    score = likely - distance_weight * apart
    table = score.detach().double().cpu().numpy()
    anchors, nuclei = linear_sum_assignment(table, maximize=True)
    return anchors, nuclei


def prompt_loss(
    logits: Tensor,
    points: Tensor,
    classes: Tensor,
    centres: Tensor,
    known: Tensor,
    *,
    distance_weight: float,
    negative_weight: float,
    regression_weight: float,
) -> Tensor:
    """Equation 2 without its auxiliary term, of one image with m anchors and n nuclei:

        (sum over matched anchors of -log p(class) + negative_weight sum over the others of -log p(background)) / m
            + regression_weight / n sum over matched anchors of |point - centre|^2

    logits  (m, classes + 1), the background last; points (m, 2) px; classes (n,); centres (n, 2) px
    known   (m,) bool: an anchor that is not known to lie on background teaches nothing unless it is matched
    """
    background = logits.shape[1] - 1
    anchors, nuclei = matching(logits.softmax(1), points, classes, centres, distance_weight)
    wanted = torch.full_like(known, background, dtype=torch.long)
    wanted[anchors] = classes[nuclei]
    weight = negative_weight * known.to(logits.dtype)
    weight[anchors] = 1
    values = F.cross_entropy(logits, wanted, reduction="none")
    loss = (values * weight).sum() / len(logits)
    if not len(anchors):
        return loss
    apart = (points[anchors] - centres[nuclei]).square().sum(1)
    return loss + regression_weight * apart.mean()


def focal(logits: Tensor, wanted: Tensor, valid: Tensor) -> Tensor:
    """Mean focal loss (Lin et al. 2017; alpha .25, gamma 2) where valid; all of one shape."""
    values = sigmoid_focal_loss(logits, wanted, alpha=0.25, gamma=2.0, reduction="none")
    return mean_where(values, valid)


def mean_where(values: Tensor, valid: Tensor) -> Tensor:
    """0 where nothing is valid."""
    total = (values * valid).sum()
    count = valid.sum().clamp(min=1)
    return total / count


def dice(logits: Tensor, wanted: Tensor, valid: Tensor) -> Tensor:
    """Mean over masks of 1 - (2 sum p t + 1) / (sum p + sum t + 1), where valid; (n, h, w) each."""
    found = torch.sigmoid(logits) * valid
    there = wanted * valid
    shared = (found * there).sum((1, 2))
    both = (found + there).sum((1, 2))
    share = (2 * shared + 1) / (both + 1)
    return (1 - share).mean()


def quality_loss(quality: Tensor, logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean of (predicted IoU - IoU of the mask at .5)^2. quality (n,); logits and wanted (n, h, w)"""
    found = logits.detach() > 0
    there = wanted > 0.5
    shared = (found & there).sum((1, 2))
    either = (found | there).sum((1, 2))
    iou = shared / either.clamp(min=1)
    return (quality - iou).square().mean()


def mask_loss(logits: Tensor, wanted: Tensor, valid: Tensor, focal_weight: float) -> Tensor:
    """Equation 16 without its term of the predicted IoU, which `quality_loss` is. (n, h, w) each"""
    return focal_weight * focal(logits, wanted, valid) + dice(logits, wanted, valid)


def boundaries(masks: Tensor) -> Tensor:
    """(n, h, w) of 0 and 1 -> 1 where the 3 x 3 pixels around hold both, on either side of the border."""
    single = masks.unsqueeze(1)
    padded = F.pad(single, (1, 1, 1, 1), mode="replicate")
    high = F.max_pool2d(padded, 3, stride=1)
    low = -F.max_pool2d(-padded, 3, stride=1)
    return (high - low).squeeze(1)


def boundary_loss(logits: Tensor, masks: Tensor, valid: Tensor) -> Tensor:
    """Binary cross-entropy + Dice to the boundaries of the masks, where valid; (n, h, w) each."""
    wanted = boundaries(masks)
    values = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return mean_where(values, valid) + dice(logits, wanted, valid)
