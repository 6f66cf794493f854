"""Jobs that make a map of neighbours of the cells that somebody sees: a file as of vectors, with two numbers a cell."""

from pathlib import Path

import numpy as np

from inference.likeness.head import whitened
from inference.likeness.neighbour_map import FEWEST_MAPPED, neighbour_map, sampled
from inference.likeness.vectors import CellVectors, VectorTable, read_vectors, write_vectors
from inference.types import InferenceError
from inference.worker import needs
from inference.worker.files import local_file
from labeling.gallery.vectors import covered
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.models import Job

MEMORY = 700 << 20  # bytes above an idle worker's, with 20,000 cells (docs/many_cells.md)


@handles(Job.Kind.CELL_MAP)
def make_cell_map(job: Job, folder: Path, tell: Tell) -> Result:
    """Raises Cancelled, InferenceError where too few cells are left or a file is damaged."""
    with needs.missing_resources():
        needs.afford(MEMORY)
        files = covered(job.project, job.owner).files
        table = VectorTable([read_vectors(local_file(name)) for name in files])
        if len(table.rows) < FEWEST_MAPPED:
            raise InferenceError("too few cells are left to make a map of; compare the cells again")
        names = np.array([np.void(name) for name in table.rows], "V16")
        rows = np.fromiter(table.rows.values(), np.int64, len(names))
        vectors = whitened(table.vectors)[rows]
        drawn = sampled(len(vectors))
        places = neighbour_map(vectors[drawn], tell)
    path = folder / "map.npy"
    write_vectors(path, CellVectors(names[drawn], places.astype(np.float16)))
    facts = {"cells": len(drawn), "of": len(vectors)}
    return Result(path, name="map.npy", content_type="application/octet-stream", facts=facts)
