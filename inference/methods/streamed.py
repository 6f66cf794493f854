"""Instances of a slide, or of a part of one, tile by tile: memory does not grow with the slide.

    tiles with halos ──► model.predict (detector, prompter, segmenter, fusion) ──► a file a tile ──► seams ──► cells

Two frames. The model's frame is the region at the scale that the model works at, origin at the region's corner. Cells
are given in it; `Frame` brings them to level 0 of the slide.

A tile answers for the cells whose middle lies in its core. Two tiles see a cell at a seam differently, and each may
put its middle on the other's side, so a tile also tells what lies a little beyond its core (MARGIN), and `Seams` keeps
one of the cells that cover each other. Fusion is done tile by tile: its colour models are those of the tile, as they
are on the fields that a model is trained on.
"""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from inference.masks import cells_of, shared_pixels
from inference.methods.frame import Prediction
from inference.reading.tissue import is_glass
from inference.tiles import Tile, spans
from inference.types import (
    RGB,
    BoxMask,
    Cancelled,
    InferenceError,
    Progress,
    Report,
    Stop,
)

SIDE, HALO = 1024, 128  # px of the model's frame; the halo is wider than the largest cell
MARGIN = 24  # px beyond its core that a tile tells of: more than two tiles differ about the middle of a cell
SAME = 0.5  # share of the smaller cell that the larger covers, from which both are one cell
AS_IT_IS = 0.05  # relative difference of scales up to which nothing is resampled
BUCKET = 64  # px of the squares by which cells are looked up
VERSION = 2  # of what a tile's file holds and of how it is made


class Info(Protocol):
    """width, height  px of level 0; mpp_x: µm per pixel of it, None where that is unknown"""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def mpp_x(self) -> float | None: ...


class Slide(Protocol):
    """What tiles are read from: inference.reading.slides.Slide, or a picture of the site (Picture in
    inference.worker.proposing)."""

    @property
    def info(self) -> Info: ...

    def scaled(self, x: float, y: float, w: float, h: float, size: tuple[int, int]) -> RGB: ...


@dataclass(frozen=True)
class Rectangle:
    """Pixels of level 0, origin top left, half-open."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Frame:
    """The model's frame of a region of a slide.

    factor         px of level 0 beside each other under one pixel of the model; 1.0 where nothing is resampled
    width, height  of the region in the model's frame
    """

    region: Rectangle
    factor: float
    width: int
    height: int


@dataclass(frozen=True)
class Cell:
    """One cell in the model's frame: tight mask, the detector's score or the segmenter's mean probability, class.

    source  id of the cell of a person whose box prompted it; "" for none
    """

    mask: BoxMask
    score: float
    class_index: int
    source: str = ""

    @property
    def middle(self) -> tuple[float, float]:
        height, width = self.mask.bits.shape
        return self.mask.x + width / 2, self.mask.y + height / 2


@dataclass(frozen=True)
class Found:
    """The cells of one tile. about: what else is to be kept of it, in the words of whoever finds them."""

    cells: list[Cell]
    about: str = ""


Find = Callable[[RGB, Tile], Found]


def region_of(slide: Slide, wanted: tuple[int, int, int, int] | None) -> Rectangle:
    """The part of a slide that is meant: x, y, width and height in px of level 0, or all of it.

    Raises InferenceError for one that leaves the slide.
    """
    width, height = slide.info.width, slide.info.height
    x, y, w, h = wanted or (0, 0, width, height)
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
        raise InferenceError(f"the region {x},{y},{w},{h} is not inside the slide, which is {width} x {height} px")
    return Rectangle(x, y, w, h)


def frame_of(slide: Slide, region: Rectangle, mpp: float | None) -> Frame:
    """The model's frame of a region.

    mpp  µm per pixel that the model works at; None: the slide's own pixels

    Raises InferenceError where the slide does not say its scale, or so different a one that a region of it would be
    nothing but a guess.
    """
    factor = 1.0
    if mpp is not None:
        own = slide.info.mpp_x
        if own is None:
            raise InferenceError(
                "the slide does not say how large a pixel is, so it cannot be resampled; leave out --mpp"
            )
        factor = mpp / own
        if abs(factor - 1) <= AS_IT_IS:
            factor = 1.0
        if not 1 / 8 <= factor <= 64:
            raise InferenceError(f"the slide has {own:g} µm per pixel; --mpp {mpp:g} is too far from it")
    width, height = max(1, round(region.width / factor)), max(1, round(region.height / factor))
    return Frame(region, factor, width, height)


def tiles_of(slide: Slide, frame: Frame, side: int = SIDE, halo: int = HALO) -> list[Tile]:
    """The tiles of a region in the model's frame, row by row. Halos reach beyond the region where the slide does."""
    left = -frame.region.x / frame.factor
    top = -frame.region.y / frame.factor
    right = left + slide.info.width / frame.factor
    bottom = top + slide.info.height / frame.factor
    found = []
    for y0, y1 in spans(frame.height, side, halo):
        for x0, x1 in spans(frame.width, side, halo):
            outer_x, outer_y = max(int(np.ceil(left)), x0 - halo), max(int(np.ceil(top)), y0 - halo)
            outer = (outer_x, outer_y, min(max(x1, int(right)), x1 + halo), min(max(y1, int(bottom)), y1 + halo))
            found.append(Tile(outer, (x0, y0, x1, y1)))
    return found


def pixels_of(slide: Slide, frame: Frame, tile: Tile) -> RGB:
    x0, y0, x1, y1 = tile.outer
    factor = frame.factor
    left, top = frame.region.x + x0 * factor, frame.region.y + y0 * factor
    return slide.scaled(left, top, (x1 - x0) * factor, (y1 - y0) * factor, (x1 - x0, y1 - y0))


# -- tile by tile


def predict_tiles(
    find: Find, slide: Slide, frame: Frame, work: Path, *, key: str, report: Report, stop: Stop
) -> list[tuple[Tile, Path]]:
    """The cells of every tile, each in a file of its own; tiles whose file is there are not done again.

    find    what makes the cells of a tile; it is not asked about tiles of bare glass
    work    the folder of the files; what another `key` has left in it is removed
    key     names everything that the cells depend on (`key_of`)
    report  called after every tile with the tiles done, and "cells" and "glass" counted so far
    stop    asked before each; True raises Cancelled, and what is done is kept

    Raises Unreadable for pixels that cannot be decoded, and what `find` raises.
    """
    _prepare(work, key)
    tiles = tiles_of(slide, frame)
    made = []
    counted = {"cells": 0.0, "glass": 0.0}
    for number, tile in enumerate(tiles):
        if stop():
            raise Cancelled("stopped between two tiles")
        path = work / f"{number:06d}.npz"
        if not path.exists():
            rgb = pixels_of(slide, frame, tile)
            glass = is_glass(rgb)
            write_cells(path, Found([]) if glass else find(rgb, tile), glass=glass)
        with np.load(path) as kept:
            counted["cells"] += len(kept["scores"])
            counted["glass"] += bool(kept["glass"])
        made.append((tile, path))
        report(Progress(number + 1, len(tiles), values=dict(counted)))
    return made


def cells_in(prediction: Prediction, tile: Tile) -> list[Cell]:
    """The cells that a tile tells of: their middle lies in its core, or at most MARGIN beyond."""
    scores, classes = prediction.scores, prediction.classes
    found = []
    for number, local in cells_of(prediction.labels):
        mask = BoxMask(local.x + tile.outer[0], local.y + tile.outer[1], local.bits)
        cell = Cell(mask, float(scores[number - 1]), int(classes[number - 1]))
        if tells_of(cell, tile):
            found.append(cell)
    return found


def tells_of(cell: Cell, tile: Tile) -> bool:
    """Whether the middle of a cell lies in the core of its tile, or at most MARGIN beyond."""
    x, y = cell.middle
    left, top, right, bottom = tile.core
    return left - MARGIN <= x < right + MARGIN and top - MARGIN <= y < bottom + MARGIN


def key_of(model_name: str, slide_path: Path, frame: Frame) -> str:
    """Changes with whatever the cells of a slide depend on."""
    about = slide_path.stat()
    parts = [VERSION, model_name, slide_path.name, about.st_size, about.st_mtime_ns, asdict(frame), SIDE, HALO, MARGIN]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _prepare(work: Path, key: str) -> None:
    work.mkdir(parents=True, exist_ok=True)
    note = work / "key"
    if not note.exists() or note.read_text() != key:
        for left in work.glob("*.npz"):
            left.unlink()
        note.write_text(key)


def write_cells(path: Path, found: Found, *, glass: bool = False) -> None:
    """Written under another name first, so that a file that is there is whole."""
    cells = found.cells
    boxes = [(cell.mask.x, cell.mask.y, *cell.mask.bits.shape) for cell in cells]
    bits = np.concatenate([cell.mask.bits.ravel() for cell in cells]) if cells else np.zeros(0, bool)
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        np.savez(
            file,
            boxes=np.array(boxes, np.int64).reshape(-1, 4),
            bits=np.packbits(bits),
            scores=np.array([cell.score for cell in cells], np.float32),
            classes=np.array([cell.class_index for cell in cells], np.int32),
            sources=np.array([cell.source for cell in cells], np.str_),
            glass=np.array(glass),
            about=np.array(found.about),
        )
    os.replace(unfinished, path)


def read_cells(path: Path) -> list[Cell]:
    with np.load(path) as kept:
        boxes, scores, classes = kept["boxes"], kept["scores"].tolist(), kept["classes"].tolist()
        sources = kept["sources"].tolist()
        bits = np.unpackbits(kept["bits"]).astype(bool)
    found, start = [], 0
    for number, (x, y, height, width) in enumerate(boxes.tolist()):
        end = start + height * width
        mask = BoxMask(x, y, bits[start:end].reshape(height, width))
        found.append(Cell(mask, scores[number], classes[number], sources[number]))
        start = end
    return found


def read_about(path: Path) -> str:
    """What is kept of a tile besides its cells; empty of bare glass."""
    with np.load(path) as kept:
        return str(kept["about"])


# -- seams


@dataclass
class _Known:
    """A cell that was taken, the number of its tile, and how much its tile has to say of it.

    rank  2 where a person's box prompted it, 1 where its middle lies in its tile's core, else 0
    """

    cell: Cell
    tile: int
    rank: int
    gone: bool = False

    def is_same_as(self, other: "_Known") -> bool:
        """Whether two tiles tell of one cell: the larger covers enough of the smaller. Two cells of people are two."""
        if self.tile == other.tile or self.rank == other.rank == 2:
            return False
        smaller = min(self.cell.mask.bits.sum(), other.cell.mask.bits.sum())
        return bool(shared_pixels(self.cell.mask, other.cell.mask) > SAME * smaller)


class Seams:
    """One cell of those that several tiles tell of.

    Of two cells of different tiles that cover each other, one that a person's box prompted stays, then the one whose
    middle lies in its own tile's core; when that does not decide, the earlier. What is left of an overlap stays with
    the earlier cell.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.open: list[_Known] = []
        self.buckets: dict[tuple[int, int], list[_Known]] = defaultdict(list)

    def add(self, number: int, tile: Tile, cells: list[Cell]) -> None:
        for cell in cells:
            x, y = cell.middle
            if 0 <= x < self.frame.width and 0 <= y < self.frame.height:
                owned = tile.core[0] <= x < tile.core[2] and tile.core[1] <= y < tile.core[3]
                self._take(_Known(cell, number, 2 if cell.source else int(owned)))

    def _take(self, new: _Known) -> None:
        same = [known for known in self._near(new.cell.mask) if known.is_same_as(new)]
        if any(known.rank >= new.rank for known in same):
            return
        for known in same:  # only when the new cell stays: one that goes itself takes no other with it
            known.gone = True
        self.open.append(new)
        for place in _places(new.cell.mask):
            self.buckets[place].append(new)

    def _near(self, mask: BoxMask) -> list[_Known]:
        found: dict[int, _Known] = {}
        for place in _places(mask):
            for known in self.buckets.get(place, ()):
                if not known.gone:
                    found[id(known)] = known
        return list(found.values())

    def finished(self, above: int) -> Iterator[Cell]:
        """Cells that end above a row of the model's frame, where no later tile tells of anything; they are let go."""
        done = [known for known in self.open if known.cell.mask.y + known.cell.mask.bits.shape[0] <= above]
        staying = {id(known) for known in done}
        self.open = [known for known in self.open if id(known) not in staying]
        for known in done:
            for place in _places(known.cell.mask):
                self.buckets[place] = [other for other in self.buckets[place] if other is not known]
                if not self.buckets[place]:
                    del self.buckets[place]
        for known in sorted(done, key=lambda one: (one.cell.mask.y, one.cell.mask.x)):
            if not known.gone:
                yield known.cell


def _places(mask: BoxMask) -> Iterator[tuple[int, int]]:
    height, width = mask.bits.shape
    for row in range(mask.y // BUCKET, (mask.y + height - 1) // BUCKET + 1):
        for column in range(mask.x // BUCKET, (mask.x + width - 1) // BUCKET + 1):
            yield row, column


def gathered(frame: Frame, made: list[tuple[Tile, Path]]) -> Iterator[Cell]:
    """Every cell once, in the model's frame; memory holds the cells of two rows of tiles."""
    seams = Seams(frame)
    top = None
    for number, (tile, path) in enumerate(made):
        if tile.core[1] != top:
            top = tile.core[1]
            yield from seams.finished(top - MARGIN - HALO)
        seams.add(number, tile, read_cells(path))
    yield from seams.finished(frame.height + SIDE + HALO)
