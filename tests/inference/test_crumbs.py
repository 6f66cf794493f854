"""The rule for crumbs: what it leaves out, and what it must never leave out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.crumbs import BOXED, FEWEST, crumb_areas, smallest_cell, without_crumbs


def image(sides, *, um=None, at=30, size=400):
    """An image document with one square box a side, away from the rim."""
    cells = [{"box": [at, at, at + side, at + side]} for side in sides]
    return {"image": 1, "width": size, "height": size, "um_per_px": um, "cells": cells}


MANY = [20.0] * (2 * FEWEST)


def test_the_threshold_is_a_share_of_the_ellipse_in_the_smallest_boxes():
    found = smallest_cell([image(MANY)], 0.25)
    assert found.area == pytest.approx(0.25 * math.pi / 4 * 400) and found.pixels(None) == found.area


def test_a_few_boxes_leave_nothing_out():
    assert smallest_cell([image([20.0] * (FEWEST - 1))], 0.25).area == 0
    assert smallest_cell([image(MANY, at=0)], 0.25).area == 0  # all are cut by the rim


def test_zero_switches_the_rule_off_and_old_rounds_have_none():
    assert crumb_areas({"images": [image(MANY)]}, {"crumbs": 0.0}) == {1: 0.0}
    assert crumb_areas({"images": [image(MANY)]}, {}) == {1: 0.0}


def test_areas_are_in_micrometres_only_where_every_image_states_its_scale():
    fine, coarse = image(MANY, um=0.25), image([], um=0.5) | {"image": 2}
    areas = crumb_areas({"images": [fine, coarse]}, {"crumbs": 0.25})
    assert areas[1] == pytest.approx(4 * areas[2])
    unknown = crumb_areas({"images": [fine, coarse | {"um_per_px": None}]}, {"crumbs": 0.25})
    assert unknown[1] == unknown[2] == pytest.approx(0.25 * math.pi / 4 * 400)


def field(*sizes):
    """A label map with a strip of so many pixels for each id, away from the rim."""
    labels = np.zeros((2 * len(sizes) + 3, 200), np.int32)
    for number, size in enumerate(sizes, start=1):
        labels[2 * number, 5 : 5 + size] = number
    return labels


def test_crumbs_are_left_out_and_counted():
    labels, left_out = without_crumbs(field(50, 9, 10, 11), 10)
    assert left_out == 1 and set(np.unique(labels)) == {0, 1, 3, 4}


def test_a_piece_in_a_detector_s_box_is_asked_for_less_and_a_person_s_cell_for_nothing():
    least = int(100 * BOXED)
    found = field(least - 1, least, 99, 1)
    assert set(np.unique(without_crumbs(found, 100, boxes=2)[0])) == {0, 2}
    assert set(np.unique(without_crumbs(found, 100, boxes=2, keep=[1, 4])[0])) == {0, 1, 2, 4}


def test_a_piece_at_the_rim_is_a_part_of_a_cell():
    labels = np.zeros((20, 20), np.int32)
    labels[0, 3:5], labels[10, 19], labels[9, 9] = 1, 2, 3
    kept, left_out = without_crumbs(labels, 50)
    assert set(np.unique(kept)) == {0, 1, 2} and left_out == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=12), st.floats(0, 200), st.integers(0, 12))
def test_what_stays_is_as_it_was(sizes, area, boxes):
    before = field(*sizes)
    after, left_out = without_crumbs(before, area, boxes=boxes)
    kept = after > 0
    np.testing.assert_array_equal(after[kept], before[kept])
    least = [area * BOXED if number <= boxes else area for number in range(1, len(sizes) + 1)]
    expected = sum(size < limit for size, limit in zip(sizes, least, strict=True))
    assert left_out == expected
