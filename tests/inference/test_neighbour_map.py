"""The map of neighbours, by the real UMAP on vectors whose neighbourhoods are known."""

import numpy as np
import pytest

from inference.likeness.head import whitened
from inference.likeness.neighbour_map import MOST_MAPPED, neighbour_map, placed_among, sampled
from inference.likeness.orders import directions_of, nearest_of
from inference.types import Cancelled


def in_groups(count=240, groups=4, seed=3):
    random = np.random.default_rng(seed)
    kinds = random.integers(0, groups, count)
    middles = random.normal(0, 4, (groups, 12))
    vectors = middles[kinds] + random.normal(size=(count, 12))
    return whitened(vectors.astype(np.float32)), kinds


def test_neighbours_stay_neighbours_and_progress_is_told():
    vectors, kinds = in_groups()
    notified = []
    places = neighbour_map(vectors, lambda done, total: notified.append((done, total)))
    assert places.shape == (240, 2) and places.min() >= 0 and places.max() <= 1
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :5]
    assert (kinds[nearest] == kinds[:, None]).mean() > 0.95
    assert notified[0] == (0, 1) and notified[-1][0] == notified[-1][1] > 100
    again = neighbour_map(vectors, lambda done, total: None)
    assert (places == again).all()


def test_what_progress_raises_ends_the_work():
    def stop(done, total):
        if total > 1:
            raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        neighbour_map(in_groups()[0], stop)


def test_a_map_has_at_least_three_cells():
    with pytest.raises(ValueError, match="at least 3 cells"):
        neighbour_map(np.zeros((2, 3), np.float32), lambda done, total: None)


def test_at_most_20000_cells_are_drawn_and_always_the_same_ones():
    assert sampled(5).tolist() == [0, 1, 2, 3, 4]
    drawn = sampled(MOST_MAPPED + 5000)
    assert len(drawn) == MOST_MAPPED == len(set(drawn.tolist())) and drawn.max() < MOST_MAPPED + 5000
    assert (drawn == sampled(MOST_MAPPED + 5000)).all()


def test_nearest_ones_are_those_of_all_products():
    vectors, _kinds = in_groups(70)
    found, cosines = nearest_of(vectors, 4)
    every = directions_of(vectors) @ directions_of(vectors).T
    np.fill_diagonal(every, -3)
    expected = np.argsort(-every, axis=1)[:, :4]
    assert (found == expected).all() and np.allclose(cosines, np.take_along_axis(every, expected, axis=1))


def test_a_cell_that_is_not_mapped_lies_among_those_most_like_it():
    vectors, kinds = in_groups()
    places = np.stack([kinds / 4, np.zeros(len(kinds))], axis=1).astype(np.float32)
    found = placed_among(vectors[200:], vectors[:200], places[:200])
    assert np.allclose(found, places[200:])
    nobody = placed_among(vectors[:2], vectors[:0], places[:0])
    assert nobody.tolist() == [[0.5, 0.5], [0.5, 0.5]]
