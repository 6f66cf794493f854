"""Vectors of cells: their files, the head that learns from verdicts, and the orders, each against a plain oracle."""

import time
import uuid

import numpy as np
import pytest

from inference.likeness.head import fit_head, whitened
from inference.likeness.orders import likeness_to, nearest, on_map, pairs_first
from inference.likeness.vectors import CellVectors, VectorTable, read_vectors, uids_of, write_vectors
from inference.types import InferenceError


def clouds(count, dimensions=24, classes=3, apart=4.0, seed=0):
    """(n, d) float32 around one middle a class, and the classes."""
    generator = np.random.default_rng(seed)
    middles = generator.normal(size=(classes, dimensions)) * apart / np.sqrt(dimensions)
    labels = generator.integers(classes, size=count)
    return (middles[labels] + generator.normal(size=(count, dimensions))).astype(np.float32), labels


def test_a_file_gives_back_what_was_written_and_is_not_read_whole(tmp_path):
    cells = [uuid.UUID(int=number << 96) for number in range(5)]  # uids that end in zeros
    vectors = np.arange(15, dtype=np.float16).reshape(5, 3)
    path = tmp_path / "a.npy"
    write_vectors(path, CellVectors(uids_of(cells), vectors))
    found = read_vectors(path)
    assert isinstance(found.vectors, np.memmap)
    assert found.vectors.dtype == np.float16
    assert (found.vectors == vectors).all()
    table = VectorTable([found])
    stranger = uuid.uuid4()
    asked = cells[3].bytes + stranger.bytes + cells[0].bytes
    assert table.places(asked).tolist() == [3, -1, 0]


@pytest.mark.parametrize(
    ("shape", "value"), [((2, 129), 1.0), ((3, 4), 1.0), ((2, 4), np.nan)], ids=["long", "many", "no number"]
)
def test_impossible_vectors_are_not_written(tmp_path, shape, value):
    cells = uids_of([uuid.uuid4(), uuid.uuid4()])
    with pytest.raises(ValueError):
        write_vectors(tmp_path / "a.npy", CellVectors(cells, np.full(shape, value, np.float16)))
    assert not (tmp_path / "a.npy").exists()


@pytest.mark.parametrize("content", [b"", b"not numpy", None])
def test_a_file_that_is_damaged_or_gone_says_so(tmp_path, content):
    path = tmp_path / "a.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InferenceError, match="compute it again"):
        read_vectors(path)


def test_vectors_of_different_encoders_are_not_compared():
    cells = uids_of([uuid.uuid4()])
    one = CellVectors(cells, np.zeros((1, 4), np.float16))
    other = CellVectors(cells, np.zeros((1, 5), np.float16))
    with pytest.raises(InferenceError, match="different encoders"):
        VectorTable([one, other])


def test_whitened_vectors_are_uncorrelated_and_as_varied_in_each_direction():
    vectors, _labels = clouds(500)
    stretch = np.linspace(1, 50, 24, dtype=np.float32)
    found = whitened(vectors * stretch)
    covariance = found.T @ found / len(found)
    assert np.allclose(covariance, np.eye(found.shape[1]), atol=0.02)
    assert whitened(np.ones((4, 3), np.float32)).shape[0] == 4  # nothing varies


def test_the_head_learns_from_few_verdicts_and_more_from_many():
    vectors, labels = clouds(3000, apart=5.0)
    white = whitened(vectors)
    right = []
    for known in (9, 60, 600):
        head = fit_head(white[:known], labels[:known])
        chances = head.chances(white[1000:])
        assert np.allclose(chances.sum(axis=1), 1, atol=1e-5)
        guessed = head.labels[chances.argmax(axis=1)]
        right.append(np.mean(guessed == labels[1000:]))
    assert right[0] > 0.45
    assert right[-1] > 0.95
    assert right == sorted(right)


def test_the_chances_of_the_head_are_those_of_the_normal_distributions_it_means():
    """Oracle: Bayes' rule with the class means and the covariance within classes, drawn towards the identity."""
    vectors, labels = clouds(200, dimensions=3, classes=2)
    head = fit_head(vectors, labels)
    first = vectors[labels == 0].mean(axis=0)
    second = vectors[labels == 1].mean(axis=0)
    means = np.array([first, second], np.float64)
    within = vectors - means[labels]
    covariance = (within.T @ within + 40 * np.eye(3)) / 240
    priors = (np.bincount(labels) + 1) / 202
    x = vectors[:5].astype(np.float64)
    inverse = np.linalg.inv(covariance)
    density = np.zeros((5, 2))
    for kind in (0, 1):
        off = x - means[kind]
        distance = np.einsum("nd,de,ne->n", off, inverse, off)
        density[:, kind] = priors[kind] * np.exp(-0.5 * distance)
    expected = density / density.sum(axis=1, keepdims=True)
    assert np.allclose(head.chances(vectors[:5]), expected, atol=1e-4)


@pytest.mark.parametrize("labels", [[], [4], [4, 4, 4]])
def test_one_class_alone_is_no_suggestion(labels):
    assert fit_head(np.ones((len(labels), 2), np.float32), np.array(labels, np.int64)) is None


def test_the_most_alike_cells_are_those_of_all_pairs():
    vectors, _labels = clouds(300)
    neighbours, cosines = nearest(vectors)
    for one in range(0, 300, 7):
        own = vectors[one]
        others = []
        for other in vectors:
            lengths = np.linalg.norm(own) * np.linalg.norm(other)
            others.append(own @ other / lengths)
        others[one] = -2
        assert neighbours[one] == np.argmax(others)
        assert cosines[one] == pytest.approx(max(others), abs=1e-5)
    assert likeness_to(vectors, vectors[:1])[0] == pytest.approx(1, abs=1e-5)
    assert nearest(vectors[:1])[1].tolist() == [-1]
    assert nearest(vectors[:0])[0].tolist() == []


def test_near_duplicates_lie_side_by_side_and_first_and_nobody_is_lost():
    vectors, _labels = clouds(100)
    vectors[70] = vectors[20] * 1.001
    neighbours, cosines = nearest(vectors)
    order = pairs_first(neighbours, cosines).tolist()
    assert set(order[:2]) == {20, 70}
    assert sorted(order) == list(range(100))


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_the_map_has_a_place_for_each_cell(count):
    vectors, _labels = clouds(count, apart=8.0)
    places = on_map(whitened(vectors)) if count else on_map(vectors)
    assert places.shape == (count, 2)
    assert ((places >= 0) & (places <= 1)).all()


def test_classes_that_differ_lie_apart_on_the_map():
    vectors, labels = clouds(500, apart=8.0)
    places = on_map(whitened(vectors))
    first, second, third = (places[labels == kind].mean(axis=0) for kind in range(3))
    for one, other in ((first, second), (first, third), (second, third)):
        assert np.linalg.norm(one - other) > 0.2


def test_ten_thousand_verdicts_are_learned_within_a_second_of_processor():
    vectors, labels = clouds(20_000, dimensions=120)
    began = time.process_time()
    white = whitened(vectors)
    fit_head(white[:10_000], labels[:10_000]).chances(white)
    assert time.process_time() - began < 2  # 0.1 s alone; BLAS counts all its threads
