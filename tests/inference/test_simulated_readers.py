"""Simulated readers: seconds by hand, perfect and careless readers, and what the certificate's door accepts."""

import itertools
import json

import numpy as np
import pytest

from inference.certificates.planning import Claim
from inference.simulated_readers import (
    CLICK_S,
    DRAG_S,
    KEY_S,
    PREPARE_S,
    Proposals,
    Reader,
    by_likeness,
    gallery,
    marking_seconds,
    on_certificate,
    one_by_one,
)
from inference.types import BoxMask
from labeling.studies.analysis import gestures
from tests.bench import many_cells
from tests.running import ROOT

PERFECT = Reader(blur=0.0, lapses=0.0)
WAYS = (one_by_one, gallery, by_likeness)


def a_lot(cells: int, wrong: float, planted: int = 0, seed: int = 1) -> Proposals:
    """Right and wrong cells lie apart in the first of 4 directions of their vectors."""
    generator = np.random.default_rng(seed)
    is_wrong = np.arange(cells + planted) < round(wrong * cells)
    is_wrong[cells:] = True
    vectors = generator.normal(0, 1, (len(is_wrong), 4))
    vectors[:, 0] += np.where(is_wrong, -4, 4)
    return Proposals(
        iou=np.where(is_wrong, 0.2, 0.9).astype(np.float32),
        doubt=generator.random(len(is_wrong)).astype(np.float32),
        side=generator.uniform(10, 20, len(is_wrong)).astype(np.float32),
        vectors=vectors.astype(np.float32),
        planted=np.arange(len(is_wrong)) >= cells,
    )


def test_the_seconds_are_those_of_the_documented_model():
    assert (PREPARE_S, KEY_S) == (gestures.MENTAL_S, gestures.KEY_S)
    assert pytest.approx(gestures.MENTAL_S + gestures.POINT_S + 2 * gestures.BUTTON_S) == CLICK_S
    assert pytest.approx(gestures.MENTAL_S + 2 * gestures.POINT_S + 2 * gestures.BUTTON_S) == DRAG_S


@pytest.mark.parametrize(
    ("changed", "seconds"),
    [
        ([0, 0, 0], 0.0),
        ([1, 0, 1], 2 * CLICK_S),
        ([1, 1, 1], DRAG_S),
        ([1, 0, 1, 1, 0, 1], 2 * CLICK_S + DRAG_S),
    ],
)
def test_neighbours_are_marked_by_one_drag(changed, seconds):
    assert marking_seconds(np.array(changed, bool)) == pytest.approx(seconds)


@pytest.mark.parametrize("door", WAYS)
def test_a_perfect_reader_accepts_what_is_right_and_catches_every_planted_error(door):
    result = door(a_lot(300, 0.2, planted=15), PERFECT, np.random.default_rng(0))
    assert (result.proposals, result.accepted, result.right) == (300, 240, 240)
    assert (result.quality, result.catch_rate) == (1.0, 1.0)


@pytest.mark.parametrize("door", WAYS)
def test_a_reader_who_sees_nothing_accepts_everything(door):
    result = door(a_lot(300, 0.2, planted=15), Reader(lapses=1.0), np.random.default_rng(0))
    assert (result.accepted, result.quality, result.catch_rate) == (300, 0.8, 0.0)


def test_the_seconds_of_a_gallery_by_hand():
    """120 right cells: two screens of one Enter each, and one fixation a cell."""
    result = gallery(a_lot(120, 0.0), PERFECT, np.random.default_rng(0))
    assert result.seconds == pytest.approx(2 * (PREPARE_S + KEY_S) + 120 * 0.23)
    single = one_by_one(a_lot(120, 0.0), PERFECT, np.random.default_rng(0))
    assert single.seconds == pytest.approx(120 * (PREPARE_S + KEY_S + 0.23))


def test_likeness_takes_less_where_vectors_tell_wrong_cells_apart():
    lot = a_lot(1200, 0.25)
    by_doubt = gallery(lot, PERFECT, np.random.default_rng(0))
    alike = by_likeness(lot, PERFECT, np.random.default_rng(0))
    assert alike.quality == by_doubt.quality == 1.0
    assert alike.seconds < 0.6 * by_doubt.seconds


def test_likeness_does_not_help_where_vectors_tell_nothing():
    lot = a_lot(1200, 0.25)
    blind = Proposals(lot.iou, lot.doubt, lot.side, np.random.default_rng(2).normal(0, 1, (1200, 4)), lot.planted)
    assert (
        by_likeness(blind, PERFECT, np.random.default_rng(0)).seconds
        > 0.9 * gallery(blind, PERFECT, np.random.default_rng(0)).seconds
    )


def test_a_good_lot_is_accepted_on_a_certificate_for_the_seconds_of_its_sample():
    result = on_certificate(a_lot(4000, 0.01, planted=40), PERFECT, Claim(), np.random.default_rng(3))
    assert result.passed and result.quality > 0.98
    assert result.accepted > 3900 and result.seconds_per_accepted < 0.3


def test_a_bad_lot_is_not():
    result = on_certificate(a_lot(4000, 0.15, planted=40), PERFECT, Claim(), np.random.default_rng(3))
    assert not result.passed and result.accepted == 0
    assert result.seconds > 0 and result.quality is None


def test_a_lot_too_small_for_a_certificate_takes_no_time():
    result = on_certificate(a_lot(60, 0.01, planted=40), PERFECT, Claim(), np.random.default_rng(3))
    assert (result.passed, result.seconds, result.accepted) == (False, 0.0, 0)


def test_lists_of_unlike_lengths_are_no_proposals():
    lot = a_lot(10, 0.0)
    with pytest.raises(ValueError, match="one entry"):
        Proposals(lot.iou[:5], lot.doubt, lot.side, lot.vectors, lot.planted)


def test_the_documented_figures_are_the_kept_ones():
    kept = json.loads((ROOT / "docs/benchmarks/many_cells.json").read_text())
    page = (ROOT / "docs/benchmarks/many_cells.md").read_text()
    for row in page.split("caught |\n")[1].splitlines()[1:4]:
        door, _goal, *figures = [part.strip() for part in row.strip("|").split("|")]
        measured = []
        for name in ("tnbc", "consep"):
            (found,) = [one for one in kept[name]["ways"] if (one["door"], one["lapses"]) == (door, 0.05)]
            measured += [
                f"{found['seconds_per_accepted']:.2f}",
                f"{found['quality']:.1%}",
                f"{found['catch_rate']:.1%}",
            ]
        assert figures == measured


def test_a_small_set_goes_through_every_table_of_the_measurement():
    cells = a_lot(300, 0.1, planted=15)
    rows = many_cells.ways_of(cells)
    assert [row["door"] for row in rows[::3]] == ["one by one", "gallery", "likeness"]
    by_fixation = rows[0]["seconds_by_fixation"]
    assert by_fixation["1.00"] - by_fixation["0.23"] == pytest.approx(0.77 * 315 / rows[0]["accepted"], rel=0.02)


def test_planted_errors_are_wrong_by_the_reference():
    rows, columns = np.mgrid[:300, :300]
    labels = np.zeros((300, 300), np.int32)
    proposed = []
    for number, (x, y) in enumerate(itertools.product(range(20, 181, 20), repeat=2), start=1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= 64] = number
        proposed.append(BoxMask(x - 8, y - 8, labels[y - 8 : y + 9, x - 8 : x + 9] == number))
    assert {round(many_cells.iou_with(mask, labels), 6) for mask in proposed} == {1.0}
    made = many_cells.planted_errors(proposed, labels, np.random.default_rng(1))
    assert len(made) == len(proposed) // many_cells.PLANTED_OF
    assert all(many_cells.iou_with(mask, labels) <= 0.5 for mask, _source in made)
