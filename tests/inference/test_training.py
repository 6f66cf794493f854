"""The training loop, shown on both trainers: resume, cancel, NaN, and what validity masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inference.detectors.centre import CentreDetector, CentreNet, CentrePoint, CentreSettings
from inference.detectors.rcnn import FasterRcnn, RcnnSettings
from inference.registry import PARTS, PRESETS, UnknownModel, trainer
from inference.segmenters.caranet import CaraNet, CaraNetSettings
from inference.segmenters.segformer import SegFormer, SegFormerSettings
from inference.segmenters.unet import UNet, UNetSettings
from inference.training.loop import Schedule
from inference.types import Cancelled, InferenceError, TrainingDiverged
from inference.weights import files
from tests.inference.conftest import painted_field

SHORT = Schedule(steps=6, epoch=2, warmup=2, average=0.5)
TRAINERS = [
    CentrePoint(CentreSettings(schedule=SHORT, batch=2, side=96, pretrained=False), device="cpu"),
    UNet(UNetSettings(schedule=SHORT, batch=2, side=96, pretrained=False), device="cpu"),
    CaraNet(CaraNetSettings(schedule=SHORT, batch=2, side=64), device="cpu"),
    SegFormer(SegFormerSettings(schedule=SHORT, batch=2, side=64, size="tiny"), device="cpu"),
    FasterRcnn(RcnnSettings(schedule=SHORT, batch=2, side=64, regions=8, pretrained=False), device="cpu"),
]


def never() -> bool:
    return False


def ignore(progress):
    pass


@pytest.mark.parametrize("made", TRAINERS, ids=lambda t: t.name)
def test_a_resumed_training_equals_an_uninterrupted_one(made, tmp_path):
    fields = [painted_field(0), painted_field(1)]
    whole = made.train(fields, [], work=tmp_path / "whole", report=ignore, stop=never)
    asked = iter([False, False, False, True])  # in the middle of the second epoch
    with pytest.raises(Cancelled):
        made.train(fields, [], work=tmp_path / "parts", report=ignore, stop=lambda: next(asked))
    seen = []
    parts = made.train(fields, [], work=tmp_path / "parts", report=seen.append, stop=never)
    assert [(p.done, p.total) for p in seen] == [(2, 3), (3, 3)]  # the first epoch was kept
    first, second = files.load(whole)[0], files.load(parts)[0]
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("made", TRAINERS[:2], ids=lambda t: t.name)  # the loop's own doing
def test_other_data_or_a_damaged_checkpoint_begin_anew(made, tmp_path):
    made.train([painted_field(0)], [], work=tmp_path, report=ignore, stop=never)
    seen = []
    made.train([painted_field(1)], [], work=tmp_path, report=seen.append, stop=never)
    assert len(seen) == 3
    (tmp_path / "checkpoint.pt").write_bytes((tmp_path / "checkpoint.pt").read_bytes()[:1000])
    seen.clear()
    made.train([painted_field(1)], [], work=tmp_path, report=seen.append, stop=never)
    assert len(seen) == 3


@pytest.mark.parametrize("made", TRAINERS, ids=lambda t: t.name)
def test_nan_stops_and_names_epoch_and_batch(made, tmp_path, monkeypatch):
    module = type(made).__module__
    calls = []

    def third_is_nan(model, batch):
        calls.append(1)
        value = sum(p.sum() for p in model.parameters()) * 0
        return value + (float("nan") if len(calls) == 4 else 1.0)

    monkeypatch.setattr(f"{module}.loss", third_is_nan)
    with pytest.raises(TrainingDiverged, match="epoch 2, batch 2"):
        made.train([painted_field(0)], [], work=tmp_path, report=ignore, stop=never)
    assert (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize("made", TRAINERS[:2], ids=lambda t: t.name)
def test_what_lies_outside_the_valid_region_changes_nothing(made):
    """Two samples that differ only outside `valid` give the same loss, and a third that differs inside does not."""
    field = painted_field(3)
    half = field.valid.copy()
    half[:, 96:] = False
    left = field.boxes[:, 2] < 90
    known = replace(field, valid=half)
    labels = np.where(half, field.labels, 0).astype(np.int32)
    fewer = replace(field, valid=half, boxes=field.boxes[left], classes=field.classes[left], labels=labels)
    none = replace(field, valid=half, boxes=field.boxes[:0], classes=field.classes[:0], labels=labels * 0)
    from inference.detectors import centre
    from inference.segmenters import unet

    module = centre if isinstance(made, CentrePoint) else unet
    torch.manual_seed(0)
    net = centre.CentreNet(1) if module is centre else unet.UNetNet()
    # A crop that shows the whole field, so that no box is cut by its border.
    fixed = replace(made.settings, side=192, zoom=(1.0, 1.0), colour=0.0)
    draw = type(made)(fixed, device="cpu")._batch
    losses = []
    for sample in (known, fewer, none):
        with torch.no_grad():
            value = module.loss(net, draw([sample], np.random.default_rng(5)))
        losses.append(value.item())
    # Gaussians of excluded cells may reach across the border of the region by a pixel or two.
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert abs(losses[0] - losses[2]) > 0.1


def test_a_detector_learns_classes_and_boxes_within_seconds(tmp_path):
    fields = [painted_field(i, classes=2) for i in range(4)]
    settings = CentreSettings(
        schedule=Schedule(steps=90, epoch=45, lr=3e-3, warmup=10, average=0.9),
        batch=4,
        side=160,
        colour=0.1,
        zoom=(0.95, 1.05),
        pretrained=False,
    )
    made = CentrePoint(settings, classes=3, device="cpu")  # the third class has no example
    kept = painted_field(9, classes=2)
    seen = []
    detector = made.load(made.train(fields, [kept], work=tmp_path, report=seen.append, stop=never))
    assert seen[-1].values["ap50"] > 0.7
    found = detector.detect(kept.rgb)
    assert set(found.classes.tolist()) == {0, 1}
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes[:, :2].min() >= 0 and found.boxes[:, 2:].max() <= 192


def test_a_segmenter_learns_the_foreground(tmp_path):
    fields = [painted_field(i) for i in range(4)]
    settings = UNetSettings(
        schedule=Schedule(steps=30, epoch=10, lr=3e-3, warmup=5, average=0.8), batch=4, side=96, pretrained=False
    )
    made, kept = UNet(settings, device="cpu"), painted_field(9)
    segmenter = made.load(made.train(fields, [kept], work=tmp_path, report=ignore, stop=never))
    probability = segmenter.foreground(kept.rgb)
    assert probability.dtype == np.float32 and probability.shape == (192, 192)
    p, t = probability >= 0.5, kept.labels > 0
    assert 2 * (p & t).sum() / (p.sum() + t.sum()) > 0.85


def test_what_cannot_be_trained_is_said(tmp_path):
    field = painted_field(0)
    empty = replace(field, boxes=field.boxes[:0], classes=field.classes[:0])
    with pytest.raises(InferenceError, match="no box"):
        TRAINERS[0].train([empty], [], work=tmp_path, report=ignore, stop=never)
    with pytest.raises(InferenceError, match="pseudo-masks"):
        TRAINERS[1].train([replace(field, labels=None)], [], work=tmp_path, report=ignore, stop=never)
    with pytest.raises(ValueError, match="class 4"):
        beyond = replace(field, classes=field.classes + 4)
        TRAINERS[0].train([beyond], [], work=tmp_path, report=ignore, stop=never)


def test_weights_of_another_number_of_classes_are_a_start(tmp_path):
    short = CentreSettings(schedule=SHORT, batch=2, side=96, pretrained=False)
    one = CentrePoint(short, device="cpu").train([painted_field(0)], [], work=tmp_path / "1", report=ignore, stop=never)
    three = CentrePoint(short, classes=3, device="cpu")
    path = three.train([painted_field(0)], [], work=tmp_path / "3", report=ignore, stop=never, start_from=one)
    assert files.load(path)[0]["heat.weight"].shape[0] == 3


@pytest.mark.parametrize("damage", ["truncated", "text", "other model", "not finite"])
def test_bad_weights_are_named(damage, tmp_path):
    path = tmp_path / "detector.safetensors"
    good = TRAINERS[0].train([painted_field(0)], [], work=tmp_path / "w", report=ignore, stop=never)
    state, about = files.load(good)
    if damage == "truncated":
        path.write_bytes(good.read_bytes()[:-1000])
    elif damage == "text":
        path.write_text("cos\nsystem\n(S'true'\ntR.")  # a pickle that would run a command
    elif damage == "other model":
        files.save(path, state, about | {"model": "unet-1"})
    else:
        files.save(path, state | {"heat.bias": torch.tensor([float("nan")])}, about)
    with pytest.raises(files.BadWeights, match="detector"):
        TRAINERS[0].load(path)


def test_a_missing_gpu_is_an_error_not_a_cpu():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InferenceError, match="no usable CUDA GPU"):
        trainer("detector", "centre", "tiny", device="cuda").train(
            [painted_field(0)], [], work=None, report=ignore, stop=never
        )


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownModel, match="centre"):
        trainer("detector", "yolo99")


@pytest.mark.parametrize("axis", [0, 1])
def test_averaging_over_mirror_images_makes_detection_symmetric(axis):
    """Heat and distances are turned back: the boxes of a mirror image are the mirrored boxes of the image."""
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (96, 128, 3)).astype(np.uint8)
    torch.manual_seed(1)
    net = CentreNet(1)
    net.heat.bias.data.fill_(0.0)  # so that an untrained net finds something, of about the same score everywhere
    lopsided = CentreDetector(net, CentreSettings(threshold=0.3), device=torch.device("cpu"))
    even = CentreDetector(net, CentreSettings(threshold=0.3, flips=True), device=torch.device("cpu"))
    size = rgb.shape[1 - axis]

    def boxes_of_mirror(detector):
        found = detector.detect(np.ascontiguousarray(np.flip(rgb, 1 - axis))).boxes
        found[:, [axis, axis + 2]] = size - found[:, [axis + 2, axis]]
        return found[np.lexsort(found.T.round(1))]

    def boxes(detector):
        found = detector.detect(rgb).boxes
        return found[np.lexsort(found.T.round(1))]

    assert len(boxes(even)) > 5
    assert np.allclose(boxes(even), boxes_of_mirror(even), atol=0.2)
    plain, mirrored = boxes(lopsided), boxes_of_mirror(lopsided)
    assert plain.shape != mirrored.shape or not np.allclose(plain, mirrored, atol=0.2)


def test_a_detector_remembers_whether_it_averages_mirror_images(tmp_path):
    settings = CentreSettings(schedule=Schedule(steps=2, epoch=2), batch=1, side=64, flips=True, pretrained=False)
    trainer_ = CentrePoint(settings, device="cpu")
    field = painted_field(0)
    weights = trainer_.train([field], [], work=tmp_path, report=lambda _: None, stop=lambda: False)
    assert trainer_.load(weights).settings.flips
    state, about = files.load(weights)
    del about["settings"]["flips"]  # as in files from before
    old = files.save(tmp_path / "old.safetensors", state, about)
    assert not trainer_.load(old).settings.flips


def test_every_preset_has_settings_of_the_models_that_it_means():
    for preset in PRESETS:
        for kind, name in PARTS[preset].items():
            assert trainer(kind, name, preset).settings is not None
