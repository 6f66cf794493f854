"""Losses of the methods, by hand and by finite differences."""

import math

import pytest
import torch

from inference.methods.losses import binary_cross_entropy, dice_loss, iou_loss, l1_loss

HALF = torch.zeros(1, 1, 2)  # logits of p = 0.5
LOG3 = math.log(3)  # the logit of p = 0.75


def test_cross_entropy_by_hand():
    logits = torch.tensor([[[LOG3, LOG3, 5.0]]])
    wanted = torch.tensor([[[1.0, 0.0, 0.0]]])
    valid = torch.tensor([[[1.0, 1.0, 0.0]]])  # the third is not known
    expected = (-math.log(0.75) - math.log(0.25)) / 2
    assert binary_cross_entropy(logits, wanted, valid).item() == pytest.approx(
        expected,
        abs=1e-6,
    )
    assert binary_cross_entropy(logits, wanted, torch.zeros_like(valid)).item() == 0


def test_intersection_over_union_by_hand():
    wanted = torch.tensor([[[1.0, 0.0]]])
    # shared 0.5; united (0.5 + 1 - 0.5) + (0.5 + 0 - 0) = 1.5
    assert iou_loss(
        HALF,
        wanted,
        torch.ones(1, 1, 2),
    ).item() == pytest.approx(1 - 0.5 / 1.5)
    # only the first pixel is valid: shared 0.5, united 1
    assert iou_loss(HALF, wanted, wanted).item() == pytest.approx(0.5)
    assert (
        iou_loss(
            torch.zeros(0, 2, 2),
            torch.zeros(0, 2, 2),
            torch.ones(0, 2, 2),
        ).item()
        == 0
    )


def test_dice_by_hand():
    wanted = torch.tensor([[[1.0, 0.0]]])
    # 1 - (2 * 0.5 + 1) / (1 + 1 + 1)
    assert dice_loss(HALF, wanted).item() == pytest.approx(1 / 3)


def test_absolute_difference_by_hand():
    found = torch.tensor([[[0.5, 1.0, -9.0]], [[0.0, 0.0, 9.0]]])
    wanted = torch.tensor([[[0.0, 0.0, 0.0]], [[0.0, 2.0, 0.0]]])
    valid = torch.tensor([[[1.0, 1.0, 0.0]]])
    assert l1_loss(found, wanted, valid).item() == pytest.approx((0.5 + 1 + 0 + 2) / 4)


@pytest.mark.parametrize("loss", [binary_cross_entropy, iou_loss, l1_loss, dice_loss])
def test_gradients_are_those_of_finite_differences(loss):
    torch.manual_seed(0)
    found = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    wanted = torch.rand(2, 3, 4, dtype=torch.float64)
    valid = (torch.rand(2, 3, 4) > 0.3).double()
    more = () if loss is dice_loss else (valid,)
    assert torch.autograd.gradcheck(lambda x: loss(x, wanted, *more), found)
