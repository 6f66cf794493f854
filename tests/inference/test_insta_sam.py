"""InstaSAM: pseudo labels, maps, the objective and cells by hand; a small training, stopped and gone on with."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from inference import metrics
from inference.commands import predict, train
from inference.datasets import read_labels
from inference.labels import only_points
from inference.methods import frame, insta_sam
from inference.methods.backbones import normalised, part_of, trained_parameters
from inference.methods.insta_sam.net import InstaNet, high_frequencies
from inference.methods.insta_sam.pseudo import IGNORED, distance_maps, pseudo_labels, with_negatives
from inference.methods.insta_sam.watershed import cells_from_maps
from inference.nets import adopt, to_batch
from inference.prompters.compact import CompactNet
from inference.prompters.sam_nets import Architecture, SamNet
from inference.types import Cancelled, InferenceError
from inference.weights import files, shipped
from tests.inference.conftest import painted_field

VIT_H = Architecture(1024, 16, 1280, 32, 16, (7, 15, 23, 31), 14)


def logit(p):
    return math.log(p / (1 - p))


# -- what it learns from


def test_pseudo_labels_by_hand():
    chances = torch.tensor([[[0.99, 0.01, 0.99, 0.60, 0.30]], [[0.01, 0.99, 0.99, 0.01, 0.01]]])
    found = pseudo_labels(torch.logit(chances), delta=0.5, epsilon=0.3)
    # one mask; the other; two masks; -0.6 log 0.6 = 0.31 is too unsure; so is -0.3 log 0.3 = 0.36
    assert found.tolist() == [[1, 2, IGNORED, IGNORED, IGNORED]]
    background = pseudo_labels(
        torch.full((3, 1, 1), logit(0.01)),
        delta=0.5,
        epsilon=0.3,
    )
    assert background.tolist() == [[0]]
    assert pseudo_labels(
        torch.zeros(0, 2, 2),
        delta=0.5,
        epsilon=0.3,
    ).tolist() == [[0, 0], [0, 0]]


def test_distance_maps_by_hand():
    labels = torch.tensor([[1, 1, 1, 0], [2, IGNORED, 0, 0]])
    across, down = distance_maps(labels)
    assert across.tolist() == [[-1, 0, 1, 0], [0, 0, 0, 0]]
    assert down.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0]]
    assert distance_maps(labels.T.contiguous())[1].tolist() == across.T.tolist()


def test_negatives_are_other_points_and_never_the_own():
    points = torch.arange(12.0).reshape(6, 2)
    order = torch.rand(6, 6)
    places, signs = with_negatives(points, order)
    assert (places[:, 0] == points).all() and (signs == torch.tensor([1, 0, 0, 0, 0])).all()
    for row in range(6):
        others = {tuple(place) for place in places[row, 1:].tolist()}
        assert len(others) == 4 and tuple(points[row].tolist()) not in others
    _, few = with_negatives(points[:2], order[:2, :2])
    assert few.tolist() == [[1, 0, -1, -1, -1]] * 2
    assert with_negatives(
        points[:1],
        order[:1, :1],
    )[1].tolist() == [[1, -1, -1, -1, -1]]


def test_high_frequencies_leave_out_the_mean_and_keep_the_finest():
    flat = torch.full((1, 3, 32, 32), 0.7)
    assert high_frequencies(flat).abs().max() < 1e-5
    stripes = torch.zeros(1, 3, 32, 32)
    stripes[..., ::2] = 1
    assert torch.allclose(high_frequencies(stripes), stripes - 0.5, atol=1e-5)


# -- the objective


def test_the_objective_by_hand():
    """One pixel of one cell, which teacher and student are sure of; the maps say p = 0.5 and 0.25 to the right."""
    sure = torch.full((1, 1, 1), 20.0)
    maps = torch.tensor([[[0.0]], [[0.25]], [[0.0]]])
    settings = insta_sam.PRESETS["tiny"]
    valid = torch.ones(1, 1, dtype=torch.bool)
    found = insta_sam.image_loss(
        teacher=sure,
        student=sure,
        maps=maps,
        valid=valid,
        settings=settings,
    )
    # masks: nothing is wrong; foreground: log 2 + (1 - 0.5 / 1); distances: 5 * mean(0.25, 0)
    assert found.item() == pytest.approx(math.log(2) + 0.5 + 5 * 0.125, abs=1e-5)


def test_what_is_ignored_teaches_nothing():
    unsure = torch.full((1, 4, 4), logit(0.37))  # entropy 0.368
    maps = torch.randn(3, 4, 4)
    valid = torch.ones(4, 4, dtype=torch.bool)
    settings = insta_sam.PRESETS["tiny"]
    found = insta_sam.image_loss(
        teacher=unsure,
        student=unsure,
        maps=maps,
        valid=valid,
        settings=settings,
    )
    assert found.item() == pytest.approx(1 + 1, abs=1e-5)  # the two IoU losses of nothing
    unknown = insta_sam.image_loss(
        teacher=torch.full((1, 4, 4), 20.0), student=torch.full((1, 4, 4), 20.0,), maps=maps, valid=~valid,
        settings=settings,
    )  # fmt: skip
    assert unknown.item() == pytest.approx(1 + 1, abs=1e-5)


def test_the_gradient_of_the_objective_is_that_of_finite_differences():
    torch.manual_seed(1)
    teacher = torch.randn(2, 6, 6, dtype=torch.float64) * 6
    student = (teacher + torch.randn(2, 6, 6)).detach().requires_grad_(True)
    maps = torch.randn(3, 6, 6, dtype=torch.float64, requires_grad=True)
    valid = torch.ones(6, 6, dtype=torch.bool)
    settings = insta_sam.PRESETS["tiny"]

    def objective(masks, found):
        return insta_sam.image_loss(
            teacher=teacher,
            student=masks,
            maps=found,
            valid=valid,
            settings=settings,
        )

    assert torch.autograd.gradcheck(objective, (student, maps))


# -- the net


def test_training_begins_with_the_net_as_it_was_and_changes_no_frozen_weight():
    torch.manual_seed(0)
    net = InstaNet(CompactNet().requires_grad_(False).eval(), inner=8)
    x = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        assert torch.equal(net.embed(x)[0], net.composed.embed(x)[0])
    net.train()
    assert not net.sam.training and net.nuclei.training
    trained = {name for name, value in net.named_parameters() if value.requires_grad}
    assert trained and not any(name.startswith("sam.") for name in trained)
    assert net.maps(net.embed(x)).shape == (1, 3, 128, 128)


def test_the_full_configuration_has_the_parameters_that_the_card_names():
    with torch.device("meta"):
        net = InstaNet(
            SamNet(VIT_H).requires_grad_(False),
            inner=insta_sam.PRESETS["paper"].inner,
        )
    own = sum(value.numel() for value in net.adapters.parameters())
    assert trained_parameters(net) == PARAMETERS and own == ADAPTERS


PARAMETERS, ADAPTERS = 3_927_296, 141_632  # the paper names none


# -- cells


def test_touching_cells_are_separated_by_their_distances():
    labels = np.zeros((64, 64), np.int32)
    rows, columns = np.mgrid[:64, :64]
    labels[(rows - 30) ** 2 + (columns - 20) ** 2 < 100] = 1
    labels[((rows - 30) ** 2 + (columns - 39) ** 2 < 100) & (labels == 0)] = 2
    labels[5:9, 5:9] = 3
    across, down = distance_maps(torch.from_numpy(labels).long()).numpy()
    found = cells_from_maps(
        (labels > 0).astype(np.float32),
        across,
        down,
        least_area=20,
    )
    assert found.max() == 2 and not found[5:9, 5:9].any()  # 16 pixels are too few
    table = metrics.contingency(np.where(labels == 3, 0, labels), found)
    assert metrics.aji(table) > 0.95


def test_points_judge_cells():
    labels = np.zeros((20, 20), np.int32)
    labels[:5, :5], labels[10:15, 10:15], labels[:5, 10:] = 1, 2, 3
    points = np.array([[2, 2], [11, 11], [13, 13], [2, 18]], float)
    # one cell holds one point, one holds two, one none: 2 * 1 / (3 + 4)
    assert insta_sam.point_f1(
        labels,
        np.concatenate([points, points], axis=1),
    ) == pytest.approx(2 / 7)
    assert insta_sam.point_f1(np.zeros((4, 4), np.int32), np.zeros((0, 4))) == 1.0


# -- training


def test_by_the_commands_with_moved_points(painted_folder, own_net, tmp_path, capsys):
    model, out = tmp_path / "model", tmp_path / "out"
    arguments = ["--method", "insta-sam", "--preset", "tiny", "--device", "cpu", "--labels", "points", "--jitter", "3"]
    assert train.main([str(painted_folder), "-o", str(model), *arguments]) == 0
    assert predict.main([str(model), str(painted_folder / "images/2.png"), "-o", str(out), "--device", "cpu"]) == 0
    assert "2.png: " in capsys.readouterr().out
    assert read_labels(out / "labels/2.png").shape == (192, 192)


def test_a_stopped_training_goes_on_to_the_same_weights(own_net, tmp_path):
    settings = insta_sam.settings_of("tiny", device="cpu")
    settings = replace(settings, schedule=replace(settings.schedule, steps=2, epoch=1))
    samples = [only_points(painted_field(i)) for i in range(2)]
    seen = []

    def run(output, report, stop):
        return frame.train(
            "insta-sam",
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
    assert not (tmp_path / "parts/insta-sam.json").exists()
    run(tmp_path / "parts", seen.append, lambda: False)
    assert [progress.done for progress in seen] == [1, 2]
    whole, parts = ((tmp_path / name / insta_sam.WEIGHTS).read_bytes() for name in ("whole", "parts"))
    assert whole == parts


def test_labels_that_it_cannot_learn_from_are_declined(
    painted_folder,
    tmp_path,
    capsys,
):
    field = painted_field(0, cells=4)
    settings = insta_sam.settings_of("tiny", device="cpu")
    with pytest.raises(InferenceError, match="InstaSAM needs 20 points; there are 4"):
        frame.train(
            "insta-sam",
            [field],
            [],
            settings,
            output=tmp_path,
            report=print,
            stop=lambda: False,
        )
    with pytest.raises(SystemExit):
        train.main([str(painted_folder), "-o", str(tmp_path / "m"), "--method", "insta-sam", "--labels", "boxes"])
    assert "insta-sam learns from points, not from boxes; --method boxcell does" in capsys.readouterr().err
    wrong = ["--method", "insta-sam", "--preset", "tiny", "--prompter", "grabcut"]
    assert train.main([str(painted_folder), "-o", str(tmp_path / "m"), *wrong]) == 1
    assert "grabcut is no net of the Segment Anything family" in capsys.readouterr().err


@pytest.mark.slow
def test_one_real_image_is_learned_by_heart(tnbc):
    """With the reference for pseudo labels: net, maps, losses and watershed together reach it.

    The net that is adapted knows nothing but the shipped body: what is learned here is learned by the decoder.
    """
    sample = tnbc.sample(tnbc.split("train")[0], with_labels=True)
    rgb, truth = sample.rgb[:128, :128], torch.from_numpy(sample.labels[:128, :128]).long()
    settings = replace(insta_sam.PRESETS["quick"], field=128, border=0)
    net = InstaNet(begun_net(), inner=settings.inner).train()
    x = normalised(to_batch([rgb]), 256)
    numbers = truth.unique()[1:]
    sure = torch.where(truth[None] == numbers[:, None, None], 20.0, -20.0)
    valid = torch.ones(128, 128, dtype=torch.bool)
    optimiser = torch.optim.AdamW(
        [one for one in net.parameters() if one.requires_grad],
        lr=2e-3,
    )
    for _ in range(300):
        maps = net.maps(net.embed(x))[0]
        loss = insta_sam.image_loss(
            teacher=sure,
            student=sure,
            maps=maps,
            valid=valid,
            settings=settings,
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    made = insta_sam.InstaSam(net, settings, device=torch.device("cpu"), digest="")
    found = made.predict(rgb).labels
    dice = metrics.dice(truth.numpy() > 0, found > 0)
    aji = metrics.aji(metrics.contingency(truth.numpy().astype(np.int32), found))
    print(f"Dice {dice:.3f}, AJI {aji:.3f}, loss {loss.item():.3f}")
    assert dice > 0.95 and aji > 0.85


def begun_net():
    """boxwise-sam before its training: the shipped segmenter's body, the rest by chance."""
    torch.manual_seed(0)
    net = CompactNet().requires_grad_(False).eval()
    state, _ = files.load(shipped("unet"))
    adopt(net.image_encoder.body, part_of(state, "body."))
    torch.nn.init.normal_(net.image_encoder.fine.weight, std=0.1)
    return net
