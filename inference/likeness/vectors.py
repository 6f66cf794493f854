"""Files of vectors: one of an image's layer and an encoder, read through the memory map of the operating system."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.types import InferenceError, Vectors

MOST_DIMENSIONS = 128
Uids = npt.NDArray[np.void]  # (n,) of 16 bytes


@dataclass(frozen=True)
class CellVectors:
    """cells: (n,) uids of 16 bytes; vectors: (n, d) float16, one row a cell."""

    cells: Uids
    vectors: Vectors


def uids_of(cells: Sequence[uuid.UUID]) -> Uids:
    return np.frombuffer(b"".join(cell.bytes for cell in cells), "V16")


def write_vectors(path: Path, found: CellVectors) -> None:
    """Raises ValueError for vectors that are too long, too many or no numbers."""
    count, dimensions = found.vectors.shape
    if dimensions > MOST_DIMENSIONS:
        raise ValueError(f"a vector has at most {MOST_DIMENSIONS} numbers, not {dimensions}")
    if len(found.cells) != count:
        raise ValueError(f"{len(found.cells)} cells cannot have {count} vectors")
    if not np.isfinite(found.vectors).all():
        raise ValueError("a vector holds what is no number")
    rows = np.empty(count, [("cell", "V16"), ("vector", "<f2", (dimensions,))])
    rows["cell"] = found.cells
    rows["vector"] = found.vectors
    np.save(path, rows)


def read_vectors(path: Path) -> CellVectors:
    """Nothing is copied before it is used. Raises InferenceError for a file that is gone or no file of vectors."""
    try:
        rows = np.load(path, mmap_mode="r")
        return CellVectors(rows["cell"], rows["vector"])
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise InferenceError(f"a file of vectors cannot be read; compute it again ({error})") from None


class VectorTable:
    """The vectors of many files, looked up by cell. Of a cell that several files have, the first file counts."""

    def __init__(self, files: Sequence[CellVectors]) -> None:
        self.rows: Mapping[bytes, int] = {}
        dimensions = {one.vectors.shape[1] for one in files if len(one.cells)}
        if len(dimensions) > 1:
            raise InferenceError("vectors of different encoders cannot be compared; compute them again")
        width = dimensions.pop() if dimensions else 1
        parts = [np.asarray(one.vectors, np.float32) for one in files if len(one.cells)]
        self.vectors = np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
        rows: dict[bytes, int] = {}
        at = 0
        for one in files:
            for cell in np.asarray(one.cells).tolist():
                rows.setdefault(bytes(cell), at)
                at += 1
        self.rows = rows

    def places(self, cells: bytes) -> npt.NDArray[np.int64]:
        """Row of each cell, -1 for one without a vector. cells: 16 bytes a cell."""
        found = [self.rows.get(cells[at : at + 16], -1) for at in range(0, len(cells), 16)]
        return np.array(found, np.int64)
