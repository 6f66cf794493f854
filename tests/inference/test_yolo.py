"""YOLO through ultralytics: trained offline, cancelled, resumed, stored without pickles."""

import socket

import numpy as np
import PIL.Image
import pytest

from inference.datasets import read_rgb
from inference.detectors import yolo
from inference.detectors.evaluation import Tuned
from inference.detectors.yolo import Yolo, YoloDetector, YoloSettings, cut
from inference.types import Cancelled, UnreadableImage
from tests.inference.conftest import painted_field

SETTINGS = YoloSettings(epochs=2, batch=2, side=192)


@pytest.fixture
def no_network(monkeypatch):
    """Anything that would leave this machine fails the test."""

    def decline(self, address):
        raise AssertionError(f"a connection to {address} was tried")

    monkeypatch.setattr(socket.socket, "connect", decline)


def test_it_trains_offline_is_cancelled_and_goes_on(tmp_path, no_network, monkeypatch):
    fields, seen = [painted_field(i, classes=2) for i in range(4)], []
    made = Yolo(SETTINGS, classes=2, device="cpu")
    asked = []

    def stop():
        asked.append(1)
        return len(asked) == 3  # the first batch of the second epoch

    with pytest.raises(Cancelled, match="epoch 2 of 2"):
        made.train(fields, fields[:1], work=tmp_path, report=seen.append, stop=stop)
    monkeypatch.setattr(yolo, "tune", lambda faint, samples: Tuned(0.21 + len(samples) / 100, 0.6, 0.5, 0.5))
    path = made.train(fields, fields[:1], work=tmp_path, report=seen.append, stop=lambda: False)
    assert [p.done for p in seen] == [1, 2]
    assert path.suffix == ".safetensors"
    kept = made.load(path).settings  # what was best on the validation image
    assert (kept.threshold, kept.nms) == (0.22, 0.6)
    found = made.load(path).detect(fields[0].rgb)
    assert found.boxes.shape[1] == 4 and len(found.scores) == len(found.boxes)


def test_boxes_come_back_in_image_pixels_whatever_scale_and_tiles():
    """A net that marks every bright square exactly: answers must not depend on scale or tiling."""
    import torch

    class Marker(torch.nn.Module):
        def forward(self, x):
            bright = (x[0].mean(0) > 0.9).nonzero().float()
            if not len(bright):
                return (torch.zeros(1, 5, 0),)
            low, high = bright.min(0).values, bright.max(0).values + 1
            y, x_ = (low + high) / 2
            h, w = high - low
            return (torch.stack([x_, y, w, h, torch.tensor(0.9)])[None, :, None],)

    for scale, shape, corner in ((1, (64, 64), (20, 30)), (0.5, (100, 80), (40, 60)), (2, (400, 600), (410, 210))):
        detector = YoloDetector(Marker(), YoloSettings(side=64, batch=1), device=torch.device("cpu"), scale=scale)
        rgb = np.zeros((*shape, 3), np.uint8)
        x, y = corner
        rgb[y : y + 12, x : x + 16] = 255
        found = detector.detect(rgb)
        assert len(found) == 1
        assert np.abs(found.boxes[0] - [x, y, x + 16, y + 12]).max() <= 1 / scale


def test_a_large_image_is_learned_in_pieces_that_are_not_shrunk():
    field = painted_field(3, side=400, cells=40)
    pieces = list(cut(field, 128))
    assert len(pieces) == 16 and max(max(piece.rgb.shape) for piece in pieces) <= 128 + 32
    seen = np.zeros((400, 400), int)
    for piece in pieces:
        x0, y0 = (int(v) for v in piece.name.split()[-1].split(","))
        h, w = piece.valid.shape
        seen[y0 : y0 + h, x0 : x0 + w] += 1
        assert np.array_equal(piece.rgb, field.rgb[y0 : y0 + h, x0 : x0 + w])
        for box in piece.boxes:  # each is a cell's box, cut at the rim
            moved = box + np.array([x0, y0, x0, y0])
            assert (np.abs(field.boxes - moved).max(1) < 1e-9).any() or (box == 0).any() or (box == [w, h, w, h]).any()
    assert seen.min() == 1
    whole = {tuple(box) for box in field.boxes}
    places = [np.array([int(v) for v in piece.name.split()[-1].split(",")] * 2) for piece in pieces]
    found = {tuple(box + place) for piece, place in zip(pieces, places) for box in piece.boxes}
    assert whole <= found  # the overlap is wider than a cell: each is whole in some piece
    assert list(cut(field, 400)) == [field]
    slivers = [piece for piece in pieces if not piece.valid.all()]
    assert slivers  # parts of cells at the rims are unknown


def test_pillow_opens_images_as_before(tmp_path):
    """A worker that has used YOLO meets broken images too, and has to name them as such."""
    from inference.offline import offline

    before = PIL.Image.open
    offline(tmp_path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    assert PIL.Image.open is before
    with pytest.raises(UnreadableImage):
        read_rgb(broken)


def test_the_fine_level_is_an_architecture_of_its_own(tmp_path):
    from inference.offline import offline

    offline(tmp_path)
    from ultralytics.nn.tasks import DetectionModel

    strides = [DetectionModel(YoloSettings(p2=p2).layout, nc=2, verbose=False).stride.tolist() for p2 in (False, True)]
    assert strides == [[8, 16, 32], [4, 8, 16, 32]]
