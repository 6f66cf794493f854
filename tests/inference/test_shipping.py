"""Which weights of boxwise-sam are put in place: usable ones, with their card."""

import numpy as np
import pytest

from inference.experiments import shipping
from inference.experiments.measure import PromptFigures
from inference.experiments.shipping import Measured
from inference.prompters.compact import MODEL, CompactNet
from inference.weights import files


def figures(gold, clicked):
    return PromptFigures(gold=gold, jittered=(gold,), clicked=clicked, instance=gold)


@pytest.mark.parametrize(
    ("own", "is_put_in_place", "words"),
    [
        ((0.93, 0.80), True, "it may be the default"),
        ((0.90, 0.70), True, "the crop net stays"),
        ((0.93, 0.60), False, "not usable"),
        ((0.80, 0.80), False, "not usable"),
    ],
)
def test_usable_weights_are_put_in_place_with_their_card(own, is_put_in_place, words, tmp_path, monkeypatch, capsys):
    weights = tmp_path / "trained.safetensors"
    files.save(weights, CompactNet().state_dict(), {"model": MODEL, "steps": 3000, "seed": 0}, half=True)
    crop = figures(0.92, 0.78)
    found = [Measured(name, 5, figures(*own), crop) for name in shipping.SETS]
    monkeypatch.setattr(shipping, "measured", lambda data, path: found)
    folder = tmp_path / "weights"
    folder.mkdir()
    code = shipping.main([str(tmp_path), str(weights), "--folder", str(folder)])
    assert (code == 0) == is_put_in_place
    assert words in capsys.readouterr().out
    assert (folder / "boxwise_sam.safetensors").exists() == is_put_in_place
    if is_put_in_place:
        card = (folder / "boxwise_sam.md").read_text()
        assert all(word in card for word in ("Data", "Recipe", "Limits", "Licence", "CC0", "CC BY"))  # as test_weights
        assert "--steps 3000" in card and f"| tnbc (5) | boxwise-sam | {own[0]:.3f} |" in card
        assert np.isclose(files.load(folder / "boxwise_sam.safetensors")[0]["drawn"].std().item(), 0.1, atol=0.05)
