"""Orders of cells by exact products of their vectors, and their places on a map. Vectors are whitened (head.py)."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Order = npt.NDArray[np.int64]
BLOCK = 1024  # rows of one product


def directions_of(vectors: Floats) -> Floats:
    """The same vectors with length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-6)


def likeness_to(vectors: Floats, examples: Floats) -> Floats:
    """(n, d), (k, d) -> (n,) cosine with the example that is most alike, -1..1."""
    if not len(examples):
        return np.zeros(len(vectors), np.float32)
    cosines = directions_of(vectors) @ directions_of(examples).T
    return np.asarray(cosines.max(axis=1))


def nearest(vectors: Floats) -> tuple[Order, Floats]:
    """The most alike other cell of each, and their cosine. One cell alone is its own neighbour, at -1."""
    neighbours, cosines = nearest_of(vectors, 1)
    return neighbours[:, 0], np.maximum(cosines[:, 0], -1)


def nearest_of(vectors: Floats, count: int, among: Floats | None = None) -> tuple[Order, Floats]:
    """(n, d) -> (n, count): the most alike ones of `among`, or the other cells, the nearest first, and their cosines.

    A cell alone is its own neighbour, at -2.
    """
    directions = directions_of(vectors)
    others = directions if among is None else directions_of(among)
    neighbours = np.zeros((len(vectors), count), np.int64)
    cosines = np.full((len(vectors), count), -2, np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = slice(start, start + BLOCK)
        part = directions[block] @ others.T
        if among is None:
            rows = np.arange(len(part))
            part[rows, rows + start] = -2
        best = _highest(part, count)
        neighbours[block] = best
        cosines[block] = np.take_along_axis(part, best, axis=1)
    return neighbours, cosines


def _highest(values: Floats, count: int) -> Order:
    """(n, m) -> (n, count): columns of the highest values of each row, the highest first. count <= m."""
    if count == 1:  # three times as fast, and the gallery waits for it
        highest = values.argmax(axis=1)
        return np.asarray(highest[:, None])
    found = np.argpartition(-values, count - 1, axis=1)
    found = found[:, :count]
    of_found = np.take_along_axis(values, found, axis=1)
    turn = np.argsort(-of_found, axis=1, kind="stable")
    return np.asarray(np.take_along_axis(found, turn, axis=1))


def pairs_first(neighbours: Order, cosines: Floats) -> Order:
    """All cells: those that are most alike side by side, the closest first."""
    is_placed = np.zeros(len(cosines), bool)
    order: list[int] = []
    for index in np.argsort(-cosines, kind="stable").tolist():
        for one in (index, int(neighbours[index])):
            if not is_placed[one]:
                is_placed[one] = True
                order.append(one)
    return np.array(order, np.int64)


def on_map(vectors: Floats) -> Floats:
    """(n, d) whitened -> (n, 2) in 0..1: the two directions in which all cells vary most (PCA). Outliers lie at the
    rim."""
    found = np.full((len(vectors), 2), 0.5, np.float32)
    if len(vectors) < 2:
        return found
    used = vectors[:, :2]
    found[:, : used.shape[1]] = in_unit_square(used, rim=1)
    return found


def in_unit_square(places: Floats, rim: float = 0) -> Floats:
    """(n, 2) -> (n, 2) in 0..1, each axis by itself. rim: percent of cells at each end that are drawn to the edge."""
    low, high = np.percentile(places, [rim, 100 - rim], axis=0)
    spread = np.maximum(high - low, 1e-6)
    shares = (places - low) / spread
    inside = np.clip(shares, 0, 1)
    return inside.astype(np.float32)
