"""Detector and segmenter as ONNX say what torch says, on images of other sizes than the one they were traced with."""

import numpy as np
import pytest
import torch

from inference.commands import onnx as command
from inference.nets import to_batch
from inference.onnx_files import write_detector, write_segmenter
from inference.types import InferenceError

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "out"
    assert command.main(["shipped", "-o", str(folder)]) == 0
    return folder


def run(path, image):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image}), session.get_modelmeta().custom_metadata_map


@pytest.mark.parametrize("size", [(64, 96), (160, 128), (32, 32)])
def test_the_segmenter_says_what_torch_says(exported, size):
    _, segmenter = command.parts_of("shipped")
    rgb = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)
    (foreground,), about = run(exported / "segmenter.onnx", to_batch([rgb]).contiguous().numpy())
    assert not segmenter.flips
    with torch.no_grad():
        expected = torch.sigmoid(segmenter.net(to_batch([rgb]))).numpy()
    assert foreground.shape == (1, 1, *size)
    assert np.abs(foreground - expected).max() < 1e-4
    assert about["model"] == segmenter.name


@pytest.mark.parametrize("size", [(64, 96), (160, 128), (32, 32)])
def test_the_detector_says_what_torch_says(exported, size):
    detector, _ = command.parts_of("shipped")
    rgb = np.random.default_rng(2).integers(0, 255, (*size, 3), np.uint8)
    (heat, sides), about = run(exported / "detector.onnx", to_batch([rgb]).contiguous().numpy())
    with torch.no_grad():
        logits, expected = detector.net(to_batch([rgb]))
    assert np.abs(heat - torch.sigmoid(logits).numpy()).max() < 1e-4
    assert np.abs(sides - expected.numpy()).max() < 1e-3
    assert heat.shape[2] * int(about["stride"]) == size[0]


def test_what_is_no_net_is_declined_by_name(tmp_path):
    class Other:
        name = "yolo"

    for write in (write_detector, write_segmenter):
        with pytest.raises(InferenceError, match="yolo"):
            write(Other(), tmp_path / "a.onnx")


def test_a_model_that_is_none_is_one_sentence(tmp_path, capsys):
    assert command.main([str(tmp_path / "none"), "-o", str(tmp_path / "out")]) == 1
    assert "boxwise export-onnx" in capsys.readouterr().err
