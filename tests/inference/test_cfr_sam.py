"""CFR-SAM: its parts and losses by hand and by finite differences, its labels, its training."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from inference import metrics
from inference.labels import NoSuchLabels
from inference.masks import boxes_of, cells_of
from inference.methods import cfr_sam, frame
from inference.methods.cfr_sam import losses, points, refinement, samples
from inference.methods.cfr_sam.adapters import AdaptiveConvolution, HierarchicalFusion, LocalAdapter, chosen_levels
from inference.methods.cfr_sam.net import CfrNet, cut
from inference.methods.cfr_sam.points import PointNet
from inference.methods.cfr_sam.training import backbone
from inference.nets import to_batch
from inference.prompters.sam_nets import Architecture, SamNet
from inference.training.loop import Schedule
from inference.types import BoxMask, Cancelled, Sample
from inference.weights import files
from tests.inference.conftest import painted_field

VIT_B = Architecture(1024, 16, 768, 12, 12, (2, 5, 8, 11), 14)
VIT_H = Architecture(1024, 16, 1280, 32, 16, (7, 15, 23, 31), 14)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def drawn(*shape, seed=0, low=-2.0, high=2.0):
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(shape, generator=generator, dtype=torch.float64)
    return low + (high - low) * share


def never():
    return False


def ignore(progress):
    pass


def shown(progress):
    print(progress.note, progress.done, progress.values, flush=True)


def trained_millions(module):
    trained = [value.numel() for value in module.parameters() if value.requires_grad]
    return sum(trained) / 1e6


# Stage 1


def test_anchors_are_matched_by_class_and_distance():
    probabilities = torch.tensor(
        [
            [0.9, 0.1, 0.0],
            [0.2, 0.7, 0.1],
            [0.5, 0.4, 0.1],
        ]
    )
    places = torch.tensor([[0.0, 0.0], [10.0, 0.0], [1.0, 0.0]])
    centres = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    classes = torch.tensor([0, 1])
    anchors, nuclei = losses.matching(probabilities, places, classes, centres, 0.1)
    assert dict(zip(nuclei.tolist(), anchors.tolist())) == {0: 0, 1: 1}
    # Class beats distance where the distance weighs little: of two anchors the surer one, one pixel further.
    two = probabilities[[2, 0]]
    anchors, _ = losses.matching(two, places[[0, 2]], classes[:1], centres[:1], 0.1)
    assert anchors.tolist() == [1]
    with pytest.raises(ValueError, match="1 anchors cannot learn 2 nuclei"):
        losses.matching(probabilities[:1], places[:1], classes, centres, 0.1)


def test_prompt_loss_by_hand():
    """Two anchors, one nucleus of class 0 at 3, 4 px from its anchor; the other anchor is background."""
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])  # p(0) = 3/4; p(background) = 1/2
    places = torch.tensor([[3.0, 4.0], [50.0, 50.0]])
    known = torch.tensor([True, True])

    def loss(known):
        return losses.prompt_loss(
            logits,
            places,
            torch.tensor([0]),
            torch.tensor([[0.0, 0.0]]),
            known,
            distance_weight=0.1,
            negative_weight=0.4,
            regression_weight=0.01,
        ).item()

    expected = (-math.log(0.75) - 0.4 * math.log(0.5)) / 2 + 0.01 * 25
    assert loss(known) == pytest.approx(expected, rel=1e-5)
    # Where nobody said what is there, an anchor that is not matched teaches nothing.
    unknown = torch.tensor([True, False])
    expected = -math.log(0.75) / 2 + 0.01 * 25
    assert loss(unknown) == pytest.approx(expected, rel=1e-5)


def test_prompt_loss_has_the_gradient_of_finite_differences():
    classes = torch.tensor([0, 1])
    centres = double([[2.0, 2.0], [12.0, 3.0]])
    known = torch.tensor([True] * 4)
    logits = drawn(4, 3).requires_grad_()
    places = double([[1.0, 2.5], [11.0, 3.5], [30.0, 30.0], [40.0, 2.0]])
    places.requires_grad_()

    def loss(logits, places):
        return losses.prompt_loss(
            logits,
            places,
            classes,
            centres,
            known,
            distance_weight=0.1,
            negative_weight=0.4,
            regression_weight=0.05,
        )

    assert gradcheck(loss, (logits, places))


def test_features_are_sampled_where_the_points_are():
    """A map at stride 4 that holds x of its places: between two of them, what lies between."""
    middles = torch.arange(8) * 4.0 + 2.0
    level = middles.expand(1, 1, 8, 8).contiguous()
    places = torch.tensor([[[10.0, 5.0], [12.0, 20.0]]])
    found = points.sampled(level, places, 32, 32)
    assert found[0, :, 0].tolist() == pytest.approx([10.0, 12.0])
    grid = points.grid_of(16, 24, 8)
    assert grid.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]


# Stage 2


def test_losses_of_masks_by_hand():
    logits = double([[[math.log(3.0), 0.0]]])  # 3/4 and 1/2
    wanted = double([[[1.0, 0.0]]])
    valid = torch.ones_like(logits)
    first = 0.25 * 0.25**2 * -math.log(0.75)
    second = 0.75 * 0.5**2 * -math.log(0.5)
    focal = (first + second) / 2
    assert losses.focal(logits, wanted, valid).item() == pytest.approx(focal)
    dice = 1 - (2 * 0.75 + 1) / (1.25 + 1 + 1)
    assert losses.dice(logits, wanted, valid).item() == pytest.approx(dice)
    both = losses.mask_loss(logits, wanted, valid, 20.0)
    assert both.item() == pytest.approx(20 * focal + dice)
    # One of two pixels is right: IoU 1/2 of {first, second} with {first}; a logit of 0 is not found.
    found = torch.ones_like(logits)
    quality = losses.quality_loss(torch.tensor([0.9]), found, wanted)
    assert quality.item() == pytest.approx(0.16, abs=1e-6)


def test_boundaries_lie_on_both_sides():
    mask = torch.zeros(1, 5, 5)
    mask[:, 2, 2] = 1
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = 1
    assert torch.equal(losses.boundaries(mask)[0], expected)
    assert losses.boundaries(torch.ones(1, 3, 3)).sum() == 0  # the border of a window is no boundary


def test_boundary_loss_by_hand():
    mask = double([[[1.0, 1.0, 0.0, 0.0, 0.0]]])  # boundaries 0 1 1 0 0
    logits = torch.zeros_like(mask)
    valid = torch.ones_like(mask)
    expected = math.log(2) + 1 - (2 * 1 + 1) / (2.5 + 2 + 1)
    assert losses.boundary_loss(logits, mask, valid).item() == pytest.approx(expected)


def test_losses_of_masks_have_the_gradients_of_finite_differences():
    logits = drawn(2, 4, 4).requires_grad_()
    wanted = (drawn(2, 4, 4, seed=1) > 0).double()
    valid = (drawn(2, 4, 4, seed=2) > -1).double()
    for loss in (losses.focal, losses.dice, losses.boundary_loss):
        assert gradcheck(loss, (logits, wanted, valid))
    quality = drawn(2, seed=3, low=0.1, high=0.9).requires_grad_()
    assert gradcheck(losses.quality_loss, (quality, logits.detach(), wanted))


def test_an_adaptive_convolution_is_one_kernel_a_place():
    """Against loops: two channels, one size of kernel."""
    torch.manual_seed(0)
    layer = AdaptiveConvolution(2, (3,)).double()
    x = drawn(1, 2, 4, 5)
    kernels = layer.makers[0](x).reshape(2, 9, 4, 5)
    padded = F.pad(x, (1, 1, 1, 1))[0]
    expected = x.clone()
    for channel, row, column in np.ndindex(2, 4, 5):
        patch = padded[channel, row : row + 3, column : column + 3]
        kernel = kernels[channel, :, row, column]
        expected[0, channel, row, column] += kernel @ patch.reshape(-1)
    assert torch.allclose(layer(x), expected)


def test_an_adapter_begins_as_the_identity_and_learns():
    adapter = LocalAdapter(16, 4, (3, 5))
    x = torch.randn(1, 6, 6, 16)
    assert torch.equal(adapter(x), x)
    adapter(x).square().sum().backward()
    assert adapter.up.weight.grad.abs().sum() > 0


def test_fusion_by_hand():
    """Gates of 0 weigh one half: the mean of 1.5 F."""
    fusion = HierarchicalFusion(8, 2)
    for value in fusion.parameters():
        torch.nn.init.zeros_(value)
    low = torch.ones(1, 2, 2, 8)
    assert torch.allclose(fusion([low, 3 * low]), 3 * low)


def test_levels_are_spread_evenly():
    assert chosen_levels(12) == (2, 5, 8, 11)
    assert chosen_levels(32) == (7, 15, 23, 31)
    assert chosen_levels(3) == (0, 1, 2)


def test_boundary_enhancement_adds_the_same_where_all_is_flat():
    enhance = refinement.BoundaryEnhancement(4)
    x = torch.zeros(1, 4, 6, 6)
    x[:, :, :, 3:] = 1
    added = enhance(x) - x
    assert torch.allclose(added[:, :, :, 0], added[:, :, :, 5])  # flat on both sides, also at the border
    assert not torch.allclose(added[:, :, :, 0], added[:, :, :, 2])


def test_windows_are_cut_where_they_are():
    image = torch.arange(64.0).reshape(1, 1, 8, 8)
    window = torch.tensor([[0.0, 2.0, 1.0, 6.0, 5.0]])
    found = cut(image, window, 1.0, 4)
    assert torch.equal(found[0, 0], image[0, 0, 1:5, 2:6])
    halved = F.avg_pool2d(image, 2)
    window = torch.tensor([[0.0, 2.0, 2.0, 6.0, 6.0]])
    coarse = cut(halved, window, 2.0, 4)
    assert torch.equal(coarse[0, 0], halved[0, 0, 1:3, 1:3])


def test_full_configurations_have_the_papers_numbers_of_parameters():
    """Trained millions (paper): 5.6, 6.5, 8.3, 12.1 of stage 2 with ViT-B and ranks of 16 to 128; 55.1 of stage 1;
    63.4 of both with ViT-B, 74.2 with ViT-H."""
    paper = cfr_sam.PRESETS["paper"]
    with torch.device("meta"):
        first = trained_millions(PointNet(5, paper.points))
        second = {}
        for shape, rank in [(VIT_B, 16), (VIT_B, 32), (VIT_B, 64), (VIT_B, 128), (VIT_H, 64)]:
            net = CfrNet(SamNet(shape), replace(paper.masks, rank=rank), frozen=True)
            second[shape.width, rank] = trained_millions(net)
    of_ranks = [second[768, rank] for rank in (16, 32, 64, 128)]
    assert of_ranks == pytest.approx([5.6, 6.5, 8.3, 12.1], abs=0.11)
    assert first == pytest.approx(54.6, abs=0.05)  # 55.1
    assert first + second[768, 64] == pytest.approx(62.9, abs=0.05)  # 63.4
    assert first + second[1280, 64] == pytest.approx(71.7, abs=0.05)  # 74.2


# Labels


def test_what_has_no_mask_is_neither_nucleus_nor_background():
    field = painted_field(0, side=128, classes=2)
    labels = field.labels.copy()
    labels[labels == 2] = 0  # a cell that is a box alone
    sample = replace(
        field,
        labels=labels,
        boxes=np.vstack([field.boxes, (0, 0, 5, 5)]),
        classes=np.append(field.classes, 1),
    )
    nuclei = samples.nuclei_of(sample)
    assert len(nuclei.classes) == len(field.boxes)  # one less, and one for the background
    gone = field.labels == 2
    assert not nuclei.valid[gone].any()
    assert not nuclei.valid[:5, :5].any()
    assert nuclei.valid[nuclei.labels > 0].all()
    every = range(1, len(field.boxes) + 1)
    kept = [number for number in every if number != 2]
    for number, old in enumerate(kept, start=1):
        assert (nuclei.labels == number).sum() == (field.labels == old).sum()
        assert nuclei.classes[number] == field.classes[old - 1]


def test_windows_of_training_are_those_of_the_net():
    field = painted_field(0, side=128)
    nuclei = samples.nuclei_of(field)
    view = samples.view_of(nuclei, np.random.default_rng(0), 256, (1.5, 1.5))
    masks, valid = samples.windows_of(view, view.ids, view.centres, 64)
    corner = torch.from_numpy(view.centres[0]).float().round() - 32
    window = torch.cat([torch.zeros(1), corner, corner + 64])
    first = torch.from_numpy(view.labels == view.ids[0]).float()
    own = cut(first[None, None], window[None], 1.0, 64)
    assert np.array_equal(own[0, 0].numpy() > 0.5, masks[0])
    assert masks.any((1, 2)).all()
    assert valid.shape == masks.shape


# Training and prediction


def tiny(**masks):
    settings = cfr_sam.settings_of("tiny", device="cpu")
    schedule = Schedule(steps=2, epoch=1, lr=1e-3, average=0.5)
    first = replace(settings.points, schedule=schedule, batch=1, side=64)
    second = replace(settings.masks, schedule=schedule, nuclei=3, **masks)
    return replace(settings, points=first, masks=second)


def trained(samples, output, report=ignore, stop=never):
    return cfr_sam.train(samples, [], tiny(), output=output, report=report, stop=stop)


def test_a_stopped_training_goes_on_where_it_was(tmp_path):
    field = painted_field(0, side=128, classes=2)
    whole = trained([field], tmp_path / "whole")
    again = tmp_path / "stopped"
    seen = []
    with pytest.raises(Cancelled):
        trained([field], again, report=seen.append, stop=lambda: len(seen) == 3)
    assert not (again / "cfr-sam.json").exists()
    trained([field], again, report=seen.append)
    assert [progress.note for progress in seen] == ["points", "points", "masks", "masks"]
    first, _ = files.load(whole / cfr_sam.WEIGHTS)
    second, _ = files.load(again / cfr_sam.WEIGHTS)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    part = field.rgb[:40, :48]  # two steps teach nothing: a point lies at every anchor
    found = frame.load(again, device="cpu").predict(part)
    assert found.labels.shape == part.shape[:2]
    assert len(found.classes) == len(found.scores)


def test_a_better_mask_keeps_its_pixels_and_a_second_point_is_dropped():
    settings = cfr_sam.settings_of("tiny", device="cpu")
    made = cfr_sam.CfrSam(None, None, settings, torch.device("cpu"), "")
    masks = [BoxMask(x, 2, np.ones((6, 6), bool)) for x in (2, 3, 20)]
    scores = np.array([0.8, 0.9, 0.7], np.float32)
    found = made._painted(masks, scores, np.array([0, 1, 1]), 32, 12)
    assert np.unique(found.labels).tolist() == [0, 2, 3]
    assert (found.labels == 2).sum() == 36
    assert found.classes.tolist() == [0, 1, 1]


def test_too_few_masks_are_declined_with_both_numbers(tmp_path):
    field = painted_field(0, side=128)
    count = len(field.boxes)
    with pytest.raises(NoSuchLabels, match=f"CFR-SAM needs 200 .*masks; there are {count}"):
        frame.train("cfr-sam", [field], [], tiny(), output=tmp_path, report=ignore, stop=never)
    with pytest.raises(NoSuchLabels, match="learns from masks, and some images have none"):
        trained([replace(field, labels=None)], tmp_path)
    empty = replace(field, labels=np.zeros_like(field.labels))
    with pytest.raises(NoSuchLabels, match="there are 0"):
        trained([empty], tmp_path)


def test_damaged_weights_are_declined(tmp_path):
    field = painted_field(0, side=128)
    made = trained([field], tmp_path)
    (made / cfr_sam.WEIGHTS).write_bytes(b"none")
    with pytest.raises(files.BadWeights, match="no readable weight file"):
        frame.load(made, device="cpu")
    about = json.loads((made / "cfr-sam.json").read_text())
    (made / "cfr-sam.json").write_text(json.dumps(about | {"settings": {"points": {}}}))
    with pytest.raises(files.InferenceError, match="is no trained model"):
        frame.load(made, device="cpu")


def test_a_frozen_encoder_stays_as_it_was():
    sam, _ = backbone("boxwise-sam")
    net = CfrNet(sam, cfr_sam.PRESETS["tiny"].masks, frozen=True)
    learned = {name for name, value in net.named_parameters() if value.requires_grad}
    assert not any(name.startswith(("sam.image_encoder", "sam.prompt_encoder")) for name in learned)
    assert any(name.startswith("sam.mask_decoder") for name in learned)
    image = to_batch([painted_field(0, side=256).rgb])
    places = torch.tensor([[40.0, 50.0], [5.0, 250.0]])
    answer = net.answer(image, net.embed(image), places)
    for logits in (answer.refined, answer.coarse, answer.boundary):
        assert logits.shape == (2, 64, 64)
    answer.refined.sum().backward()
    assert net.adapters[0].up.weight.grad is not None
    assert net.fusion.gates[0][0].weight.grad is not None


@pytest.mark.slow
@pytest.mark.timeout(7200)  # about five minutes of a core that has nothing else to do
def test_one_real_image_is_learned_by_heart(tnbc, tmp_path):
    """A part of 128 pixels, in both stages, with the default start."""
    sample = tnbc.sample(tnbc.split("train")[0], with_labels=True)
    labels = np.ascontiguousarray(sample.labels[128:256, 128:256])
    boxes = boxes_of([mask for _, mask in cells_of(labels)])
    part = Sample(
        rgb=np.ascontiguousarray(sample.rgb[128:256, 128:256]),
        boxes=boxes,
        classes=np.zeros(len(boxes), np.int64),
        valid=np.ones(labels.shape, bool),
        labels=labels,
    )
    base = cfr_sam.settings_of("quick", device="cpu")
    plain = {"zoom": (1.0, 1.0), "colour": 0.0}
    few = Schedule(steps=150, epoch=50, lr=3e-3, warmup=10, average=0.9)
    first = replace(base.points, schedule=few, batch=2, side=128, **plain)
    more = Schedule(steps=180, epoch=20, lr=1.5e-3, warmup=15, average=0.9)
    second = replace(base.masks, schedule=more, view=128, window=48, batch=1, nuclei=10, jitter=0.0, **plain)
    settings = replace(base, points=first, masks=second)
    made = cfr_sam.train([part], [part], settings, output=tmp_path, report=shown, stop=never)
    found = frame.load(made, device="cpu").predict(part.rgb).labels
    dice = metrics.dice(labels > 0, found > 0)
    aji = metrics.aji(metrics.contingency(labels, found))
    print(f"Dice {dice:.3f}, AJI {aji:.3f}")
    assert dice > 0.95
