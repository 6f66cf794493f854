"""Every reference cell needs exactly one thing; the counts of a table by hand, and properties of random label maps."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference.commands import evaluate
from inference.metrics import contingency, panoptic
from inference.repair import ACCEPT_S, DRAW_S, EDGE_S, REJECT_S, SHOWN, Repair, repair


def row(*cells: int) -> np.ndarray:
    return np.array([cells])


def of(reference: np.ndarray, predicted: np.ndarray) -> Repair:
    return repair(contingency(reference, predicted), reference.size)


@pytest.mark.parametrize(
    ("reference", "predicted", "expected"),
    [
        (row(1, 1, 1, 1, 0), row(7, 7, 7, 7, 0), Repair(untouched=1)),
        (row(1, 1, 1, 1, 0), row(7, 7, 7, 0, 0), Repair(untouched=1)),  # IoU .75
        (row(1, 1, 1, 1, 1), row(7, 7, 7, 0, 0), Repair(edge=1)),  # IoU .6
        (row(1, 1, 1, 1, 0), row(0, 0, 0, 0, 0), Repair(missed=1)),
        (row(1, 1, 1, 1, 0), row(7, 0, 0, 0, 0), Repair(missed=1, rejected=1, false=1)),  # a crumb of it does not count
        (row(1, 1, 2, 2, 0), row(7, 7, 7, 7, 0), Repair(merged=2, rejected=1)),
        (row(1, 1, 1, 1, 2), row(7, 7, 7, 7, 7), Repair(untouched=1, merged=1)),  # one of the two is met
        (row(1, 1, 1, 1, 0), row(7, 7, 8, 8, 0), Repair(split=1, rejected=2)),
        (row(1, 1, 1, 1, 0), row(7, 7, 7, 8, 0), Repair(untouched=1, rejected=1)),  # a piece beside a cell that is met
        (row(1, 1, 0, 0, 0), row(7, 7, 0, 8, 8), Repair(untouched=1, rejected=1, false=1)),
        (row(0, 0, 0, 0, 0), row(7, 7, 0, 8, 8), Repair(rejected=2, false=2, empty_false=2, empty_pixels=5)),
        (row(0, 0, 0, 0, 0), row(0, 0, 0, 0, 0), Repair(empty_pixels=5)),
    ],
)
def test_what_a_cell_needs(reference, predicted, expected):
    assert of(reference, predicted) == expected


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_each_reference_cell_is_counted_once_and_found_ones_are_those_of_panoptic_quality(seed):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, rng.integers(2, 9), (2, 4, 4))
    reference, predicted = (np.kron(labels, np.ones((2, 2), int)) for labels in small)
    predicted = np.roll(predicted, rng.integers(0, 2), axis=1)
    table = contingency(reference, predicted)
    found, cells = of(reference, predicted), panoptic(table)
    assert found.cells == len(table.reference_ids)
    assert found.untouched + found.edge == cells.found
    assert found.rejected == cells.extra >= found.false
    assert found.merged + found.split + found.missed == cells.missed
    assert found + found == Repair(*(2 * value for value in vars(found).values()))
    per_100 = found.per_100()
    assert tuple(per_100) in (SHOWN, ())
    if found.cells:
        assert sum(
            per_100[f"{name}_cells"] for name in ("untouched", "edge", "merged", "split", "missed")
        ) == pytest.approx(100)
    else:
        assert per_100 == {}


def test_seconds_are_those_of_the_gestures():
    needed = Repair(untouched=10, edge=4, merged=2, split=1, missed=3, rejected=5, false=2)
    assert needed.seconds == pytest.approx(10 * ACCEPT_S + 4 * EDGE_S + 6 * DRAW_S + 5 * REJECT_S)
    assert needed.per_100()["repair_seconds"] == pytest.approx(5 * needed.seconds)
    # docs/gestures.md: a judged proposal 1.6 s, a box and its verdict 4.0 s
    assert round(ACCEPT_S, 1) == 1.6 and round(DRAW_S, 1) == 4.0


def test_false_cells_per_area_are_those_of_empty_images():
    empty = of(np.zeros((1000, 2000), int), np.eye(1000, 2000, dtype=int))
    assert empty.false_per_mm2(0.5) == pytest.approx(1 / 0.5)  # 2 million pixels of 0.5 µm are 0.5 mm²
    assert of(row(1, 1), row(1, 0)).false_per_mm2(0.5) is None
    with pytest.raises(ValueError, match="larger than 0"):
        empty.false_per_mm2(0)


def test_the_threshold_of_an_untouched_mask_is_between_half_and_one():
    with pytest.raises(ValueError, match="untouched must lie"):
        repair(contingency(row(1), row(1)), 1, untouched=0.4)


def test_the_command_prints_what_is_to_repair(tmp_path, capsys):
    truth = np.zeros((40, 50), np.uint16)
    truth[5:15, 5:15], truth[20:30, 5:15] = 1, 2
    found = np.zeros_like(truth)
    found[5:15, 5:15], found[20:30, 30:40] = 1, 2
    for name, reference, predicted in (("cells", truth, found), ("none", np.zeros_like(truth), found)):
        for side, labels in (("reference", reference), ("predicted", predicted)):
            (tmp_path / side).mkdir(exist_ok=True)
            Image.fromarray(labels).save(tmp_path / side / f"{name}.png")
    given = [str(tmp_path / "reference"), str(tmp_path / "predicted"), "--mpp", "0.5"]
    assert evaluate.main(given) == 0
    printed = capsys.readouterr().out
    assert "per 100 reference cells" in printed and "4000.0 false cells per mm²" in printed  # 2 on 0.0005 mm²
    assert evaluate.main([*given, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)["repair"]
    of_cells = about["per_100_reference_cells"]["images"]["cells"]
    assert of_cells == {
        "untouched_cells": 50,
        "edge_cells": 0,
        "missed_cells": 50,
        "merged_cells": 0,
        "split_cells": 0,
        "false_cells": 50,
        "repair_seconds": pytest.approx(50 * (ACCEPT_S + DRAW_S + REJECT_S)),
    }
    assert about["per_100_reference_cells"]["images"]["none"] == {}
    assert about["false_cells_per_mm2_of_empty_images"] == pytest.approx(4000)
    with pytest.raises(SystemExit):
        evaluate.main([*given[:2], "--mpp", "0"])
    assert "--mpp must be larger than 0" in capsys.readouterr().err
