"""DES-SAM: its losses by hand, its net, a small training, stopped and gone on with."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from inference import metrics
from inference.commands import predict, train
from inference.datasets import read_labels
from inference.methods import des_sam, frame
from inference.methods.backbones import trained_parameters
from inference.methods.des_sam.learning import distillation, edge_loss
from inference.methods.des_sam.net import BoxHeads, DesNet, Size, box_losses
from inference.methods.des_sam.settings import PRESETS, VITDET, settings_of
from inference.methods.losses import dice_loss
from inference.prompters.compact import BoxwiseSam, CompactNet
from inference.prompters.paint import paint
from inference.prompters.sam_nets import Architecture, SamNet
from inference.types import Cancelled, InferenceError, Prompts
from inference.weights import shipped
from tests.inference.conftest import painted_field

VIT_B = Architecture(1024, 16, 768, 12, 12, (2, 5, 8, 11), 14)
LOG3 = math.log(3)


# -- the losses


def test_box_losses_by_hand():
    logits = torch.tensor([[0.0, LOG3], [0.0, LOG3], [1.0, 1.0]])  # p = 0.75, 0.75, 0.5
    sides = torch.tensor([[1.0, 0.0, 0.0, 0.0], [9.0, 9.0, 9.0, 9.0], [0.0, 0.0, 0.0, 0.0]])
    wanted = torch.tensor([[0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    labels = torch.tensor([1, 0, 0])
    found = box_losses(logits, sides, labels, wanted)
    expected = -(math.log(0.75) + math.log(0.25) + math.log(0.5)) / 3
    assert found["classification"].item() == pytest.approx(expected, abs=1e-6)
    assert found["boxes"].item() == pytest.approx((1 + 2) / 3)  # of the one cell


def test_distillation_by_hand():
    teacher = torch.tensor([[[5.0, -5.0]]])
    student = torch.tensor([[[LOG3, 0.0]]])  # p = 0.75, 0.5
    cross = -(math.log(0.75) + math.log(0.5)) / 2
    dice = 1 - (2 * 0.75 + 1) / (0.75 + 0.5 + 1 + 1)
    assert distillation(teacher, student).item() == pytest.approx(
        cross + dice,
        abs=1e-6,
    )


def test_an_edge_where_colours_change_costs_less_than_one_elsewhere():
    image = torch.zeros(3, 64, 64)
    image[:, 20:40, 20:40] = 1
    boxes = torch.tensor([[20.0, 20.0, 40.0, 40.0]])
    on_the_edge = torch.full((1, 64, 64), -9.0)
    on_the_edge[:, 20:40, 20:40] = 9
    beside = on_the_edge.roll(5, 2)
    settings = PRESETS["quick"]
    good, bad = (
        edge_loss(masks, image, boxes, settings).item()
        for masks in (
            on_the_edge,
            beside,
        )
    )
    assert good < 0.01 < bad
    assert edge_loss(on_the_edge[:0], image, boxes[:0], settings).item() == 0


@pytest.mark.parametrize("part", ["distillation", "edges", "boxes"])
def test_gradients_are_those_of_finite_differences(part):
    torch.manual_seed(0)
    masks = torch.randn(2, 12, 12, dtype=torch.float64, requires_grad=True)
    image = torch.rand(3, 12, 12, dtype=torch.float64)
    boxes = torch.tensor(
        [[2.0, 2.0, 9.0, 8.0], [1.0, 3.0, 7.0, 10.0]],
        dtype=torch.float64,
    )
    if part == "distillation":
        assert torch.autograd.gradcheck(
            lambda x: distillation(image[:2] - 0.5, x),
            masks,
        )
    elif part == "edges":
        both = settings_of("quick")
        assert torch.autograd.gradcheck(
            lambda x: edge_loss(x, image, boxes, both),
            masks,
        )
    else:
        logits = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
        sides = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
        labels = torch.tensor([1, 0, 1, 0, 1])
        wanted = torch.randn(5, 4, dtype=torch.float64)

        def total(a, b):
            return sum(box_losses(a, b, labels, wanted).values())

        assert torch.autograd.gradcheck(total, (logits, sides))


# -- the net


def small_net():
    torch.manual_seed(0)
    return DesNet(CompactNet().requires_grad_(False).eval(), Size(), anchor=8.0)


def test_the_full_configuration_has_the_parameters_that_the_card_names():
    with torch.device("meta"):
        net = DesNet(SamNet(VIT_B).requires_grad_(False), VITDET, anchor=16.0)
    assert trained_parameters(net) == 18_652_761  # the paper: 18.34 M


def test_the_learned_tokens_alone_part_student_and_teacher():
    net = small_net().eval()
    seen = net.embed(torch.randn(1, 3, 256, 256))
    boxes = torch.tensor([[20.0, 20, 44, 50], [100, 100, 130, 120]])
    teacher, student = (
        net.masks(seen, boxes, student=student)
        for student in (
            False,
            True,
        )
    )
    assert teacher.shape == (2, 128, 128) and not torch.equal(teacher, student)
    net.prompts.data = net.prompts[:0].data
    assert torch.allclose(net.masks(seen, boxes, student=True), teacher, atol=1e-5)
    frozen = {name for name, value in net.named_parameters() if not value.requires_grad}
    assert frozen == {name for name, _ in net.named_parameters() if name.startswith("sam.")}


def test_masks_are_learned_of_what_the_detector_made_of_a_cell():
    net = small_net().train()
    boxes = [torch.tensor([[20.0, 20, 44, 50], [100, 100, 130, 120]])]
    losses, chosen = net.detection_losses(
        net.embed(torch.randn(1, 3, 256, 256)),
        boxes,
        torch.ones(1, 256, 256),
    )
    assert set(losses) == {"loss_objectness", "loss_rpn_box_reg", "classification", "boxes"}
    assert isinstance(net.heads, BoxHeads) and len(chosen) == 1
    assert len(chosen[0].found) == len(chosen[0].drawn) >= 2  # the boxes themselves are among the proposals
    assert {tuple(box) for box in chosen[0].drawn.tolist()} == {tuple(box) for box in boxes[0].tolist()}


# -- training


def test_by_the_commands(painted_folder, own_net, tmp_path, capsys):
    model, out = tmp_path / "model", tmp_path / "out"
    arguments = ["--method", "des-sam", "--preset", "tiny", "--device", "cpu"]
    assert train.main([str(painted_folder), "-o", str(model), *arguments]) == 0
    assert predict.main([str(model), str(painted_folder / "images/2.png"), "-o", str(out), "--device", "cpu"]) == 0
    assert "2.png: " in capsys.readouterr().out
    assert read_labels(out / "labels/2.png").shape == (192, 192)


def test_a_stopped_training_goes_on_to_the_same_weights(own_net, tmp_path):
    settings = settings_of("tiny", device="cpu")
    settings = replace(settings, schedule=replace(settings.schedule, steps=2, epoch=1))
    samples = [painted_field(i) for i in range(2)]
    seen = []

    def run(output, report, stop):
        return frame.train(
            "des-sam",
            samples,
            [],
            settings,
            output=output,
            report=report,
            stop=stop,
        )

    run(tmp_path / "whole", lambda p: None, lambda: False)
    with pytest.raises(Cancelled):
        run(tmp_path / "parts", seen.append, lambda: len(seen) == 1)
    assert not (tmp_path / "parts/des-sam.json").exists()
    run(tmp_path / "parts", seen.append, lambda: False)
    assert [progress.done for progress in seen] == [1, 2]
    whole, parts = ((tmp_path / name / des_sam.WEIGHTS).read_bytes() for name in ("whole", "parts"))
    assert whole == parts


def test_labels_that_it_cannot_learn_from_are_declined(tmp_path):
    settings = settings_of("tiny", device="cpu")
    with pytest.raises(InferenceError, match="DES-SAM needs 20 boxes; there are 4"):
        few = [painted_field(0, cells=4)]
        frame.train(
            "des-sam",
            few,
            [],
            settings,
            output=tmp_path,
            report=print,
            stop=lambda: False,
        )
    points = painted_field(0, cells=30, side=256)
    points.boxes[:, 2:] = points.boxes[:, :2]
    with pytest.raises(InferenceError, match="learns from boxes, and there is none"):
        des_sam.train(
            [points],
            [],
            settings,
            output=tmp_path,
            report=print,
            stop=lambda: False,
        )


def test_cells_are_found_once_and_stay_near_their_boxes(own_net):
    net = small_net()
    made = des_sam.DesSam(
        net,
        settings_of("tiny"),
        device=torch.device("cpu"),
        digest="",
    )

    def whole_view(seen, boxes, *, student):
        return torch.full((len(boxes), 128, 128), 5.0)

    def one_box(seen):
        return {"boxes": torch.tensor([[100.0, 100, 120, 130]]), "scores": torch.tensor([0.9])}

    net.masks, net.detect = whole_view, one_box
    found = made.predict(np.full((256, 256, 3), 200, np.uint8))
    rows, columns = np.nonzero(found.labels)
    assert found.scores.tolist() == [pytest.approx(0.9)]
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (94, 136, 96, 124)  # a fifth around


def test_dice_of_the_same_mask_is_almost_nothing():
    sure = torch.tensor([[[20.0, -20.0]]])
    assert dice_loss(sure, (sure > 0).float()).item() < 1e-6


@pytest.mark.slow
@pytest.mark.skipif(shipped("boxwise_sam") is None, reason="built without weights of boxwise-sam")
def test_one_real_image_is_learned_by_heart(tnbc, tmp_path):
    """From its boxes alone: as well as its teacher draws the same cells in a person's boxes."""
    sample = tnbc.sample(tnbc.split("train")[0], with_labels=True)
    settings = settings_of("quick", device="cpu")
    schedule = replace(settings.schedule, steps=250, epoch=50, lr=1e-3, average=0.9)
    settings = replace(settings, schedule=schedule, zoom=(1.0, 1.0), colour=0.0)
    made = frame.train(
        "des-sam",
        [replace(sample, labels=None)],
        [],
        settings,
        output=tmp_path,
        report=lambda p: print(p.done, p.values, flush=True),
        stop=lambda: False,
    )
    found = frame.load(made, device="cpu").predict(sample.rgb).labels
    teacher = BoxwiseSam(device="cpu")
    taught = paint(teacher.decode(teacher.encode(sample.rgb), Prompts(boxes=sample.boxes)), *found.shape[::-1])
    truth = sample.labels > 0
    dice, limit = metrics.dice(truth, found > 0), metrics.dice(truth, taught > 0)
    print(f"Dice {dice:.3f}, the teacher's with a person's boxes {limit:.3f}")
    assert dice > limit - 0.04
