"""A map of cells that keeps neighbours together: UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426).

Only a job computes it, since it takes the better part of a minute for 20,000 cells. Its neighbours are exact and by the
same cosine as "more like this"; it begins with the principal components. Equal vectors on one machine give equal maps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inference.likeness.orders import Floats, Order, directions_of, in_unit_square, nearest_of, on_map

MOST_MAPPED = 20_000  # cells: as many as a gallery lists
FEWEST_MAPPED = 30  # fewer have no neighbourhood that a map could keep
NEIGHBOURS = 15
SEED = 17
FIRST_SPREAD = 10.0  # side of the square in which UMAP expects its start
PLACED_BY = 5  # mapped cells whose places give the place of one that is not mapped
Report = Callable[[int, int], None]  # steps done, of all


def sampled(count: int, most: int = MOST_MAPPED) -> Order:
    """Which of `count` cells are mapped: all of them, or `most` drawn by chance, always the same ones."""
    if count <= most:
        return np.arange(count)
    drawn = np.random.default_rng(SEED).choice(count, most, replace=False)
    return np.sort(drawn)


def neighbour_map(vectors: Floats, report: Report) -> Floats:
    """(n, d) whitened -> (n, 2) in 0..1. report may raise, which ends the work. Raises ValueError for n < 3."""
    count = len(vectors)
    if count < 3:
        raise ValueError(f"a map of neighbours has at least 3 cells, not {count}")
    import umap  # here, since importing it compiles for seconds and only the job needs it

    neighbours = min(NEIGHBOURS, count - 1)
    report(0, 1)
    indices, cosines = nearest_of(vectors, neighbours)
    own = np.arange(count)[:, None]
    indices = np.concatenate([own, indices], axis=1)
    distances = np.concatenate([np.zeros((count, 1)), np.maximum(0, 1 - cosines)], axis=1)
    reducer = umap.UMAP(
        n_neighbors=neighbours + 1,  # it counts the cell itself
        metric="cosine",
        init=(FIRST_SPREAD * on_map(vectors)).astype(np.float32),
        precomputed_knn=(indices.astype(np.int32), distances.astype(np.float32)),
        force_approximation_algorithm=True,  # else it computes the neighbours of few cells again
        random_state=SEED,
        n_jobs=1,
        tqdm_kwds={"file": _Bar(report), "bar_format": "{n} {total}", "mininterval": 0.5, "disable": False},
    )
    places = reducer.fit_transform(directions_of(vectors))
    return in_unit_square(np.asarray(places, np.float32))


@dataclass(frozen=True)
class _Bar:
    """What UMAP's progress bar writes to: it tells how far UMAP is in no other way."""

    report: Report

    def write(self, text: str) -> None:
        numbers = text.split()
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            self.report(int(numbers[0]), int(numbers[1]))

    def flush(self) -> None:
        pass


def placed_among(vectors: Floats, mapped: Floats, places: Floats) -> Floats:
    """(n, d), (m, d), (m, 2) -> (n, 2): where cells lie that are not mapped, by the mapped ones most like them.

    The median of their places, so that no cell lands between two groups that it has neighbours in.
    """
    count = min(PLACED_BY, len(mapped))
    if not count or not len(vectors):
        return np.full((len(vectors), 2), 0.5, np.float32)
    indices, _cosines = nearest_of(vectors, count, mapped)
    return np.asarray(np.median(places[indices], axis=1), np.float32)
