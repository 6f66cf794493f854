"""Quality of a field against its reference, cell by cell, and what stands beside the result."""

import base64

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.masks import cells_of, pack
from inference.metrics import contingency
from labeling.studies import amended, beside, words
from labeling.studies.analysis.agreement import between_readers
from labeling.studies.analysis.mixed import fit
from labeling.studies.analysis.power import Components, virtual_studies
from labeling.studies.analysis.quality import Detection, detection, measured_quality, non_inferior
from labeling.studies.analysis.results import as_json
from labeling.studies.figures import interval

MASK = ["x", "y", "width", "height", "bits"]


def rows_of(labels: np.ndarray) -> pd.DataFrame:
    """The cells of a label map as the tables hold them."""
    rows = []
    for _, mask in cells_of(labels.astype(np.int32)):
        height, width = mask.bits.shape
        rows.append((mask.x, mask.y, width, height, base64.b64encode(pack(mask.bits)).decode()))
    return pd.DataFrame(rows, columns=MASK)


def strip(*runs: tuple[int, int, int]) -> np.ndarray:
    """A label map of one row of ten pixels' height: (id, first column, last column + 1) each."""
    labels = np.zeros((10, 100), np.int32)
    for number, begin, end in runs:
        labels[:, begin:end] = number
    return labels


def test_a_finished_field_without_masks_has_dice_0():
    reference = rows_of(strip((1, 0, 10), (2, 20, 30)))
    nothing = measured_quality(pd.DataFrame(columns=MASK), reference, (100, 10))
    assert (nothing.dice, nothing.pq, nothing.detection) == (0.0, 0.0, Detection(missed=2))
    only_a_box = pd.DataFrame([(0, 0, 0, 0, "")], columns=MASK)
    assert measured_quality(only_a_box, reference, (100, 10)) == nothing
    with pytest.raises(ValueError, match="no cells"):
        measured_quality(reference, pd.DataFrame(columns=MASK), (100, 10))


def test_every_cell_is_found_merged_split_or_missed_by_a_worked_example():
    reference = strip((1, 0, 10), (2, 12, 22), (3, 24, 34), (4, 40, 50), (5, 60, 70), (6, 80, 90))
    drawn = strip(
        (1, 0, 10),  # 1 is found
        (2, 12, 34),  # 2 and 3 are merged
        (3, 40, 44), (4, 45, 49),  # 4 is split
        (5, 60, 67), (6, 67, 70),  # 5 is found by the first; the second is a piece
        (7, 92, 98),  # false; 6 is missed
    )  # fmt: skip
    expected = Detection(found=2, merged=2, split=1, missed=1, false=1, pieces=3)
    assert detection(contingency(reference, drawn)) == expected
    assert measured_quality(rows_of(drawn), rows_of(reference), (100, 10)).detection == expected
    flipped = measured_quality(rows_of(drawn[:, ::-1]), rows_of(reference), (100, 10), flipped=True)
    assert flipped.detection == expected


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 6))
def test_every_cell_of_reference_and_drawing_is_counted_once(seed, drawn, reference):
    rng = np.random.default_rng(seed)

    def labels(count):
        found = np.zeros((12, 12), np.int32)
        for k in range(count):
            y, x, h, w = rng.integers(0, 9), rng.integers(0, 9), *rng.integers(1, 6, 2)
            found[y : y + h, x : x + w] = k + 1
        return found

    table = contingency(labels(reference), labels(drawn))
    found = detection(table)
    assert found.found + found.merged + found.split + found.missed == len(table.reference_ids)
    merging = len(table.predicted_ids) - found.found - found.false - found.pieces
    assert 0 <= merging <= len(table.predicted_ids) and (merging > 0) >= (found.merged > 1 and found.found == 0)


def test_a_field_whose_quality_nobody_measured_is_not_taken_for_good():
    """T3: three of four fields of the arm had no Dice, were left out, and the gate passed."""
    rng = np.random.default_rng(3)
    rows = []
    for reader in range(4):
        for arm in "AB":
            for field in range(4):
                empty = arm == "B" and field > 0
                rows.append((f"P{reader}", "BA" if reader % 2 else "AB", arm, 0.88 + rng.normal(0, 0.004), empty))
    fields = pd.DataFrame(rows, columns=["participant", "sequence", "arm", "dice", "empty"])
    given_ = {"measure": "dice", "reference": "A", "arm": "B", "margin": 0.05, "kind": "crossover"}
    unknown = non_inferior(fields.assign(dice=fields["dice"].mask(fields["empty"])), **given_)
    assert unknown.reason == "12 of 32 fields have no dice"
    as_zero = non_inferior(fields.assign(dice=fields["dice"].mask(fields["empty"], 0.0)), **given_)
    assert not as_zero.passed and as_zero.difference < -0.6


# -- beside the result


def test_readers_agree_within_their_sequence_where_the_design_lets_them():
    """T8: in a crossover two readers of different sequences share no field of an arm."""
    study = virtual_studies(
        np.random.default_rng(2), studies=1, readers=4, fields=6, ratios=[0.6], components=Components(field=0.5)
    ).table()
    one, other = between_readers(study[study["arm"] == "A"])
    assert (one.sequence, other.sequence) == ("AB", "BA") and one.readers == other.readers == 2
    assert -1 < one.icc <= 1 and one.fields == 6
    alone = study[study["participant"] < 2]
    assert all("nobody to agree with" in group.reason for group in between_readers(alone[alone["arm"] == "A"]))
    apart = virtual_studies(
        np.random.default_rng(2), studies=1, readers=6, fields=6, ratios=[0.6], components=Components(), kind="parallel"
    ).table()
    (all_three,) = between_readers(apart[apart["arm"] == "B"])
    assert all_three.readers == 3


def test_a_fit_on_the_boundary_is_singular_and_not_a_failure():
    """T14: without an effect of the readers on the arm its variance is often estimated as 0."""
    kinds = set()
    for seed in (0, 3, 4, 6):
        rows = virtual_studies(
            np.random.default_rng(seed),
            studies=1,
            readers=6,
            fields=6,
            ratios=[0.6],
            components=Components(slope=0.0, field_slope=0.3),
        ).table()
        found = fit(rows, reference="A", arm="B")
        kinds.add(found.fit)
        assert 0 < found.low < found.estimate < found.high
        assert (found.fit == "singular") == bool(found.at_zero)
        assert all(getattr(found, name) == 0 for name in found.at_zero)
    assert kinds == {"regular", "singular"}


def test_a_singular_fit_is_that_of_the_model_without_the_component():
    """Seed 4: readers and their arm effects are 0, so what is left is a model with fields alone, by least squares."""
    rows = virtual_studies(
        np.random.default_rng(4), studies=1, readers=6, fields=6, ratios=[0.6], components=Components(slope=0.0)
    ).table()
    found = fit(rows, reference="A", arm="B")
    assert found.at_zero == ("reader", "slope") and found.field > 0
    rows["y"] = np.log(rows["active_s"] / rows["reference_cells"])
    # Every field is read in both arms equally often, so the field's effect drops out of the arm's.
    means = rows.groupby("arm")["y"].mean()
    assert found.estimate == pytest.approx(float(np.exp(means["B"] - means["A"])), rel=0.02)


# -- amendments


ENTRY = {
    "at": "2026-11-28T10:00:00+00:00", "what": "quality_margin", "before": 0.05, "after": 0.9,
    "reason": "seen the report", "results_seen": True, "by": "owner",
}  # fmt: skip


def test_an_amendment_is_printed_with_everything_that_is_known_of_it():
    """T4: the report stated an amended margin as if it were frozen."""
    (printed,) = amended.sentences({"amendments": [ENTRY]})
    assert printed == (
        "Amendment 1, 2026-11-28T10:00:00+00:00, by owner: quality margin changed from 0.05 to 0.9. Reason: seen the "
        "report. Results by arm had been seen before."
    )
    (unknown,) = amended.sentences({"amendments": [ENTRY | {"results_seen": None, "by": None}]})
    assert "by" not in unknown.split(":")[0] and unknown.endswith("was not recorded.")
    assert "had not been seen before" in amended.sentences({"amendments": [ENTRY | {"results_seen": False}]})[0]
    assert amended.note({"amendments": [ENTRY]}, "quality_margin") == " (amended; 0.05 when the protocol was frozen)"
    assert amended.note({"amendments": [ENTRY]}, "idle_after_s") == ""
    assert "was not amended" in amended.frozen({}, "abc") and "amended once" in amended.frozen(
        {"amendments": [ENTRY]}, "abc"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=30) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(JSON | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(ENTRY, JSON)), max_size=3))
def test_no_amendment_is_too_odd_to_be_printed(found):
    protocol = {"amendments": found}
    assert all(isinstance(printed, str) and "\n" not in printed for printed in amended.sentences(protocol))
    assert isinstance(amended.note(protocol, "quality_margin") + amended.frozen(protocol, "abc"), str)


# -- how figures are printed


def test_an_interval_that_could_not_be_computed_says_why():
    assert interval({"low": 0.5, "high": 0.8}, 2) == "95 % CI 0.50 to 0.80"
    half = {"low": 0.5, "high": {"not_computed": "too few readers"}}
    assert interval(half, 2) == "95 % CI 0.50 to unbounded; too few readers"
    assert interval({"not_computed": "one reader"}, 2) == "no interval: one reader"


def test_what_a_missing_field_could_have_changed_is_printed():
    numbers = {
        "arms": {"A": {}, "B": {}},
        "plan": {"others": ["B"]},
        "flow": {"allocated": 8},
        "missing": [
            {
                "unfinished": 2,
                "scenarios": [
                    {"name": "finished", "readers": 3, "ratio": 0.5, "interval": {"low": 0.4, "high": 0.6}},
                    {"not_computed": "available: no"},
                ],
            }
        ],
    }
    (printed,) = beside.missing_data(numbers)
    assert beside.missing_data(numbers | {"arms": {}}) == []
    assert "2 of the 8" in printed and "finished (3 readers) 0.500 (95 % CI 0.400 to 0.600); available: no." in printed


def test_cells_are_told_by_what_became_of_them():
    arm = {"detection": as_json(Detection(7, 1, 1, 1, 2, 3)), "reference_cells": 10, "fields": 4, "empty_fields": 1}
    printed = words.of_cells("B", arm)
    assert "7 found (70.0 %), 1 missed (10.0 %), 1 merged (10.0 %), 1 split (10.0 %)" in printed
    assert "2 false cells drawn, 3 pieces" in printed and "1 of 4 fields were finished without any cell" in printed
