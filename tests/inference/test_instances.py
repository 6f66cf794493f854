"""Ids carried into the fused mask, in small pictures."""

import numpy as np
import pytest

from inference.instances import instances


def picture(text):
    return np.array([[0 if c == "." else int(c) for c in row] for row in text.split()], np.int32)


def test_growth_gives_a_pixel_to_the_nearest_id_through_the_mask():
    detections = picture("1...2 ..... .....")
    mask = picture("1...1 1...1 11111") > 0
    # the gap is no way: distance runs inside the mask; the middle is a tie and goes to the smaller id
    assert (instances(mask, detections) == picture("1...2 1...2 11122")).all()


def test_ties_do_not_depend_on_the_side_they_come_from():
    mask = np.ones((1, 5), bool)
    detections = picture("2...1")
    assert (instances(mask, detections) == picture("22111")).all()
    assert (instances(mask[:, ::-1], detections[:, ::-1]) == picture("11122")).all()


def test_what_no_detection_touches_becomes_new_cells_after_the_largest_id():
    mask = picture("11.1 .... 1..1") > 0
    assert (instances(mask, picture("6... .... ....")) == picture("66.7 .... 8..9")).all()


def test_lost_cells_leave_gaps_and_large_ids_survive():
    detections = picture("1.2") * np.array([[70_000, 1, 100_000]])
    out = instances(picture("..1") > 0, detections.astype(np.int32))
    assert out.tolist() == [[0, 0, 200_000]]


@pytest.mark.parametrize(("fragments", "expected"), [("keep", "33.3"), ("split", "33.4"), ("largest", "33..")])
def test_a_cell_in_two_pieces(fragments, expected):
    out = instances(picture("11.1") > 0, picture("3333"), fragments=fragments)
    assert (out == picture(expected)).all()


def test_small_cells_go_and_holes_are_filled():
    mask = picture("11111. 1...1. 11111. .....1") > 0
    detections = picture("11111. 1...1. 11111. .....2")
    assert (instances(mask, detections, smallest=2) == np.where(detections == 2, 0, detections)).all()
    assert (instances(mask, detections, largest_hole=3) == picture("11111. 11111. 11111. .....2")).all()
    assert (instances(mask, detections, largest_hole=2) == detections).all()
    shared = picture("112 1.2 112")
    assert (instances(shared > 0, shared, largest_hole=9) == shared).all()  # between two cells: nobody's


def test_k_means_starts_at_the_boxes_and_keeps_detected_pixels():
    detections = picture("1........2")
    out = instances(np.ones((1, 10), bool), detections, "kmeans")
    assert (out == picture("1111122222")).all()


def test_detector_agnostic_methods_number_for_themselves():
    mask = picture("11.1 11.1") > 0
    assert (instances(mask, np.zeros((2, 4), np.int32), "components") == picture("11.2 11.2")).all()
    y, x = np.mgrid[:30, :50]
    two = (np.hypot(y - 15, x - 15) < 11) | (np.hypot(y - 15, x - 34) < 11)
    cells = instances(two, np.zeros(two.shape, np.int32), "watershed")
    assert cells[15, 15] != cells[15, 34] and ((cells > 0) == two).all()


@pytest.mark.parametrize("method", ["geodesic", "kmeans", "watershed", "components"])
def test_every_method_labels_exactly_the_mask(method):
    rng = np.random.default_rng(1)
    mask = rng.random((40, 50)) < 0.6
    detections = np.where(rng.random((40, 50)) < 0.2, rng.integers(1, 9, (40, 50)), 0).astype(np.int32)
    assert ((instances(mask, detections, method) > 0) == mask).all()
    assert not instances(np.zeros_like(mask), detections, method).any()


def test_input_that_does_not_fit_is_named():
    mask = np.zeros((2, 2), bool)
    with pytest.raises(ValueError, match="detections must be"):
        instances(mask, np.zeros((2, 3), np.int32))
    with pytest.raises(ValueError, match="mask must be"):
        instances(mask.astype(float), np.zeros((2, 2), np.int32))
    with pytest.raises(ValueError, match="method must be one of geodesic"):
        instances(mask, np.zeros((2, 2), np.int32), "voronoi")


@pytest.mark.parametrize("method", ["geodesic", "kmeans"])
def test_without_any_detection_every_piece_is_a_cell(method):
    out = instances(picture("11.1 11.1") > 0, np.zeros((2, 4), np.int32), method)
    assert (out == picture("11.2 11.2")).all()


@pytest.mark.parametrize("method", ["geodesic", "kmeans"])
def test_boxes_without_pixels_and_overlapping_boxes(method):
    detections = picture("1111. 12.2. .22.3")  # the boxes of 1 and 2 overlap, 3 lies outside the mask
    mask = picture("11111 1222. 1222.") > 0
    out = instances(mask, detections, method)
    assert (out[mask & (detections > 0)] == detections[mask & (detections > 0)]).all()
    assert set(np.unique(out)) == {0, 1, 2}


def test_k_means_with_one_centre_for_two_boxes():
    """Both boxes have the centre (2, 2): a tie at every pixel goes to the smaller id, detected pixels keep theirs."""
    detections = picture("1...2 ..... ..... ..... 2...1")
    out = instances(np.ones((5, 5), bool), detections, "kmeans")
    assert ((out == 2) == (detections == 2)).all() and (out > 0).all()
