"""The rule for crumbs: what it leaves out, and what it must never leave out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.crumbs import (
    BOXED,
    FEWEST,
    FEWEST_BOXED,
    LONE,
    crumb_areas,
    lone_share,
    smallest_cell,
    without_crumbs,
)
from inference.documents.configuration import Instances
from tests.documents import cell_json, snapshot_image, snapshot_of


def image(sides, *, um=None, at=30, size=400, number=1):
    """An image of a snapshot with one square box a side, away from the rim."""
    cells = [cell_json([at, at, at + side, at + side]) for side in sides]
    return snapshot_image(number, width=size, height=size, um_per_px=um, cells=cells)


MANY = [20.0] * (2 * FEWEST)
CELL = math.pi / 4 * 20 * 20  # pixels in the ellipse of such a box


def test_the_threshold_is_a_share_of_the_ellipse_in_the_smallest_boxes():
    found = smallest_cell([image(MANY)], 0.25)
    assert found.area == pytest.approx(0.25 * CELL)
    assert found.pixels(None) == found.area


def test_a_few_boxes_leave_nothing_out():
    few = image([20.0] * (FEWEST - 1))
    assert smallest_cell([few], 0.25).area == 0
    cut_by_the_rim = image(MANY, at=0)
    assert smallest_cell([cut_by_the_rim], 0.25).area == 0


def test_zero_switches_the_rule_off_and_old_rounds_have_none():
    old = Instances.stored({"method": "geodesic"})
    assert crumb_areas(snapshot_of(image(MANY)), old.crumbs) == {1: 0.0}


def test_areas_are_in_micrometres_only_where_every_image_states_its_scale():
    fine = image(MANY, um=0.25)
    coarse = image([], um=0.5, number=2)
    areas = crumb_areas(snapshot_of(fine, coarse), 0.25)
    assert areas[1] == pytest.approx(4 * areas[2])
    areas = crumb_areas(snapshot_of(fine, coarse.with_(um_per_px=None)), 0.25)
    assert areas[1] == areas[2]
    assert areas[1] == pytest.approx(0.25 * CELL)


def field(*sizes):
    """A label map with a strip of so many pixels for each id, away from the rim."""
    labels = np.zeros((2 * len(sizes) + 3, 200), np.int32)
    for number, size in enumerate(sizes, start=1):
        labels[2 * number, 5 : 5 + size] = number
    return labels


def numbers_in(labels):
    return set(np.unique(labels))


def test_crumbs_are_left_out_and_counted():
    found = field(50, 9, 10, 11)
    labels, left_out = without_crumbs(found, 10)
    assert left_out == 1
    assert numbers_in(labels) == {0, 1, 3, 4}


def test_a_piece_in_a_detector_s_box_is_asked_for_less_and_a_person_s_cell_for_nothing():
    least = int(100 * BOXED)
    found = field(least - 1, least, 99, 1)
    labels, _left_out = without_crumbs(found, 100, boxes=2)
    assert numbers_in(labels) == {0, 2}
    labels, _left_out = without_crumbs(found, 100, boxes=2, keep=[1, 4])
    assert numbers_in(labels) == {0, 1, 2, 4}


def test_a_piece_at_the_rim_is_a_part_of_a_cell():
    labels = np.zeros((20, 20), np.int32)
    labels[0, 3:5] = 1
    labels[10, 19] = 2
    labels[9, 9] = 3
    kept, left_out = without_crumbs(labels, 50)
    assert numbers_in(kept) == {0, 1, 2}
    assert left_out == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=12), st.floats(0, 200), st.integers(0, 12))
def test_what_stays_is_as_it_was(sizes, area, boxes):
    before = field(*sizes)
    after, left_out = without_crumbs(before, area, boxes=boxes)
    kept = after > 0
    np.testing.assert_array_equal(after[kept], before[kept])
    expected = 0
    for number, size in enumerate(sizes, start=1):
        limit = area * BOXED if number <= boxes else area
        if size < limit:
            expected += 1
    assert left_out == expected


def image_of_cells(lone: int, boxed: int = 6) -> np.ndarray:
    """Cells of 10 x 10 px in boxes, ids 1..boxed, and one of lone px outside every box, the last id."""
    labels = np.zeros((40, 200), np.int32)
    for k in range(boxed):
        labels[5:15, 15 * k + 5 : 15 * k + 15] = k + 1
    labels[30, 5 : 5 + lone] = boxed + 1
    return labels


@pytest.mark.parametrize(("lone", "stays"), [(49, False), (50, True), (99, True)])
def test_a_piece_outside_every_box_must_be_half_as_large_as_the_cells_in_boxes(lone, stays):
    labels = image_of_cells(lone)
    kept, left_out = without_crumbs(labels, 0.0, boxes=6, lone=LONE)
    assert left_out == (0 if stays else 1)
    assert (kept[labels <= 6] == labels[labels <= 6]).all()
    assert (7 in kept) is stays


def test_few_boxes_say_nothing_about_the_size_of_cells_nor_does_a_rule_that_is_off():
    few = image_of_cells(21, boxed=FEWEST_BOXED - 1)
    assert without_crumbs(few, 0.0, boxes=FEWEST_BOXED - 1, lone=LONE)[1] == 0
    assert without_crumbs(image_of_cells(21), 0.0, boxes=6)[1] == 0
    assert lone_share(0.0) == 0
    assert lone_share(0.25) == LONE


def test_a_small_cell_in_a_box_or_at_the_rim_is_not_asked_for_half():
    labels = image_of_cells(21)
    labels[30] = 0
    labels[20, 50:70] = 6  # what is left of the sixth cell, beside its box
    labels[labels == 6] = 0
    labels[25, 100:120] = 6
    labels[39, 5:26] = 7  # at the rim
    kept, left_out = without_crumbs(labels, 0.0, boxes=6, lone=LONE)
    assert left_out == 0 and (kept == labels).all()
