"""Settings as a weight file keeps them, and what is no such settings."""

import json
from dataclasses import asdict, replace

import pytest

from inference.methods import cfr_sam
from inference.methods.cellboxify.training import PRESETS
from inference.training.kept import restored


@pytest.mark.parametrize("made", [PRESETS["paper"], cfr_sam.PRESETS["paper"]])
def test_settings_come_back_as_they_were(made):
    kept = json.loads(json.dumps(asdict(made)))
    assert restored(type(made), kept) == made


def test_what_is_given_replaces_what_was_kept():
    settings = cfr_sam.PRESETS["tiny"]
    made = restored(cfr_sam.CfrSettings, asdict(settings), device="cpu")
    assert made == replace(settings, device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masks": {"schedule": {"steps": 1}}}, "masks.schedule.epoch: Field required"),
        ({"least_area": "many"}, "least_area: Input should be a valid integer"),
        ({"magic": 1}, "magic is no setting of this version"),
        ({"masks": {"schedule": {"steps": 1, "epoch": 1, "speed": 2}}}, "speed is no setting of this version"),
    ],
)
def test_what_is_no_such_settings_is_declined(changes, message):
    kept = asdict(cfr_sam.PRESETS["tiny"])
    with pytest.raises(ValueError, match=message):
        restored(cfr_sam.CfrSettings, kept | changes)
    with pytest.raises(ValueError, match="dictionary"):
        restored(cfr_sam.CfrSettings, None)
