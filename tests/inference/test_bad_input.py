"""What users and files do: ten thousand boxes, slides, odd pixel formats, no GPU, no memory, no examples."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from inference.commands import blocks, masks, predict, train
from inference.commands.models import main as models
from inference.datasets import read_labels
from inference.detectors.centre import CentreDetector, CentreNet, CentreSettings
from inference.detectors.rcnn import RcnnDetector, RcnnNet, RcnnSettings
from inference.detectors.yolo import YoloDetector, YoloSettings
from inference.devices import OutOfMemory
from inference.instances import instances
from inference.methods import boxcell, frame
from inference.registry import prompter, trainer
from inference.segmenters.learning import NetSegmenter
from inference.types import Detections, Prompts
from inference.weights import shipped
from tests.inference.conftest import painted_field

CPU = torch.device("cpu")
BOXWISE = pytest.mark.skipif(shipped("boxwise") is None, reason="built without weights")


class Dark:
    """Detector and segmenter of painted fields: what is dark is cell."""

    name = "dark"

    def foreground(self, rgb):
        return (rgb.astype(float).mean(2) < 160).astype(np.float32)

    def detect(self, rgb):
        from skimage.measure import label, regionprops

        found = [p.bbox for p in regionprops(label(self.foreground(rgb) > 0)) if p.area >= 40]
        boxes = np.array([(x0, y0, x1, y1) for y0, x0, y1, x1 in found], float).reshape(-1, 4)
        return Detections(boxes, np.full(len(boxes), 0.9, np.float32), np.zeros(len(boxes), np.int64))


@pytest.fixture
def model(monkeypatch):
    """boxwise predict with a model that needs no training."""
    made = boxcell.BoxCell(prompter("grabcut"), Dark(), Dark(), boxcell.BoxCellSettings(prompter="grabcut"))
    monkeypatch.setattr(frame, "load", lambda *a, **k: made)
    return made


# -- many prompts


@BOXWISE
def test_ten_thousand_boxes_are_seen_in_batches(monkeypatch):
    made = prompter("boxwise", device="cpu")
    sizes = []

    def quick(x):
        sizes.append(len(x))
        return torch.full((len(x), 64, 64), 5.0), torch.zeros(len(x))

    monkeypatch.setattr(made, "_answers", quick)
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 980, (10_000, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(6, 20, (10_000, 2))], axis=1)
    found = made.decode(made.encode(np.full((1000, 1000, 3), 200, np.uint8)), Prompts(boxes=boxes))
    assert len(found.masks) == 10_000 and all(mask.bits.size for mask in found.masks)
    assert max(sizes) <= made.batch == 128 and sum(sizes) == 10_000


@pytest.mark.slow
@BOXWISE
def test_ten_thousand_boxes_by_the_command(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (1000, 1000, 3), np.uint8)).save(tmp_path / "i.png")
    corners = rng.uniform(0, 980, (10_000, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(6, 20, (10_000, 2))], axis=1)
    (tmp_path / "b.json").write_text(json.dumps(boxes.tolist()))
    assert masks.main([str(tmp_path / "i.png"), str(tmp_path / "b.json"), "-o", str(tmp_path / "l.png")]) == 0
    assert read_labels(tmp_path / "l.png").max() > 9000


# -- slides

SLIDE = np.broadcast_to(np.uint8(200), (20_000, 20_000, 3))  # takes no memory of its own


def detectors():
    settings = RcnnSettings()
    return [
        ("_detect_tile", CentreDetector(CentreNet(1), CentreSettings(), device=CPU)),
        ("_detect_tile", YoloDetector(torch.nn.Identity(), YoloSettings(), device=CPU)),
        ("_tile", RcnnDetector(RcnnNet(1, settings), settings, device=CPU)),
    ]


@pytest.mark.parametrize("which", range(3))
def test_a_detector_sees_a_slide_in_tiles(which, monkeypatch):
    name, detector = detectors()[which]
    seen = []

    def tile(rgb):
        seen.append(rgb.shape[:2])
        return torch.tensor([[20.0, 20, 40, 40, 0.9, 0]])

    monkeypatch.setattr(detector, name, tile)
    found = detector.detect(SLIDE)
    assert max(h * w for h, w in seen) <= (1024 + 2 * 64 + 1) ** 2
    assert sum(h * w for h, w in seen) >= 20_000**2
    assert len(found) >= 1  # of a box in a tile's halo the neighbour says whether it is there


def test_a_segmenter_sees_a_slide_in_tiles(monkeypatch):
    segmenter = NetSegmenter(torch.nn.Identity(), device=CPU, name="net")
    seen = []

    def tile(rgb):
        seen.append(rgb.shape[:2])
        return np.broadcast_to(np.float32(0.25), rgb.shape[:2])

    monkeypatch.setattr(segmenter, "_tile", tile)
    probability = segmenter.foreground(SLIDE[:20_000, :2_000])
    assert probability.shape == (20_000, 2_000) and (probability == 0.25).all()
    assert max(h * w for h, w in seen) <= (1024 + 2 * 64 + 1) ** 2


def test_a_large_image_is_fused_in_blocks_without_seams():
    field = painted_field(5, side=400, cells=45)
    asked = []

    def alone(rgb):
        asked.append(rgb.shape)
        return instances(Dark().foreground(rgb) > 0, np.zeros(rgb.shape[:2], np.int32), "components")

    whole, parts = alone(field.rgb), blocks.in_blocks(alone, field.rgb, side=100, halo=32)
    assert max(max(shape) for shape in asked[1:]) <= 164 and len(asked) == 17
    assert ((whole > 0) == (parts > 0)).all()
    pairs = {(a, b) for a, b in zip(whole[whole > 0].tolist(), parts[whole > 0].tolist())}
    assert len(pairs) == whole.max() == parts.max() == len({b for _, b in pairs})


def test_predict_takes_the_blocks_and_a_file_that_can_name_all_cells(model, tmp_path, monkeypatch, capsys):
    field = painted_field(5, side=400, cells=45)
    Image.fromarray(field.rgb).save(tmp_path / "large.png")
    arguments = ["model", str(tmp_path / "large.png"), "-o", str(tmp_path / "out"), "--parts"]
    assert predict.main(arguments) == 0
    at_once = read_labels(tmp_path / "out/labels/large.png")
    monkeypatch.setattr(blocks, "LARGEST", 400 * 400 - 1)
    monkeypatch.setattr(predict, "suffix", lambda labels: "tif")
    assert predict.main(arguments) == 0
    assert "in blocks" in capsys.readouterr().out
    assert ((read_labels(tmp_path / "out/labels/large.tif") > 0) == (at_once > 0)).mean() > 0.99
    assert predict.suffix(at_once) == "tif"
    monkeypatch.undo()
    assert predict.suffix(np.array([[65_535]])) == "png" and predict.suffix(np.array([[65_536]])) == "tif"


def test_an_image_larger_than_pillow_s_limit_is_read(model, tmp_path, monkeypatch):
    Image.fromarray(painted_field(1).rgb).save(tmp_path / "i.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # twice that is refused as a bomb
    assert predict.main(["model", str(tmp_path / "i.png"), "-o", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("which", range(3))
def test_detectors_take_an_image_of_16_pixels(which):
    name, detector = detectors()[which]
    if which == 1:
        detector.net = lambda x: torch.zeros(1, 5, x.shape[2] * x.shape[3] // 64)
    assert detector.detect(np.full((16, 16, 3), 90, np.uint8)).boxes.shape[1:] == (4,), name


@pytest.mark.parametrize("name", ["unet", "caranet", "segformer"])
def test_segmenters_take_an_image_of_16_pixels(name):
    made = trainer("segmenter", name, "tiny", device="cpu")
    found = made.segmenter(made.net(), CPU).foreground(np.full((16, 16, 3), 90, np.uint8))
    assert found.shape == (16, 16) and np.isfinite(found).all()


# -- odd files


def test_grey_sixteen_bits_and_alpha_are_predicted(model, tmp_path, capsys):
    field = painted_field(2)
    grey = field.rgb.mean(2)
    clear = np.dstack([field.rgb, np.full(field.rgb.shape[:2], 255, np.uint8)])
    clear[:, 96:, 3] = 0  # the right half is transparent: paper
    pictures = {
        "grey": grey.astype(np.uint8),
        "sixteen": (grey * 257).astype(np.uint16),
        "alpha": clear,
        "greyalpha": np.dstack([grey, np.full(grey.shape, 255)]).astype(np.uint8),
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    Image.fromarray(field.rgb).quantize(64).save(tmp_path / "palette.png")
    assert predict.main(["model", *(str(p) for p in sorted(tmp_path.glob("*.png"))), "-o", str(tmp_path / "out")]) == 0
    truth = field.labels > 0
    for name in (*pictures, "palette"):
        found = read_labels(tmp_path / f"out/labels/{name}.png") > 0
        wanted = truth & (np.arange(192) < 96) if name == "alpha" else truth
        assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.9, name


def test_a_new_stain_is_fitted_where_there_is_something_to_fit(model, tmp_path, monkeypatch, capsys):
    Image.fromarray(painted_field(1).rgb).save(tmp_path / "i.png")
    (tmp_path / "bad.png").write_text("not an image")
    arguments = ["model", str(tmp_path), "-o", str(tmp_path / "out"), "--new-stain"]
    assert predict.main(arguments) == 1
    assert "nothing to fit" in capsys.readouterr().out
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1), torch.nn.BatchNorm2d(1))
    segmenter = NetSegmenter(net, device=CPU, name="net")
    monkeypatch.setattr(frame, "load", lambda *a, **k: replace(model, segmenter=segmenter))
    assert predict.main(arguments) == 1
    assert "net: normalisation fitted to 1 images" in capsys.readouterr().out
    assert net[1].running_mean.item() != 0 and segmenter.name == "net-adapted"


# -- no GPU, no memory


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said_by_the_commands(tmp_path, capsys):
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
        field = painted_field(0)
        Image.fromarray(field.rgb if part == "images" else field.labels.astype(np.uint16)).save(
            tmp_path / part / "0.png"
        )
    (tmp_path / "dataset.json").write_text(json.dumps({"splits": {"train": ["0"]}}))
    arguments = ["--preset", "tiny", "--prompter", "grabcut", "--device", "cuda"]
    assert train.main([str(tmp_path), "-o", str(tmp_path / "model"), *arguments]) == 1
    assert "no usable CUDA GPU" in capsys.readouterr().err


@BOXWISE
def test_out_of_memory_halves_the_shipped_prompter_s_batch(monkeypatch, caplog):
    field, made = painted_field(1), prompter("boxwise", device="cpu", batch=8)
    expected = made.decode(made.encode(field.rgb), Prompts(boxes=field.boxes))
    whole, sizes = made._answers, []

    def small_gpu(x):
        sizes.append(len(x))
        if len(x) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(x)

    monkeypatch.setattr(made, "_answers", small_gpu)
    with caplog.at_level(logging.WARNING):
        found = made.decode(made.encode(field.rgb), Prompts(boxes=field.boxes))
    assert sizes[:3] == [8, 4, 2] and "2 prompts at a time" in caplog.text
    for a, b in zip(expected.masks, found.masks):
        assert abs(int(a.bits.sum()) - int(b.bits.sum())) <= 0.03 * a.bits.sum() + 1

    def no_gpu(x):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made, "_answers", no_gpu)
    with pytest.raises(OutOfMemory, match="one prompt"):
        made.decode(made.encode(field.rgb), Prompts(boxes=field.boxes))


# -- no examples, no validation


@pytest.mark.parametrize("name", ["centre", "faster-rcnn"])
def test_a_class_without_examples_and_a_set_without_validation(name, tmp_path):
    field = painted_field(0)
    made = trainer("detector", name, "tiny", classes=4, device="cpu")
    short = replace(made.settings.schedule, steps=2, epoch=1)
    made = trainer("detector", name, replace(made.settings, schedule=short, batch=1), classes=4, device="cpu")
    path = made.train([field], [], work=tmp_path, report=lambda p: None, stop=lambda: False)
    found = made.load(path).detect(field.rgb)
    assert set(found.classes.tolist()) <= {0, 1, 2, 3}


def test_a_name_of_weights_that_are_no_prompter_is_no_prompter(capsys):
    from inference.registry import UnknownModel

    with pytest.raises(UnknownModel, match=r"sam2\.1-tiny"):
        prompter("res2net101d")
    assert models(["list"]) == 0
    assert "start for the segmenter caranet" in capsys.readouterr().out
