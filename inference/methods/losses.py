"""Losses that several methods share. All mean over what is valid, and are 0 where nothing is."""

import torch
import torch.nn.functional as F
from torch import Tensor


def binary_cross_entropy(
    logits: Tensor,
    wanted: Tensor,
    valid: Tensor,
) -> Tensor:
    """Mean of -t log p - (1 - t) log (1 - p) where valid; all of one shape, wanted and valid in 0..1."""
    values = F.binary_cross_entropy_with_logits(
        logits,
        wanted.to(logits.dtype),
        reduction="none",
    )
    return (values * valid).sum() / valid.sum().clamp(min=1)


def iou_loss(logits: Tensor, wanted: Tensor, valid: Tensor) -> Tensor:
    """Mean over masks of 1 - sum p t / sum (p + t - p t), where valid; (n, ..., h, w)."""
    p = torch.sigmoid(logits) * valid
    t = wanted * valid
    shared = (p * t).flatten(1).sum(1)
    united = (p + t - p * t).flatten(1).sum(1)
    return (1 - shared / united.clamp(min=1e-6)).mean() if len(logits) else logits.sum()


def dice_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean over masks of 1 - (2 sum p t + 1) / (sum p + sum t + 1); (n, ..., h, w)."""
    p = torch.sigmoid(logits)
    shared = (p * wanted).flatten(1).sum(1)
    sizes = p.flatten(1).sum(1) + wanted.flatten(1).sum(1)
    return (1 - (2 * shared + 1) / (sizes + 1)).mean() if len(logits) else logits.sum()


def l1_loss(found: Tensor, wanted: Tensor, valid: Tensor) -> Tensor:
    """Mean of |found - wanted| where valid, which is broadcast."""
    valid = valid.expand_as(found)
    return ((found - wanted).abs() * valid).sum() / valid.sum().clamp(min=1)
