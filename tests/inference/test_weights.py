"""What ships: small, described, and better than what needs no weights."""

import numpy as np
import pytest

from inference.experiments.data import training_samples
from inference.experiments.measure import measure_prompter
from inference.registry import DEFAULT_PROMPTER, prompter
from inference.weights import files, shipped
from inference.weights.files import BadWeights

NAMES = [name for name in ("boxwise", "boxwise_sam", "centre", "unet") if shipped(name)]


def test_shipped_weights_are_small_and_have_cards():
    paths = [shipped(name) for name in NAMES]
    assert sum(path.stat().st_size for path in paths if path) <= 12e6
    for path in paths:
        assert path is not None
        card = path.with_suffix(".md").read_text()
        assert all(word in card for word in ("Data", "Recipe", "Limits", "Licence", "CC0", "CC BY"))
        files.load(path)


def test_shipped_weights_cannot_be_trained_on_other_sets(tmp_path):
    with pytest.raises(ValueError, match="consep"):
        training_samples(tmp_path, ["consep"])


def test_a_web_page_saved_as_weights_is_not_called_a_file_of_objects_alone(tmp_path):
    """What a browser stores where a download needs a login. torch reports it as it reports a pickle of objects."""
    (tmp_path / "weights.pth").write_bytes(b"<!DOCTYPE html><html>")
    with pytest.raises(BadWeights, match=r"it is damaged, is no file of torch\.save, or holds Python objects"):
        files.read_checkpoint(tmp_path / "weights.pth")


@pytest.mark.skipif(shipped("boxwise") is None, reason="built without weights")
def test_the_default_prompter_beats_grabcut_on_a_patient_it_never_saw(tnbc):
    samples = [tnbc.sample(name, with_labels=True) for name in tnbc.split("val")[:2]]
    ours, classical = (measure_prompter(prompter(name), samples, seeds=1) for name in (DEFAULT_PROMPTER, "grabcut"))
    assert ours.gold > classical.gold + 0.04
    assert np.mean(ours.jittered) > np.mean(classical.jittered) + 0.05
    assert ours.clicked > 0.75
