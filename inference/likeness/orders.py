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
    directions = directions_of(vectors)
    neighbours = np.zeros(len(vectors), np.int64)
    cosines = np.full(len(vectors), -1, np.float32)
    for start in range(0, len(vectors), BLOCK):
        part = directions[start : start + BLOCK] @ directions.T
        rows = np.arange(len(part))
        part[rows, rows + start] = -2
        block = slice(start, start + BLOCK)
        neighbours[block] = part.argmax(axis=1)
        cosines[block] = np.maximum(part.max(axis=1), -1)
    return neighbours, cosines


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
    low, high = np.percentile(used, [1, 99], axis=0)
    spread = np.maximum(high - low, 1e-6)
    found[:, : used.shape[1]] = np.clip((used - low) / spread, 0, 1)
    return found
