"""Curves from logs, windows beside their masks, patients left out together."""

import numpy as np
import pytest

from inference.experiments import curves, fields, patients

LOG = """    12 s  detector 1/4  loss 0.950 score 0.912 ap50 0.912 f1 0.880
    14 s  detector 2/4  loss 0.900 score 0.922 ap50 0.915 f1 0.890
    20 s  segmenter 3/4  loss 0.500 dice 0.800
20 s -> model
"""


def test_a_log_becomes_the_curves_of_its_parts(tmp_path):
    found = curves.read(LOG)
    assert found["detector"]["loss"] == [(1, 0.95), (2, 0.9)] and found["detector"]["ap50"][-1] == (2, 0.915)
    assert found["segmenter"] == {"loss": [(3, 0.5)], "dice": [(3, 0.8)]}
    assert curves.read("epoch 3/24 loss 0.5100\n") == {"": {"loss": [(3, 0.51)]}}
    (tmp_path / "a.log").write_text(LOG)
    assert curves.main([f"tnbc={tmp_path / 'a.log'}", "-o", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_a_log_without_epochs_is_said_to_hold_none(tmp_path, capsys):
    (tmp_path / "a.log").write_text("nothing\n")
    with pytest.raises(SystemExit):
        curves.main([f"a={tmp_path / 'a.log'}", "-o", str(tmp_path / "c.png")])
    assert "no log holds an epoch" in capsys.readouterr().err


def test_images_of_one_patient_are_left_out_together():
    names = ["01_1", "01_2", "02_1", "03_1", "04_1", "04_2"]
    folds = patients.folds_of(names, 2)
    assert folds == [["01_1", "01_2", "03_1"], ["02_1", "04_1", "04_2"]]
    with pytest.raises(ValueError, match="4 patients"):
        patients.folds_of(names, 5)


def test_the_page_shows_good_typical_and_bad_windows():
    truth = np.zeros((fields.WINDOW, fields.WINDOW), np.int32)
    truth[40:60, 40:60] = 1
    rgb = np.full((*truth.shape, 3), 200, np.uint8)
    found = [fields.Window(rgb, truth, (truth > 0, truth < 0, truth > 0), 1 - k / 10) for k in range(10)]
    page = fields.page(found)
    side = fields.WINDOW * fields.ENLARGED
    assert page.shape == (6 * (side + 20), 4 * side, 3)
    # In the second column the mask is the reference, so green covers all of the yellow; in the third there is no mask.
    second, third = page[20 : 20 + side, side : 2 * side], page[20 : 20 + side, 2 * side : 3 * side]
    assert (second == fields.OURS).all(-1).any() and not (second == fields.REFERENCE).all(-1).any()
    assert (third == fields.REFERENCE).all(-1).any() and not (third == fields.OURS).all(-1).any()
