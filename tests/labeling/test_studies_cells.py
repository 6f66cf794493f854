"""Sampled single cells: what is sampled, what is shown around it, and how many of each half every set gets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.studies import cells
from labeling.studies.protocol.design import BadDesign, Plan, allocate


@st.composite
def boxes(draw):
    """A box that lies inside an image, and the image's size."""
    width = draw(st.integers(20, 900))
    height = draw(st.integers(20, 900))
    x0 = draw(st.integers(1, width - 6))
    y0 = draw(st.integers(1, height - 6))
    x1 = draw(st.integers(x0 + 2, width - 1))
    y1 = draw(st.integers(y0 + 2, height - 1))
    return (x0, y0, x1, y1), (width, height)


def contains(outer, inner) -> bool:
    starts = outer[0] <= inner[0] and outer[1] <= inner[1]
    return starts and inner[2] <= outer[2] and inner[3] <= outer[3]


@given(boxes(), st.floats(-cells.JITTER, cells.JITTER), st.floats(-cells.JITTER, cells.JITTER))
@settings(max_examples=200, deadline=None)
def test_the_whole_cell_is_shown_and_lies_inside_its_mark(made, dx, dy):
    box, size = made
    frame = cells.frame_of(box, size, (dx, dy))
    shown = frame["shown"]
    assert contains((0, 0, *size), shown)
    assert contains(shown, box)
    mark = np.array(frame["mark"])
    mark += np.array(shown[:2] * 2)
    assert contains(mark, box)
    assert contains(shown, mark)


def test_cells_cut_by_the_border_and_rests_are_not_sampled():
    labels = np.zeros((80, 80), np.int32)
    labels[0:10, 20:30] = 1  # cut by the border
    labels[30:33, 30:33] = 2  # a rest of 9 px
    labels[40:52, 40:50] = 7
    (found,) = cells.sampled(labels, seed=3, image=1)
    assert (found.number, found.area) == (7, 120)
    assert found.frame["shown"] == [0, 0, 80, 80]  # the image is smaller than what is shown of a small cell
    assert cells.sampled(labels, seed=3, image=1) == [found]


@given(st.integers(1, 60), st.integers(1, 4), st.integers(30, 300), st.integers(30, 300))
@settings(max_examples=200, deadline=None)
def test_every_set_gets_equally_many_cells_of_each_half(of_set, sets, small, large):
    members = {"small cells": small, "large cells": large}
    try:
        found = cells.shares(of_set * sets, members, sets)
    except Invalid as error:
        assert "too many" in str(error)
        return
    assert sum(found.values()) == of_set * sets
    assert all(n % sets == 0 and n <= members[name] for name, n in found.items())
    assert abs(found["small cells"] - found["large cells"]) <= sets


def test_the_25_cells_of_the_paper_can_be_shared():
    assert cells.shares(50, {"small cells": 40, "large cells": 40}, 2) == {"small cells": 26, "large cells": 24}
    with pytest.raises(Invalid, match="multiple of 2, like 50"):
        cells.shares(51, {"small cells": 40, "large cells": 40}, 2)


def planned(two_sittings: frozenset[str]):
    plan = Plan("crossover", ("A", "B"), 2, dict.fromkeys(range(1, 9), ""), (9, 10), 0, 7, two_sittings)
    return allocate(plan)


def test_two_sittings_read_the_same_fields_once_as_boxes_and_then_as_masks():
    items = [one for one in planned(frozenset({"B"})) if one.reader == 0]
    first = [one.field for one in items if one.part == "boxes"]
    second = [one.field for one in items if one.part == "verify"]
    assert first == second and len(first) == 5
    places = [one.position for one in items if one.arm == "B"]
    assert places == list(range(places[0], places[0] + 10))
    assert [one.position for one in items] == list(range(1, 16))
    assert {one.part for one in items if one.arm == "A"} == {""}


def test_an_arm_in_two_sittings_changes_nothing_of_the_other_draws():
    plain = [one.as_document() for one in planned(frozenset())]
    fields = {(row["reader"], row["arm"], row["field"]) for row in plain}
    again = {(one.reader, one.arm, one.field) for one in planned(frozenset({"B"}))}
    assert fields == again and all("part" not in row for row in plain)


def test_two_sittings_have_no_second_readings():
    with pytest.raises(BadDesign, match="two sittings has no second readings"):
        Plan("crossover", ("A", "B"), 2, {1: "", 2: ""}, (), 1, 7, frozenset({"A"}))
