"""The task of the interactive worker that orders cells by what they look like and suggests their classes.

It writes no rows and keeps no verdicts: each question brings them all. What files of vectors cost once (reading,
whitening) stays in this process's memory for the galleries that people work in.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import numpy.typing as npt
from celery import shared_task

from inference.documents.interactive import Failed, LikenessAnswer
from inference.likeness.head import Floats, Head, Labels, fit_head, whitened
from inference.likeness.neighbour_map import placed_among
from inference.likeness.orders import Order, likeness_to, nearest, on_map, pairs_first
from inference.likeness.vectors import CellVectors, VectorTable, read_vectors
from inference.types import InferenceError
from inference.worker.interactive import Recent, stored


@dataclass(frozen=True)
class GalleryVectors:
    """The vectors of a gallery: where each cell stands, and the whitened vectors."""

    table: VectorTable
    vectors: Floats


galleries: Recent[GalleryVectors] = Recent(4)  # 0.5 KiB a cell each


@shared_task(name="inference.likeness", ignore_result=False)
def likeness(
    *,
    files: list[str],
    cells: str,
    proposed: str,
    known: str,
    labels: str,
    like: str,
    order: str,
    map_file: str = "",
) -> LikenessAnswer | Failed:
    """Order cells, and say what the verdicts on others suggest for them. Everything long is base64.

    files     storage names of files of vectors
    cells     16 bytes a cell: what is ordered
    proposed  int32 a cell: the class that it is proposed with, 0 for none
    known, labels  16 bytes and an int32 a verdict
    like      16 bytes a cell that others are to look like
    order     "likeness", "duplicates", "errors" or "map"
    map_file  storage name of a map that a job has made; "" for the principal components
    ->        order: int32, places in `cells`, those without a vector last; suggested int32 and chances float32 a cell;
              places: float32 x, y a cell on the map; learned: verdicts; milliseconds
    """
    began = perf_counter()
    try:
        gallery = galleries.get(tuple(files), lambda: _vectors_of(files))
        mapped = read_vectors(stored(map_file)) if map_file else None
    except InferenceError as error:
        return {"error": str(error)}
    places = gallery.table.places(b64decode(cells))
    has_vector = np.flatnonzero(places >= 0)
    vectors = gallery.vectors[places[has_vector]]
    head, learned = _head(gallery, b64decode(known), np.frombuffer(b64decode(labels), "<i4").astype(np.int64))
    suggested = np.zeros(len(places), "<i4")
    chances = np.zeros(len(places), "<f4")
    by_label = np.zeros((0, 0), np.float32)
    if head is not None and len(vectors):
        by_label = head.chances(vectors)
        best = by_label.argmax(axis=1)
        suggested[has_vector] = head.labels[best]
        chances[has_vector] = by_label[np.arange(len(best)), best]
    examples = gallery.table.places(b64decode(like))
    compared = _Cells(vectors, head, by_label, np.frombuffer(b64decode(proposed), "<i4")[has_vector])
    order_of_compared = _order(compared, order, gallery.vectors[examples[examples >= 0]])
    without = np.flatnonzero(places < 0)
    on_the_map = np.full((len(places), 2), 0.5, "<f4")
    if order == "map":
        rows = places[has_vector]
        on_the_map[has_vector] = on_map(vectors) if mapped is None else _on_kept_map(gallery, mapped, rows)
    return {
        "order": _base64(np.concatenate([has_vector[order_of_compared], without]).astype("<i4")),
        "suggested": _base64(suggested),
        "chances": _base64(chances),
        "places": _base64(on_the_map if order == "map" else on_the_map[:0]),
        "learned": learned,
        "milliseconds": 1000 * (perf_counter() - began),
    }


@dataclass(frozen=True)
class _Cells:
    """The cells that have vectors. chances: (n, k) as Head.chances; (0, 0) without a head."""

    vectors: Floats
    head: Head | None
    chances: Floats
    proposed: npt.NDArray[np.int32]


def _vectors_of(files: list[str]) -> GalleryVectors:
    table = VectorTable([read_vectors(stored(name)) for name in files])
    return GalleryVectors(table, whitened(table.vectors) if len(table.vectors) else table.vectors)


def _on_kept_map(gallery: GalleryVectors, mapped: CellVectors, rows: npt.NDArray[np.int64]) -> Floats:
    """Where cells lie on a map that a job has made; those that it does not hold lie among the cells most like them."""
    found = VectorTable([mapped])
    row_of_mapped = gallery.table.places(mapped.cells.tobytes())
    is_known = row_of_mapped >= 0
    places = np.zeros((len(gallery.vectors), 2), np.float32)
    places[row_of_mapped[is_known]] = found.vectors[is_known]
    has_place = np.zeros(len(gallery.vectors), bool)
    has_place[row_of_mapped[is_known]] = True
    missing = rows[~has_place[rows]]
    if len(missing):
        among = np.flatnonzero(has_place)
        places[missing] = placed_among(gallery.vectors[missing], gallery.vectors[among], places[among])
    return places[rows]


def _head(gallery: GalleryVectors, known: bytes, labels: Labels) -> tuple[Head | None, int]:
    places = gallery.table.places(known)
    has_vector = places >= 0
    head = fit_head(gallery.vectors[places[has_vector]], labels[has_vector])
    return head, int(has_vector.sum())


def _order(cells: _Cells, order: str, examples: Floats) -> Order:
    """Of the cells that have vectors; equal ones as they were."""
    if order == "duplicates":
        return pairs_first(*nearest(cells.vectors))
    if order == "errors":
        return _errors_first(cells)
    if order == "likeness" and len(examples):
        return np.argsort(-likeness_to(cells.vectors, examples), kind="stable")
    if order == "likeness":
        return _by_suggestion(cells)
    return np.arange(len(cells.vectors))


def _errors_first(cells: _Cells) -> Order:
    """Those first whose proposed class is least likely by the verdicts on others."""
    if cells.head is None:
        return np.arange(len(cells.vectors))
    column = {int(label): at for at, label in enumerate(cells.head.labels)}
    at = np.array([column.get(int(label), -1) for label in cells.proposed], np.int64)
    own = np.where(at >= 0, cells.chances[np.arange(len(at)), at], 0.5)  # of a class without a verdict nothing is known
    return np.argsort(own, kind="stable")


def _by_suggestion(cells: _Cells) -> Order:
    """Class by class, the most certain first; without a head along what all cells differ in most."""
    if cells.head is None:
        return np.argsort(cells.vectors[:, 0], kind="stable") if cells.vectors.size else np.arange(len(cells.vectors))
    best = cells.chances.argmax(axis=1)
    return np.lexsort((-cells.chances.max(axis=1), best))


def _base64(values: npt.NDArray[np.generic]) -> str:
    return b64encode(np.ascontiguousarray(values).tobytes()).decode()
