"""The cut against oracles that are stupid and sure."""

import hashlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.fusion.cut import minimise
from inference.fusion.energy import build, cut_of, edge_costs, unary_of


def energy_of(rgb, kind, probability, lam=2.0, theta=25.0):
    pixels = np.flatnonzero(kind == 2).astype(np.int32)
    unary = unary_of(probability.reshape(-1)[pixels].astype(np.float32))
    return build(rgb, kind, pixels, unary, edge_costs(lam, theta, "exponential")), pixels, unary


def eq_7(rgb, mask, free, probability, lam, theta):
    """The paper's objective, term by term in floating point; shares nothing with the code under test."""
    colour = rgb.astype(float)
    total = 0.0
    for y, x in zip(*np.nonzero(free)):
        total += probability[y, x] if mask[y, x] else 1 - probability[y, x]
    for dy, dx in ((0, 1), (1, 0)):
        for y in range(mask.shape[0] - dy):
            for x in range(mask.shape[1] - dx):
                if mask[y, x] != mask[y + dy, x + dx]:
                    total -= lam * np.exp(-np.linalg.norm(colour[y, x] - colour[y + dy, x + dx]) / theta)
    return total


@st.composite
def scenes(draw, most_free=12):
    h, w = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    levels = draw(st.sampled_from([1, 2, 256]))  # 1: constant colour, ties everywhere
    rgb = rng.integers(0, levels, (h, w, 3)).astype(np.uint8)
    kind = rng.choice([0, 1, 2], (h, w), p=[0.2, 0.2, 0.6]).astype(np.uint8)
    free = np.flatnonzero(kind == 2)[most_free:]
    kind.reshape(-1)[free] = 0
    probability = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0, rng.random()], (h, w)).astype(np.float32)
    return (
        rgb,
        kind,
        probability,
        draw(st.sampled_from([0.0, 0.3, 2.0, 5.0])),
        draw(st.sampled_from([1.0, 25.0, 100.0])),
    )


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_no_labels_are_better_and_no_smaller_set_is_as_good(scene):
    rgb, kind, probability, lam, theta = scene
    energy, pixels, _ = energy_of(rgb, kind, probability, lam, theta)
    found = minimise(energy)
    everything = [np.array(x, bool) for x in product([False, True], repeat=len(energy))]
    costs = [cut_of(energy, x) for x in everything]
    best = [x for x, c in zip(everything, costs) if c == min(costs)]
    assert found.flow == min(costs) == cut_of(energy, found.labels)
    smallest = np.logical_and.reduce(best)  # minimisers of a submodular energy are closed under intersection
    assert (found.labels == smallest).all()

    mask = kind == 1
    values = []
    for x in everything:
        mask.reshape(-1)[pixels] = x
        values.append(eq_7(rgb, mask, kind == 2, probability.astype(float), lam, theta))
    mask.reshape(-1)[pixels] = found.labels
    mine = eq_7(rgb, mask, kind == 2, probability.astype(float), lam, theta)
    assert mine == pytest.approx(max(values), abs=1e-5)  # capacities are rounded to 6e-8


def test_equal_capacities_give_equal_labels_on_every_machine():
    """Integers in, integers out: the hash was stored once and holds wherever this runs."""
    rng = np.random.RandomState(7)  # a frozen generator: its stream never changes
    rgb = rng.randint(0, 256, (60, 70, 3)).astype(np.uint8)
    rgb = (rgb // 8 + 100).astype(np.uint8)
    kind = rng.choice([0, 1, 2], (60, 70), p=[0.2, 0.2, 0.6]).astype(np.uint8)
    probability = (rng.randint(0, 65, (60, 70)) / 64).astype(np.float32)
    energy, _, _ = energy_of(rgb, kind, probability)
    capacities = hashlib.sha256(energy.terminal.tobytes() + energy.right.tobytes() + energy.down.tobytes())
    found = minimise(energy)
    assert capacities.hexdigest()[:16] == "e028c15eae946be0"
    assert (found.flow, hashlib.sha256(np.packbits(found.labels).tobytes()).hexdigest()[:16]) == (
        10481311676,
        "c6223f87615b7e7a",
    )
