"""Places that are no numbers: the kernels answer NaN, and training ends with a sentence, not with its process."""

import pytest
import torch
from torchvision.ops import roi_align as torchvision_roi_align

from inference.detectors.rcnn import RcnnNet, RcnnSettings
from inference.methods import cfr_sam
from inference.methods.cfr_sam import net as masks
from inference.methods.cfr_sam.net import CfrNet, MaskBatch
from inference.methods.cfr_sam.refinement import Deformable
from inference.methods.cfr_sam.training import backbone
from inference.methods.sampling import roi_align
from inference.training.loop import Schedule, fit
from inference.types import TrainingDiverged

BAD = (float("nan"), float("inf"), -float("inf"), 1e30)


@pytest.mark.parametrize("bad", BAD)
def test_regions_without_a_place_are_nan_and_the_others_as_they_were(bad):
    maps = torch.rand(1, 4, 32, 32, requires_grad=True)
    boxes = torch.tensor(
        [
            [0.0, 1.0, 2.0, 20.0, 22.0],
            [0.0, bad, 2.0, 20.0, 22.0],
        ]
    )
    found = roi_align(maps, boxes, 7)
    wanted = torchvision_roi_align(maps, boxes[:1], 7, sampling_ratio=2, aligned=True)
    assert torch.equal(found[:1], wanted)
    assert found[1].isnan().all()
    found[0].sum().backward()
    assert maps.grad.isfinite().all()


@pytest.mark.parametrize("bad", BAD)
def test_offsets_that_are_no_numbers_give_nan_of_the_same_shape(bad):
    layer = Deformable(4, 6)
    x = torch.rand(2, 4, 16, 16)
    plain = layer(x)
    assert torch.allclose(plain, layer.weights(x, torch.zeros(2, 18, 16, 16)))
    with torch.no_grad():
        layer.offsets.bias[3] = bad
    found = layer(x)
    assert found.shape == plain.shape
    assert found.isnan().all()


def test_weights_of_nan_end_a_training_of_cfr_sam_with_a_sentence(tmp_path):
    sam, learned = backbone("boxwise-sam")
    settings = cfr_sam.PRESETS["tiny"].masks
    net = CfrNet(sam, settings, frozen=learned)
    torch.nn.init.constant_(net.refinement.move.offsets.weight, float("nan"))
    window = settings.window
    drawn = MaskBatch(
        images=torch.rand(1, 3, settings.view, settings.view),
        points=[torch.tensor([[60.0, 60.0]])],
        masks=[torch.ones(1, window, window)],
        valid=[torch.ones(1, window, window)],
    )
    with pytest.raises(TrainingDiverged, match="the loss became nan in epoch 1, batch 1"):
        fit(
            net,
            lambda rng: drawn,
            masks.loss,
            Schedule(steps=2, epoch=1),
            device=torch.device("cpu"),
            work=tmp_path,
            fingerprint="",
            report=lambda progress: None,
            stop=lambda: False,
        )


def test_weights_of_nan_give_a_two_stage_detector_a_loss_of_nan():
    """torchvision drops proposals that are no boxes before it reads at them; this would end the process otherwise."""
    net = RcnnNet(1, RcnnSettings(backbone="resnet18"))
    for value in net.parameters():
        torch.nn.init.constant_(value, float("nan"))
    boxes = [torch.tensor([[10.0, 10.0, 30.0, 30.0]])]
    classes = [torch.zeros(1, dtype=torch.int64)]
    loss = net.losses(torch.rand(1, 3, 128, 128), boxes, classes, torch.ones(1, 128, 128))
    assert not loss.isfinite()
