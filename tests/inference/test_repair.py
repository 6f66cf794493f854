"""Every reference cell needs exactly one thing; the counts of a table by hand, and properties of random label maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.metrics import contingency, panoptic
from inference.repair import ACCEPT_S, DRAW_S, EDGE_S, REJECT_S, Repair, repair


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
    if found.cells:
        assert sum(per_100[name] for name in ("untouched", "edge", "merged", "split", "missed")) == pytest.approx(100)
    else:
        assert per_100 == {}


def test_seconds_are_those_of_the_gestures():
    needed = Repair(untouched=10, edge=4, merged=2, split=1, missed=3, rejected=5, false=2)
    assert needed.seconds == pytest.approx(10 * ACCEPT_S + 4 * EDGE_S + 6 * DRAW_S + 5 * REJECT_S)
    assert needed.per_100()["seconds"] == pytest.approx(5 * needed.seconds)
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
