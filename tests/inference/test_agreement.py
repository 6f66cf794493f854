"""Agreement of readers: groups, outlines, what must hold of any report, and intervals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.agreement.coefficients import Figure
from inference.agreement.grouping import NOBODY, group, touching
from inference.agreement.intervals import draw, pooled_f1, with_interval
from inference.agreement.pairs import PairCounts, _outline_distance, compare
from inference.agreement.readings import Cell, Matching, ReadImage, Reading
from inference.agreement.report import NO_CELL, NO_CLASS, agreement
from inference.masks import boxes_of, cells_of
from inference.metrics import aji, contingency, panoptic
from inference.types import BoxMask
from tests.inference.readings import image, square

BY_IOU, BY_DISTANCE = Matching("iou"), Matching("distance")


def report_of(*readings, um=0.25):
    """The agreement on one image, cells matched by IoU."""
    return agreement([image(*readings, um=um)], BY_IOU)


# -- groups


def test_cells_of_three_readers_are_one_group_with_one_cell_each():
    groups = group(image([square(0, 0)], [square(1, 0)], [square(0, 1)]), BY_IOU)
    assert groups.tolist() == [[0, 0, 0]]


def test_no_reader_is_twice_in_a_group():
    """A reader has cut in two what the other has drawn as one: the better half is the partner."""
    whole = [square(0, 0, 10)]
    halves = [square(0, 0, 9), square(4, 4, 6)]
    groups = group(image(whole, halves), BY_IOU)
    assert sorted(groups.tolist()) == [[NOBODY, 1], [0, 0]]


def test_a_chain_whose_ends_do_not_match_is_no_group():
    """a matches b and b matches c, but a and c are too far apart."""
    a, b, c = square(0, 0), square(8, 0), square(16, 0)
    groups = group(image([a], [b], [c]), BY_DISTANCE)  # 2 µm from one to the next, 4 µm from the first to the last
    assert sorted(map(tuple, groups.tolist())) == [(NOBODY, NOBODY, 0), (0, 0, NOBODY)]


def test_distance_needs_a_scale():
    cells = [square(0, 0)]
    with pytest.raises(ValueError, match="no scale"):
        group(image(cells, cells, um=None), BY_DISTANCE)


@pytest.mark.parametrize("seed", range(8))
def test_two_readers_of_label_maps_are_matched_as_panoptic_quality_matches_them(seed):
    """The oracle: at an IoU above one half of masks without overlap the matching is unique."""
    rng = np.random.default_rng(seed)
    first, second = squares_at_random(rng), squares_at_random(rng)
    pair = image(cells_of_map(first), cells_of_map(second))
    counts = compare(pair, 0, 1, touching(pair), BY_IOU, in_um=False)
    table = contingency(first, second)
    expected = panoptic(table)
    assert (counts.found, counts.iou) == (expected.found, pytest.approx(expected.overlap))
    assert counts.f1.value == pytest.approx(expected.dq)
    assert counts.pq.value == pytest.approx(expected.pq)
    low, high = sorted([aji(table), aji(contingency(second, first))])
    assert low - 1e-9 <= counts.aji.value <= high + 1e-9


def squares_at_random(rng):
    """(60, 60) ids of squares, of which later ones cover earlier ones."""
    labels = np.zeros((60, 60), np.int32)
    for n in range(1, 30):
        x, y = rng.integers(0, 50, 2)
        side = int(rng.integers(4, 10))
        labels[y : y + side, x : x + side] = n
    return labels


def cells_of_map(labels):
    cells = []
    for number, mask in cells_of(labels):
        box = tuple(boxes_of([mask])[0].tolist())
        cells.append(Cell(str(number), box, None, mask))
    return cells


# -- outlines


def test_the_outline_of_a_shifted_square_is_as_far_as_arithmetic_says():
    """Two lines of 1 x 12 pixels, three rows apart: every pixel of the one is 3 px from the other."""
    line = np.ones((1, 12), bool)
    a = Cell("a", (0, 5, 12, 6), None, BoxMask(0, 5, line))
    b = Cell("b", (0, 8, 12, 9), None, BoxMask(0, 8, line))
    assert _outline_distance(a, b) == pytest.approx(3.0)
    assert _outline_distance(a, a) == 0.0
    assert _outline_distance(a, replace(b, mask=None)) is None


# -- properties of the report

cells = st.builds(
    square,
    x=st.integers(0, 60),
    y=st.integers(0, 60),
    side=st.integers(3, 14),
    label=st.sampled_from(["tumour", "stroma", None]),
)
readings_of_an_image = st.lists(st.lists(cells, max_size=8), min_size=2, max_size=3)
readings_of_images = st.lists(readings_of_an_image, min_size=1, max_size=3)
matchings = st.sampled_from([BY_IOU, BY_DISTANCE])


def images_of(drawn):
    return [image(*readings, name=f"i{n}", patient=f"p{n}") for n, readings in enumerate(drawn)]


def numbers(report):
    """Every value of a report that hangs on no order."""
    named = ("f1", "f1_near", "dice", "pq", "aji", "outline_distance", "unmatched", "alpha", "alpha_no_cell", "fleiss")
    return {name: getattr(report, name) for name in named} | {"confusion": report.confusion, "n": report.cells}


def assert_same(figure, other):
    if not isinstance(figure, Figure):
        assert figure == other
        return
    assert (figure.why, figure.n) == (other.why, other.n)
    assert (figure.value is None) == (other.value is None)
    if figure.value is not None:
        assert figure.value == pytest.approx(other.value, abs=1e-9)


@given(drawn=readings_of_images, matching=matchings)
@settings(max_examples=25, deadline=None)
def test_no_figure_is_nan_and_each_missing_one_says_why(drawn, matching):
    report = agreement(images_of(drawn), matching)
    for name, figure in numbers(report).items():
        if isinstance(figure, Figure):
            assert (figure.value is None) == bool(figure.why), name
            assert figure.value is None or np.isfinite(figure.value)
    for pair in report.pairs:
        assert pair.kappa.value is None or np.isfinite(pair.kappa.value)
    confused = np.array(report.confusion)
    assert (confused == confused.T).all()


@given(drawn=readings_of_images, matching=matchings, rng=st.randoms())
@settings(max_examples=25, deadline=None)
def test_the_order_of_readers_cells_and_images_changes_nothing(drawn, matching, rng):
    images = images_of(drawn)
    shuffled = []
    for entry in images:
        readings = [replace(reading, cells=mixed(reading.cells, rng)) for reading in entry.readings]
        shuffled.append(replace(entry, readings=mixed(readings, rng)))
    before = agreement(images, matching)
    after = agreement(mixed(shuffled, rng), matching)
    for name, value in numbers(before).items():
        assert_same(value, numbers(after)[name])
    assert before == after


def mixed(items, rng):
    return rng.sample(list(items), len(items))


@given(drawn=st.lists(cells, min_size=1, max_size=8), matching=matchings)
@settings(max_examples=25, deadline=None)
def test_two_readers_count_the_same_whoever_comes_first(drawn, matching):
    first, second = drawn[::2], drawn[1::2]
    forth = agreement([image(first, second)], matching)
    back = agreement([image(second, first)], matching)
    assert forth.cells == back.cells == len(drawn)
    for name in ("f1", "dice", "pq", "aji", "outline_distance", "alpha", "alpha_no_cell", "fleiss"):
        assert_same(getattr(forth, name), getattr(back, name))


@given(drawn=st.lists(cells, min_size=2, max_size=8, unique_by=lambda cell: cell.box))
@settings(max_examples=25, deadline=None)
def test_perfect_agreement_is_one(drawn):
    apart = [replace_place(cell, n) for n, cell in enumerate(drawn)]
    report = report_of(apart, apart, apart)
    for figure in (report.f1, report.f1_near, report.dice, report.pq, report.aji):
        assert figure.value == pytest.approx(1.0)
    assert report.outline_distance.value == 0.0 and report.unmatched.value == 0.0
    labels = {cell.label for cell in apart}
    if len(labels - {None}) > 1:
        assert report.alpha.value == report.fleiss.value == 1.0
        assert all(pair.kappa.value == 1.0 for pair in report.pairs)
    if len(labels) > 1:
        assert report.alpha_no_cell.value == 1.0
    assert report.worst_places == []


def replace_place(cell, n):
    """The same cell, where it touches no other one."""
    side = cell.mask.bits.shape[0]
    return square(40 * n, 0, side, cell.label)


def test_readings_without_any_overlap_have_figures_and_no_agreement():
    report = report_of([square(0, 0, label="a")], [square(40, 40, label="b")])
    assert (report.f1.value, report.f1_near.value, report.pq.value, report.aji.value) == (0, 0, 0, 0)
    assert report.unmatched.value == 1.0 and report.dice.why == report.alpha.why == "nothing_matched"
    assert report.alpha_no_cell.value < 0
    assert [place.kind for place in report.worst_places] == ["missing", "missing"]
    assert report.worst_places[0].votes == {"a": "a", "b": NO_CELL}


def test_nobody_has_drawn_anything():
    report = report_of([], [])
    assert report.f1.why == report.aji.why == "no_cells" and report.pairs[0].f1.why == "no_cells"
    assert report.alpha.why == "nothing_matched" and report.worst_places == []


def test_no_reading_at_all():
    report = agreement([], BY_IOU)
    assert (report.images, report.readers, report.pairs) == (0, [], []) and report.f1.why == "no_cells"


def test_an_image_with_one_reading_alone_is_left_out():
    cells = [square(0, 0)]
    alone = ReadImage("alone", "p", [Reading("a", cells)], 0.25)
    report = agreement([alone, image(cells, cells)], BY_IOU)
    assert report.images == 1


def test_cells_without_a_class_are_cells_and_no_judgement_of_a_class():
    report = report_of([square(0, 0)], [square(0, 0, label="a")])
    assert report.alpha.why == "nothing_matched" and report.f1.value == 1.0
    assert report.worst_places[0].votes == {"a": NO_CLASS, "b": "a"}


def test_without_a_scale_distances_are_in_pixels_and_centres_are_not_compared():
    report = report_of([square(0, 0)], [square(1, 0)], um=None)
    assert report.unit == "px" and report.f1_near.why == "no_scale"
    with_scale = report_of([square(0, 0)], [square(1, 0)], um=0.5)
    assert with_scale.outline_distance.value == pytest.approx(0.5 * report.outline_distance.value)


# -- intervals


def patients(n, readers=2):
    """An image of 12 cells for each of n patients; a reader misses a fifth of them."""
    rng = np.random.default_rng(n)
    images = []
    for number in range(n):
        cells = [square(30 * k, 0, label="abc"[rng.integers(0, 3)]) for k in range(12)]
        readings = []
        for _ in range(readers):
            readings.append([cell for cell in cells if rng.random() > 0.2])
        images.append(image(*readings, name=f"i{number}", patient=f"p{number}"))
    return images


def test_below_ten_patients_there_is_a_figure_and_no_interval():
    report = agreement(patients(9), BY_IOU)
    assert report.f1.value is not None and report.f1.low is None and report.f1.no_interval == "few_patients"


@pytest.mark.parametrize("readers", [2, 3])
def test_from_ten_patients_there_is_an_interval_around_the_figure(readers):
    report = agreement(patients(12, readers), BY_IOU)
    for figure in (report.f1, report.alpha_no_cell, report.pairs[0].f1):
        assert figure.low <= figure.value <= figure.high and figure.low < figure.high
    assert agreement(patients(12, readers), BY_IOU) == report  # the draws have a seed


def test_cells_of_one_patient_are_drawn_together():
    """All differences are in one patient: the interval is as wide as leaving that patient out or taking it twice."""
    cells = [square(0, 0)]
    good = [image(cells, cells, name=f"i{n}", patient=f"p{n}") for n in range(9)]
    bad = image(cells, [square(50, 50)], name="bad", patient="bad")
    report = agreement([*good, bad], BY_IOU)
    assert report.f1.high == 1.0 and report.f1.low < 0.8


def test_an_interval_that_is_seldom_defined_is_not_given():
    draws = draw(10, 2, seed=1)
    figure = with_interval(Figure(0.5, 10), lambda patients, readers: None, draws)
    assert figure.no_interval == "seldom_defined" and figure.low is None


def test_pooled_f1_at_weights_of_one_is_the_f1():
    first = PairCounts(cells=10, found=4)
    second = PairCounts(cells=6, found=3)
    f1 = pooled_f1([(0, 0, 1, first), (1, 0, 1, second)], 2, 2, near=False)
    assert f1(np.ones(2), np.ones(2)) == pytest.approx(14 / 16)
