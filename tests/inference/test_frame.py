"""What every method stands behind: the registry, bundles, and what is said when something does not fit."""

import json
from dataclasses import is_dataclass

import numpy as np
import pytest

from inference.commands import predict, train
from inference.documents.methods import BOXCELL, METHODS, TRAINABLE, Method
from inference.labels import NoSuchLabels
from inference.methods import frame
from inference.registry import PRESETS
from inference.types import InferenceError
from tests.inference.conftest import painted_field


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", TRAINABLE)
def test_each_method_has_settings_for_each_preset(name, preset):
    module = frame.module_of(name)
    settings = module.settings_of(preset, device="cpu", seed=7)
    assert is_dataclass(settings) and settings.seed == 7 and settings.device == "cpu" and settings.preset == preset
    assert callable(module.train) and callable(module.load)


def test_rounds_use_only_the_methods_that_are_made_for_them():
    assert BOXCELL.name in METHODS and BOXCELL.name in TRAINABLE
    assert all(one.rounds for one in METHODS.values()) and all(one.module for one in TRAINABLE.values())


def test_a_folder_without_a_document_is_no_trained_model(tmp_path):
    with pytest.raises(InferenceError, match=r"is no trained model: none of boxcell\.json"):
        frame.load(tmp_path)
    with pytest.raises(InferenceError, match="there is no method 'x'; there are boxcell"):
        frame.module_of("x")


@pytest.mark.parametrize("name", TRAINABLE)
@pytest.mark.parametrize(
    ("content", "sentence"),
    [("{", "is no trained model"), ("[]", "is no trained model"), ('{"method": "of-another-time"}', "was made by of-")],
)
def test_a_damaged_bundle_is_declined(name, content, sentence, tmp_path):
    (tmp_path / TRAINABLE[name].bundle).write_text(content)
    with pytest.raises(InferenceError, match=sentence):
        frame.load(tmp_path, device="cpu")


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_bundle_without_its_weights_is_declined(name, tmp_path):
    version = frame.module_of(name).METHOD
    (tmp_path / TRAINABLE[name].bundle).write_text(json.dumps({"method": version}))
    with pytest.raises(InferenceError):
        frame.load(tmp_path, device="cpu")


def test_too_few_cells_are_said_with_both_numbers(tmp_path):
    field = painted_field(0)
    method = Method("x", "X", "none", ("masks",), least=200)
    with pytest.raises(NoSuchLabels, match=f"X needs 200 masks; there are {len(field.boxes)}"):
        frame.check_enough(method, [field])
    frame.check_enough(method, [field] * 20)


def test_scores_fit_the_ids():
    labels = np.zeros((4, 4), np.int32)
    labels[1, 1] = 2
    found = frame.Instances(labels, np.ones(2, np.float32))
    assert found.classes.tolist() == [0, 0]
    with pytest.raises(ValueError, match="1 scores"):
        frame.Instances(labels, np.ones(1, np.float32))


@pytest.mark.parametrize("name", [name for name in TRAINABLE if name != "boxcell"])
def test_an_option_of_another_method_is_declined(name, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main([str(tmp_path), "-o", str(tmp_path / "m"), "--method", name, "--detector", "centre"])
    assert f"{name} takes no --detector" in capsys.readouterr().err


def test_parts_and_stain_of_a_method_that_has_neither(tmp_path, monkeypatch, capsys):
    from PIL import Image

    class Whole:
        models = {"net": "whole-1"}
        settings = "none"

        def predict(self, rgb):
            return frame.Instances(np.ones(rgb.shape[:2], np.int32), np.ones(1, np.float32))

    monkeypatch.setattr(frame, "load", lambda *a, **k: Whole())
    Image.fromarray(painted_field(0).rgb).save(tmp_path / "i.png")
    out = tmp_path / "out"
    assert predict.main(["model", str(tmp_path / "i.png"), "-o", str(out), "--parts"]) == 1
    assert "made in one piece; leave out --parts" in capsys.readouterr().err and not (out / "labels").exists()
    assert predict.main(["model", str(tmp_path / "i.png"), "-o", str(out), "--new-stain"]) == 0
    printed = capsys.readouterr().out
    assert "nothing to fit" in printed and "i.png: 1 cells\n" in printed
