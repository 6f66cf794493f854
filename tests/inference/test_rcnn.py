"""Faster R-CNN: the published tensors, what it learns within seconds, and what is unknown and therefore ignored."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

from inference.detectors.evaluation import judge, suppressed, tune
from inference.detectors.rcnn import PRESETS, PUBLISHED, FasterRcnn, RcnnDetector, RcnnNet, RcnnSettings, fitting, loss
from inference.nets import adopt
from inference.training.loop import Schedule
from inference.types import Detections
from inference.weights import catalogue, files
from tests.inference.conftest import painted_field

LEARNING = RcnnSettings(
    schedule=Schedule(steps=60, epoch=30, lr=1e-3, warmup=10, average=0.9),
    batch=2,
    side=192,
    zoom=(0.95, 1.05),
    colour=0.1,
    regions=32,
    pretrained=False,
)


def ignore(progress):
    pass


def test_the_tensors_are_those_of_torchvisions_published_file():
    with torch.device("meta"):
        published = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=3).state_dict()
        ours = RcnnNet(2, PRESETS["paper"]).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in published.items()}


def test_a_start_with_other_classes_keeps_all_but_the_last_layers():
    torch.manual_seed(0)
    settings = replace(LEARNING, backbone="resnet18")
    many, one = RcnnNet(90, settings), RcnnNet(1, settings)
    kept = adopt(one, fitting(many.state_dict(), one))
    assert sorted(kept) == [
        f"roi_heads.box_predictor.{layer}.{part}" for layer in ("bbox_pred", "cls_score") for part in ("bias", "weight")
    ]
    assert torch.equal(one.backbone.body.conv1.weight, many.backbone.body.conv1.weight)


def test_weights_of_the_catalogue_are_the_start_of_the_large_one_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("BOXWISE_MODELS", str(tmp_path))
    assert FasterRcnn("paper").name == FasterRcnn("quick").name == "faster-rcnn-1"
    catalogue.place(PUBLISHED).write_bytes(b"weights")
    assert FasterRcnn("paper").name.startswith("faster-rcnn-1-from-") and FasterRcnn("quick").name == "faster-rcnn-1"


def test_its_losses_fall_within_seconds(tmp_path):
    settings = replace(LEARNING, schedule=replace(LEARNING.schedule, steps=12, epoch=4), side=128, regions=16)
    seen = []
    made = FasterRcnn(settings, classes=3, device="cpu")  # the second and third class have no example
    path = made.train([painted_field(0, side=128)], [], work=tmp_path, report=seen.append, stop=lambda: False)
    assert seen[-1].values["loss"] < 0.75 * seen[0].values["loss"]
    found = made.load(path).detect(painted_field(0).rgb)
    assert found.boxes.shape[1] == 4 and (np.diff(found.scores) <= 0).all()


def test_a_file_that_describes_no_such_detector_is_declined(tmp_path):
    about = {"model": FasterRcnn.model, "classes": 1, "settings": {"magic": 1}}
    path = files.save(tmp_path / "detector.safetensors", {"none": torch.zeros(1)}, about)
    with pytest.raises(files.BadWeights, match="magic is no setting of this version"):
        FasterRcnn("tiny", device="cpu").load(path)


@pytest.mark.slow
def test_it_learns_boxes_and_classes(tmp_path):
    fields = [painted_field(i, classes=2) for i in range(2)]
    made = FasterRcnn(LEARNING, classes=3, device="cpu")  # the third class has no example
    path = made.train(fields, fields, work=tmp_path, report=ignore, stop=lambda: False)
    detector = made.load(path)
    assert judge(detector, fields)[0] > 0.8
    found = detector.detect(fields[0].rgb)
    assert set(found.classes.tolist()) <= {0, 1} and (np.diff(found.scores) <= 0).all()
    # Tiles give what the whole gave: the same cells.
    seen = RcnnDetector(detector.net, replace(detector.settings, tile=64), device=torch.device("cpu"))
    assert judge(seen, fields)[1] > 0.7
    _, about = files.load(path)
    assert about["settings"]["nms"] in (0.3, 0.4, 0.5, 0.6, 0.7)  # chosen on validation


class Counting:
    """A sampler that counts the candidates for background that it is offered."""

    def __init__(self, sampler):
        self.sampler, self.background = sampler, 0

    def __call__(self, labels):
        self.background += sum(int((label == 0).sum()) for label in labels)
        return self.sampler(labels)


def test_what_is_not_valid_is_no_background():
    """The same picture without its boxes: half of the cells are background, unless that half is unknown."""
    field = painted_field(3)
    half = field.valid.copy()
    half[:, 96:] = False
    left = field.boxes[:, 2] < 90
    partly = replace(field, boxes=field.boxes[left], classes=field.classes[left])
    torch.manual_seed(0)
    net = RcnnNet(1, replace(LEARNING, regions=512))
    made = FasterRcnn(replace(LEARNING, zoom=(1.0, 1.0), colour=0.0, regions=512), device="cpu")
    background = {}
    for name, sample in (("unknown", replace(partly, valid=half)), ("known", partly)):
        counts = Counting(net.rpn.fg_bg_sampler), Counting(net.roi_heads.fg_bg_sampler)
        with pytest.MonkeyPatch.context() as patch, torch.no_grad():
            patch.setattr(net.rpn, "fg_bg_sampler", counts[0])
            patch.setattr(net.roi_heads, "fg_bg_sampler", counts[1])
            loss(net.train(), made._batch([sample], np.random.default_rng(5)))
        background[name] = [count.background for count in counts]
    for unknown, known in zip(background["unknown"], background["known"]):
        assert 0 < unknown < 0.75 * known


def test_an_image_without_cells_and_a_tiny_one(tmp_path):
    field = painted_field(0)
    empty = replace(field, boxes=field.boxes[:0], classes=field.classes[:0], rgb=np.full_like(field.rgb, 220))
    net = RcnnNet(1, LEARNING)
    value = loss(net.train(), FasterRcnn(LEARNING)._batch([empty], np.random.default_rng(0)))
    assert torch.isfinite(value)
    detector = RcnnDetector(net, LEARNING, device=torch.device("cpu"))
    assert detector.detect(np.full((16, 16, 3), 128, np.uint8)).boxes.shape[1] == 4


def test_boxes_come_back_in_image_pixels_when_images_are_enlarged():
    settings = replace(LEARNING, enlarge=2.0, tile=128)

    class Marker(RcnnNet):
        def forward(self, x):
            bright = (x[0].mean(0) > 0.95).nonzero().float()
            if not len(bright):
                none = torch.zeros(0)
                return [{"boxes": torch.zeros(0, 4), "scores": none, "labels": none}]
            (y0, x0), (y1, x1) = bright.min(0).values, bright.max(0).values + 1
            box = torch.stack([x0, y0, x1, y1])[None]
            return [{"boxes": box, "scores": torch.tensor([0.9]), "labels": torch.tensor([1])}]

    detector = RcnnDetector(Marker(1, settings), settings, device=torch.device("cpu"))
    rgb = np.zeros((300, 200, 3), np.uint8)
    rgb[210:222, 150:166] = 255
    found = detector.detect(rgb)
    assert len(found) == 1 and np.abs(found.boxes[0] - [150, 210, 166, 222]).max() <= 1


class Fixed:
    """Always the same boxes."""

    name = "fixed"

    def __init__(self, found):
        self.found = found

    def detect(self, rgb):
        return self.found


def test_tuning_finds_the_overlap_that_keeps_touching_cells():
    """Two cells whose boxes overlap by .54: a suppression at .5 loses one; at .6 only the double of the first goes."""
    field = painted_field(0)
    truth = np.array([[10.0, 10, 50, 50], [10, 22, 50, 62]])
    sample = replace(field, boxes=truth, classes=np.zeros(2, np.int64))
    boxes = np.concatenate([truth, [[10, 6, 50, 46]]])
    found = Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int64))
    best = tune(Fixed(found), [sample])
    assert best is not None and best.nms == 0.6 and best.f1 == 1.0 and best.threshold == pytest.approx(0.8)
    assert len(suppressed(found, 0.5)) == 1
    assert tune(Fixed(found), [replace(sample, boxes=truth[:0], classes=sample.classes[:0])]) is None
