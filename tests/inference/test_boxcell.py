"""BoxCell from boxes to instances on painted fields, in memory and by the commands."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inference import metrics
from inference.commands import masks, predict, train
from inference.datasets import read_labels
from inference.detectors import centre
from inference.methods import boxcell
from inference.registry import prompter
from inference.segmenters import unet
from inference.types import Cancelled, InferenceError
from tests.inference.conftest import painted_field

SETTINGS = boxcell.BoxCellSettings(prompter="grabcut", preset="tiny", device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One training for all tests of this file; half of them would otherwise be spent on it."""
    output = tmp_path_factory.mktemp("model")
    seen = []
    fields = [painted_field(i) for i in range(4)]
    boxcell.train(fields, [painted_field(7)], SETTINGS, output=output, report=seen.append, stop=lambda: False)
    return output, seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Painted fields in the layout of reference data."""
    path = tmp_path_factory.mktemp("painted")
    for part in ("images", "labels"):
        (path / part).mkdir()
    for i in range(3):
        field = painted_field(i)
        Image.fromarray(field.rgb).save(path / "images" / f"{i}.png")
        Image.fromarray(field.labels.astype(np.uint16)).save(path / "labels" / f"{i}.png")
    (path / "dataset.json").write_text(json.dumps({"splits": {"train": ["0", "1"], "val": ["2"]}}))
    return path


@pytest.fixture
def shorten(monkeypatch):
    """Trainings of fewer steps, where a test is not about what was learned; a batch holds all four fields."""

    def to(*, steps, epoch):
        for module in (centre, unet):
            tiny = module.PRESETS["tiny"]
            schedule = replace(tiny.schedule, steps=steps, epoch=epoch)
            monkeypatch.setitem(module.PRESETS, "tiny", replace(tiny, schedule=schedule))

    return to


def test_progress_counts_both_parts_up_to_the_end(trained):
    _, seen = trained
    assert [p.done for p in seen] == [1, 2, 3, 4, 5, 6] and {p.total for p in seen} == {6}
    assert [p.note for p in seen] == ["detector"] * 3 + ["segmenter"] * 3


def test_self_training_goes_on_from_the_trained_parts(trained, tmp_path, monkeypatch):
    """Painted cells are so clear that the cut changes no pseudo-mask, so that another teacher stands in for it here."""
    output = tmp_path / "model"
    asked = []

    def taught(segmenter, sample, settings):
        asked.append(segmenter.foreground(sample.rgb).max())
        return replace(sample, labels=np.where(sample.labels % 2, sample.labels, 0))

    monkeypatch.setattr(boxcell, "fused_pseudo_masks", taught)
    shutil.copytree(trained[0], output)
    fields = [painted_field(i) for i in range(4)]
    once_more = replace(SETTINGS, self_training=1)
    seen = []
    boxcell.train(fields, [painted_field(7)], once_more, output=output, report=seen.append, stop=lambda: False)
    assert [(p.done, p.total) for p in seen] == [(7, 9), (8, 9), (9, 9)]  # the two parts are there already
    first, second = (json.loads((path / "boxcell.json").read_text())["parts"] for path in (trained[0], output))
    same = {kind: (trained[0] / first[kind]).read_bytes() == (output / second[kind]).read_bytes() for kind in first}
    assert same == {"detector": True, "segmenter": False}
    assert len(asked) == 4 and min(asked) > 0.5  # by the segmenter that was trained on the pseudo-masks


def test_the_segmenter_cannot_be_trained_less_than_once():
    with pytest.raises(ValueError, match="-1 times more"):
        boxcell.BoxCellSettings(self_training=-1)


def test_self_training_teaches_a_cell_that_only_the_segmenter_saw():
    field = painted_field(1)

    class Sure:
        def foreground(self, rgb):
            return (field.labels > 0).astype(np.float32)

    missed = field.labels == 1
    declining = replace(field, labels=np.where(missed, 0, field.labels))
    fused = boxcell.fused_pseudo_masks(Sure(), declining, SETTINGS)
    assert (fused.labels[missed] > 0).mean() > 0.8
    others = (field.labels > 1) | (field.labels == 0)
    assert ((fused.labels > 0) == (declining.labels > 0))[others].mean() > 0.98


def test_the_parts_add_up_to_the_result(trained):
    field = painted_field(9)
    parts = boxcell.load(trained[0], device="cpu").predict(field.rgb)
    agreed = (parts.detected > 0) == parts.segmented
    assert (parts.fused.mask[agreed] == parts.segmented[agreed]).all()
    assert parts.fused.certificate.closed
    assert not (parts.labels > 0)[~parts.fused.mask].any()
    assert metrics.dice(field.labels > 0, parts.fused.mask) > 0.8


def test_each_cell_has_a_score_and_a_class(trained):
    parts = boxcell.load(trained[0], device="cpu").predict(painted_field(9).rgb)
    count = len(parts.detections)
    detected = np.where(parts.labels > count, 0, parts.labels)
    unseen = replace(parts, labels=detected, probability=np.full(detected.shape, 0.25, np.float32))
    unseen.labels[:3, :3] = count + 2  # a cell that only the segmenter saw, after a gap
    assert unseen.scores.tolist() == [*parts.detections.scores.tolist(), 0.0, 0.25]
    assert unseen.classes.tolist() == [*parts.detections.classes.tolist(), 0, 0]


@pytest.mark.parametrize("steps", [3, pytest.param(24, marks=pytest.mark.slow)])
def test_reference_masks_are_never_looked_at(tmp_path, shorten, steps):
    """Wrong labels with right boxes train the same pipeline, to the bit."""
    shorten(steps=steps, epoch=steps)
    fields = [painted_field(i) for i in range(4)]
    lying = [replace(field, labels=np.zeros_like(field.labels)) for field in fields]
    kept_back = replace(painted_field(7), labels=None)
    for name, taught, validation in (("honest", fields, painted_field(7)), ("lying", lying, kept_back)):
        boxcell.train(taught, [validation], SETTINGS, output=tmp_path / name, report=lambda p: None, stop=lambda: False)
    for name in ("detector.safetensors", "segmenter.safetensors"):
        assert (tmp_path / "lying" / name).read_bytes() == (tmp_path / "honest" / name).read_bytes()


def test_an_unanswered_box_is_unknown_not_background():
    field = painted_field(1)

    class Silent:
        name = "silent"

        def encode(self, rgb):
            return rgb

        def decode(self, encoded, prompts):
            found = prompter("grabcut").decode(encoded, prompts)
            found.masks[0] = boxcell_empty()
            return found

    def boxcell_empty():
        from inference.prompters.grabcut import EMPTY

        return EMPTY

    made = boxcell.pseudo_masks(Silent(), field)
    x0, y0, x1, y1 = field.boxes[0].astype(int)
    assert not made.valid[y0:y1, x0:x1].any() and made.valid.sum() == field.valid.sum() - (y1 - y0) * (x1 - x0)


def test_cancelling_keeps_what_was_trained(tmp_path, shorten):
    shorten(steps=6, epoch=2)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) == 6  # in the detector's third epoch

    fields = [painted_field(0)]
    with pytest.raises(Cancelled):
        boxcell.train(fields, [], SETTINGS, output=tmp_path, report=lambda p: None, stop=stop)
    with pytest.raises(InferenceError, match="no trained model"):
        boxcell.load(tmp_path)
    seen = []
    boxcell.train(fields, [], SETTINGS, output=tmp_path, report=seen.append, stop=lambda: False)
    assert [p.done for p in seen] == [3, 4, 5, 6]


def test_specks_vanish_and_cells_stay():
    mask = np.zeros((40, 40), bool)
    mask[2:6, 2:6] = True  # 16 pixels
    mask[20:25, 20:24] = True  # 20
    kept = boxcell.without_specks(mask, 20)
    assert kept.sum() == 20 and kept[20, 20]


def test_the_command_trains(folder, tmp_path, shorten):
    shorten(steps=2, epoch=1)
    model = tmp_path / "model"
    arguments = ["--preset", "tiny", "--prompter", "grabcut", "--device", "cpu"]
    assert train.main([str(folder), "-o", str(model), *arguments]) == 0
    made = boxcell.load(model, device="cpu")
    assert (made.settings.prompter, made.settings.preset) == ("grabcut", "tiny")


def test_the_command_from_images_to_instances(trained, folder, tmp_path, capsys):
    out = tmp_path / "out"
    (tmp_path / "bad.png").write_text("not an image")
    images = [str(folder / "images"), str(tmp_path / "bad.png")]
    assert predict.main([str(trained[0]), *images, "-o", str(out), "--parts", "--device", "cpu"]) == 1
    assert "bad.png" in capsys.readouterr().err
    for kind in ("labels", "detector", "segmenter", "fused"):
        assert {path.stem for path in (out / kind).glob("*.png")} == {"0", "1", "2"}
    assert json.loads((out / "fused" / "2.json").read_text())["certificate"]["closed"]
    assert read_labels(out / "labels" / "2.png").max() > 5


def test_masks_keeps_the_order_of_the_boxes(folder, tmp_path):
    boxes = painted_field(0).boxes
    (tmp_path / "boxes.json").write_text(json.dumps(boxes.tolist()))
    arguments = [str(folder / "images" / "0.png"), str(tmp_path / "boxes.json"), "-o", str(tmp_path / "l.png")]
    assert masks.main([*arguments, "--prompter", "grabcut"]) == 0
    labels = read_labels(tmp_path / "l.png")
    for i, (x0, y0, x1, y1) in enumerate(boxes.astype(int), start=1):
        assert labels[(y0 + y1) // 2, (x0 + x1) // 2] == i


@pytest.mark.parametrize("text", ["[[1, 2, 3]]", "nothing", '{"boxes": []}', "[[1, 2, 3, null, 5]]"])
def test_masks_names_a_file_without_boxes(folder, tmp_path, capsys, text):
    (tmp_path / "boxes.json").write_text(text)
    arguments = [str(folder / "images" / "0.png"), str(tmp_path / "boxes.json"), "-o", str(tmp_path / "l.png")]
    assert masks.main([*arguments, "--prompter", "grabcut"]) == 1
    assert "boxes.json" in capsys.readouterr().err


def test_no_boxes_give_an_empty_label_map(folder, tmp_path):
    (tmp_path / "boxes.json").write_text("[]")
    arguments = [str(folder / "images" / "0.png"), str(tmp_path / "boxes.json"), "-o", str(tmp_path / "l.png")]
    assert masks.main([*arguments, "--prompter", "grabcut"]) == 0
    assert read_labels(tmp_path / "l.png").max() == 0


def test_two_images_of_one_name_are_refused(trained, folder, tmp_path, capsys):
    twice = [str(folder / "images" / "0.png"), str(folder / "labels" / "0.png")]
    assert predict.main([str(trained[0]), *twice, "-o", str(tmp_path)]) == 1
    assert "overwrite" in capsys.readouterr().err
