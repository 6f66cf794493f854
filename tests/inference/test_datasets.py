"""Reading images as laboratories deliver them."""

import json

import numpy as np
import pytest
from PIL import Image

from inference.datasets import open_dataset, read_labels, read_rgb, write_labels
from inference.types import InferenceError, UnreadableImage


def test_grey_16_bit_and_transparent_files_become_rgb(tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert (read_rgb(tmp_path / "grey.png") == grey[..., None]).all()
    Image.fromarray(grey.astype(np.uint16) * 64).save(tmp_path / "deep.png")  # a 12-bit camera
    deep = read_rgb(tmp_path / "deep.png")
    assert deep.dtype == np.uint8 and deep.max() > 250 and deep.shape == (8, 8, 3)
    glass = np.zeros((8, 8, 4), np.uint8)
    glass[0, 0] = 10, 20, 30, 255
    Image.fromarray(glass).save(tmp_path / "alpha.png")
    assert (read_rgb(tmp_path / "alpha.png")[1:] == 255).all()


def test_nan_is_black_not_an_accident(tmp_path):
    Image.fromarray(np.array([[np.nan, 1.0], [0.5, 1.0]], np.float32)).save(tmp_path / "nan.tif")
    assert read_rgb(tmp_path / "nan.tif")[..., 0].tolist() == [[0, 255], [128, 255]]


def test_files_that_are_no_images_are_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(UnreadableImage, match=r"broken\.png"):
        read_rgb(tmp_path / "broken.png")


def test_labels_survive_a_round_trip_and_too_many_are_refused(tmp_path):
    labels = np.arange(40_000, dtype=np.int32).reshape(200, 200)
    write_labels(tmp_path / "l.png", labels)
    assert np.array_equal(read_labels(tmp_path / "l.png"), labels)
    with pytest.raises(InferenceError, match="16-bit"):
        write_labels(tmp_path / "l.png", labels + 30_000)


def test_a_set_without_splits_trains_on_everything(tmp_path):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"splits": {"note": "none"}}))
    dataset = open_dataset(tmp_path)
    assert dataset.split("train") == ("a",) and dataset.split("val") == ()
    with pytest.raises(InferenceError, match="no data set"):
        open_dataset(tmp_path / "images")


def test_the_reference_boxes_are_tight(tnbc):
    sample = tnbc.sample(tnbc.split("val")[0], with_labels=True)
    x0, y0, x1, y1 = sample.boxes[0].astype(int)
    inside = sample.labels == 1
    assert inside[y0:y1, x0:x1].sum() == inside.sum() and inside[y0].any() and inside[:, x1 - 1].any()
