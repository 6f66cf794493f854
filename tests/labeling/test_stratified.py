"""Dividing patients into parts: properties of every division, and an oracle that tries all of them."""

from collections import Counter, defaultdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.images.stratified import Unit, assigned

SHARES = {"train": 70, "val": 15, "test": 15}
CENTRES = st.sampled_from(["", "Bern", "Graz", "Köln"])
ROWS = st.lists(st.tuples(CENTRES, st.integers(1, 40)), min_size=1, max_size=60)


def as_units(rows):
    return [Unit(f"{number:03d}", centre, size) for number, (centre, size) in enumerate(rows)]


def of_one_centre(units):
    return [Unit(unit.key, "Graz", unit.size) for unit in units]


def has_weight(weights):
    return sum(weights.values()) > 0


UNITS = ROWS.map(as_units)
WEIGHTS = st.fixed_dictionaries(dict.fromkeys(SHARES, st.integers(0, 10))).filter(has_weight)
SEEDS = st.integers(0, 2**31 - 1)


def images_of(units, parts):
    found = Counter()
    for unit in units:
        found[parts[unit.key]] += unit.size
    return found


@given(UNITS, WEIGHTS, SEEDS)
def test_every_unit_is_in_one_part_and_parts_without_weight_get_none(units, weights, seed):
    parts = assigned(units, weights, seed)
    assert set(parts) == {unit.key for unit in units}
    assert {part for part in parts.values() if not weights[part]} == set()


@given(UNITS, WEIGHTS, st.integers(0, 100), st.randoms())
def test_the_same_seed_divides_the_same_way_in_whatever_order_the_units_come(units, weights, seed, shuffled):
    again = list(units)
    shuffled.shuffle(again)
    assert assigned(again, weights, seed) == assigned(units, weights, seed)


@given(UNITS.map(of_one_centre), WEIGHTS, SEEDS)
def test_no_part_of_a_centre_has_more_than_its_share_and_the_largest_unit(units, weights, seed):
    found = images_of(units, assigned(units, weights, seed))
    total, images = sum(weights.values()), sum(unit.size for unit in units)
    largest = max(unit.size for unit in units)
    smallest_share = min(weight / total for weight in weights.values() if weight)
    moved = largest if len(units) * smallest_share >= 1 else 0  # so that every part has a unit
    for part, weight in weights.items():
        assert found[part] <= weight / total * images + largest + moved


@given(UNITS, WEIGHTS, SEEDS)
def test_every_centre_that_has_enough_units_is_in_every_part(units, weights, seed):
    parts = assigned(units, weights, seed)
    wanted = {part: weight / sum(weights.values()) for part, weight in weights.items() if weight}
    of_centre = defaultdict(list)
    for unit in units:
        of_centre[unit.centre].append(parts[unit.key])
    for given_parts in of_centre.values():
        if len(given_parts) * min(wanted.values()) >= 1:
            assert set(given_parts) == set(wanted)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 20))
def test_the_shares_are_met_nearly_as_well_as_by_the_best_of_all_divisions(sizes, seed):
    units = [Unit(str(n), "", size) for n, size in enumerate(sizes)]
    weights = {"train": 2, "val": 1, "test": 1}
    images = sum(sizes)

    def off(parts):
        found = images_of(units, parts)
        return max(abs(found[part] - weight / 4 * images) for part, weight in weights.items())

    keys = [unit.key for unit in units]
    best = images
    for chosen in product(weights, repeat=len(units)):
        parts = dict(zip(keys, chosen, strict=True))
        best = min(best, off(parts))
    assert off(assigned(units, weights, seed)) <= best + max(sizes)


def test_a_thousand_equal_patients_of_five_centres_meet_the_shares():
    units = [Unit(f"{n:04d}", f"centre {n % 5}", 4) for n in range(1000)]
    found = images_of(units, assigned(units, SHARES, 7))
    assert found == {"train": 2800, "val": 600, "test": 600}
    assert assigned(units, SHARES, 7) != assigned(units, SHARES, 8)


@pytest.mark.parametrize("weights", [{"train": 0, "val": 0}, {"train": 1, "val": -1}])
def test_weights_that_divide_nothing_are_an_error(weights):
    with pytest.raises(ValueError, match="shares"):
        assigned([Unit("a", "", 1)], weights, 1)
