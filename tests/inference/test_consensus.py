"""One reading of several: majorities, the classes of Dawid and Skene, STAPLE's outlines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.agreement.coefficients import UNKNOWN
from inference.agreement.consensus import Method, consensus, dawid_skene, most
from inference.agreement.readings import Matching
from inference.agreement.shapes import majority_mask, staple_mask
from inference.types import BoxMask
from tests.inference.readings import image, square


def consensus_of(*readings, method=None):
    return consensus(image(*readings), Matching(), method or Method())


def named(label, x, y=0):
    return square(x, y, label=label)


def kinds(found):
    return [place.kind for place in found.differing]


def test_of_two_readings_only_what_both_say_is_agreed():
    first = [named("a", 0), named("a", 40), named("a", 80)]
    second = [named("a", 1), named("b", 40), named("a", 120)]
    found = consensus_of(first, second)
    assert [cell.members for cell in found.agreed] == [[0, 0]]
    assert found.agreed[0].label == "a"
    assert kinds(found) == ["missing", "missing", "class"]


def test_from_three_readings_on_the_majority_decides():
    first = [named("a", 0), named("a", 40), named("a", 80)]
    second = [named("a", 1), named("b", 40)]
    third = [named("b", 0, 1), named("c", 40)]
    found = consensus_of(first, second, third)
    assert [cell.label for cell in found.agreed] == ["a"]
    assert kinds(found) == ["class"]  # three readers, three classes
    assert found.agreed[0].box == (0, 0, 10, 10)


def test_half_of_four_readers_is_no_majority():
    cells = [named("a", 0)]
    found = consensus_of(cells, cells, [], [])
    assert found.agreed == []
    assert kinds(found) == ["missing"]


def test_cells_without_a_class_agree_without_one():
    found = consensus_of([square(0, 0)], [square(0, 0)])
    assert [cell.label for cell in found.agreed] == [None]


def test_readings_without_overlap_and_readings_without_cells():
    found = consensus_of([square(0, 0)], [square(40, 40)])
    assert found.agreed == []
    assert len(found.differing) == 2
    empty = consensus_of([], [])
    assert empty.differing == []


def test_one_reading_is_no_consensus():
    with pytest.raises(ValueError, match="needs two readings"):
        consensus_of([square(0, 0)])


MAJORITIES = [("aab", "a"), ("ab", None), ("abc", None), ("a", "a"), ("aabb", None)]


@pytest.mark.parametrize(("names", "expected"), MAJORITIES)
def test_most(names, expected):
    assert most(list(names)) == expected


# -- outlines


def block(x, side):
    """A mask of side x side pixels at the upper edge."""
    return square(x, 0, side).mask


def test_a_pixel_stands_where_more_than_half_have_it():
    """Three squares of 4 px: by hand, columns 0-1 once, 2-3 twice or thrice ..."""
    masks = [block(x, 4) for x in (0, 2, 2)]
    found = majority_mask(masks)
    assert (found.x, found.y) == (2, 0)
    assert found.bits.shape == (4, 4)
    assert found.bits.all()


def test_of_two_outlines_the_shared_pixels_stand():
    found = majority_mask([block(0, 4), block(1, 4)])
    assert (found.x, found.bits.shape) == (1, (4, 3))


def test_outlines_that_share_nothing_give_those_that_were_drawn():
    found = majority_mask([block(0, 2), block(9, 2)])
    assert found.bits.sum() == 8


def disc(radius):
    y, x = np.mgrid[-12:13, -12:13]
    return BoxMask(20, 20, x**2 + y**2 <= radius**2)


def test_staple_of_equal_masks_is_the_mask():
    masks = [disc(8)] * 3
    found = staple_mask(masks)
    assert found.bits.sum() == disc(8).bits.sum()


def test_staple_trusts_the_readers_who_agree():
    """Two readers draw the cell, one draws a cell twice as large: the outline is that of the two."""
    found = staple_mask([disc(7), disc(7), disc(11)])
    truth = disc(7).bits.sum()
    large = disc(11).bits.sum()
    assert found.bits.sum() == pytest.approx(truth, abs=0.05 * (large - truth))


def test_staple_lies_at_the_edge_of_an_image_as_well():
    masks = [block(0, 6), block(0, 6), block(0, 7)]
    found = staple_mask(masks)
    assert (found.x, found.y) == (0, 0)


# -- classes


def test_equal_readers_are_a_majority():
    votes = np.array([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 0, 1]] * 5)
    likely = dawid_skene(votes, 2)
    assert likely.argmax(axis=1).tolist() == [0, 1, 0, 1] * 5


def test_a_reader_who_is_always_wrong_is_weighed_as_such():
    """Two good readers against three who guess: the majority is wrong more often than the estimate."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 400)
    votes = np.empty((400, 5), np.int64)
    for reader, right in enumerate((0.95, 0.95, 0.36, 0.36, 0.36)):
        guess = rng.integers(0, 3, 400)
        votes[:, reader] = np.where(rng.random(400) < right, truth, guess)
    estimated = dawid_skene(votes, 3).argmax(axis=1)
    majority = np.array([np.bincount(row, minlength=3).argmax() for row in votes])
    right = (estimated == truth).mean()
    assert right > 0.93
    assert right > (majority == truth).mean() + 0.05


votes_of_three = st.lists(st.integers(UNKNOWN, 2), min_size=3, max_size=3)


@given(votes=st.lists(votes_of_three, min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_likelihoods_are_likelihoods_whatever_is_said(votes):
    likely = dawid_skene(np.array(votes, np.int64), 3)
    assert np.isfinite(likely).all()
    assert likely.sum(axis=1) == pytest.approx(np.ones(len(votes)))


def test_classes_by_dawid_and_skene_and_shapes_by_staple_in_a_consensus():
    cells = [square(40 * n, 0, 8, label="ab"[n % 2]) for n in range(8)]
    wrong = [square(40 * n, 0, 8, label="ba"[n % 2]) for n in range(8)]
    found = consensus_of(cells, cells, wrong, method=Method("staple", "dawid_skene"))
    assert [cell.label for cell in found.agreed] == ["a", "b"] * 4
    assert found.differing == []
