"""YOLO through ultralytics: trained offline, cancelled, resumed, stored without pickles."""

import socket

import numpy as np
import pytest

from inference.detectors.yolo import Yolo, YoloDetector, YoloSettings
from inference.types import Cancelled
from tests.inference.conftest import painted_field

SETTINGS = YoloSettings(epochs=2, batch=2, side=192)


@pytest.fixture
def no_network(monkeypatch):
    """Anything that would leave this machine fails the test."""

    def refuse(self, address):
        raise AssertionError(f"a connection to {address} was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_it_trains_offline_is_cancelled_and_goes_on(tmp_path, no_network):
    fields, seen = [painted_field(i, classes=2) for i in range(4)], []
    made = Yolo(SETTINGS, classes=2, device="cpu")
    asked = []

    def stop():
        asked.append(1)
        return len(asked) == 3  # the first batch of the second epoch

    with pytest.raises(Cancelled, match="epoch 2 of 2"):
        made.train(fields, fields[:1], work=tmp_path, report=seen.append, stop=stop)
    path = made.train(fields, fields[:1], work=tmp_path, report=seen.append, stop=lambda: False)
    assert [p.done for p in seen] == [1, 2]
    assert path.suffix == ".safetensors"
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
