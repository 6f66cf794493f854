"""Known wrong proposals for a sample: false, shifted, merged, of a wrong class. They are in no layer and in no log."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from inference.certificates.planted import PLANTED, Kind, Meaning
from inference.masks import pack, unpack
from labeling.annotations.models import Annotation
from labeling.annotations.state import AnnotationState, PackedMask, state_of
from labeling.images.models import Image

TRIES = 20
APART = 4.0  # image pixels between two cells that may be merged
COVERED = 0.1  # share of a false cell that other cells may cover


class Planter:
    """Makes wrong proposals of one image out of its right ones.

    generator  decides everything, so that a seed makes the same errors again
    """

    def __init__(
        self, image: Image, rows: Sequence[Annotation], classes: Sequence[int], generator: np.random.Generator
    ):
        self.image, self.classes, self.generator = image, classes, generator
        self.rows = [row for row in rows if row.mask_bits is not None] or list(rows)
        boxes = [(row.x0, row.y0, row.x1, row.y1) for row in rows]
        self.boxes = np.array(boxes, np.float64).reshape(-1, 4)

    def make(self, kind: Kind, row: Annotation) -> AnnotationState | None:
        """A wrong proposal out of `row`; None where none can be made there."""
        state = state_of(row)
        if state is None:
            return None
        state = replace(state, derived_from=None, provenance=None)
        match kind:
            case Kind.FALSE:
                return self._false(state)
            case Kind.WRONG_CLASS:
                return self._wrong_class(state)
            case Kind.SHIFTED:
                return self._shifted(state)
            case Kind.MERGED:
                return self._merged(state, row)

    def _false(self, state: AnnotationState) -> AnnotationState | None:
        """The outline of a cell on tissue near by where no cell is proposed."""
        for _try in range(TRIES):
            moved = self._moved(state, self.generator.uniform(1.5, 4.0))
            if moved is not None and self._covered(moved) < COVERED:
                return moved
        return None

    def _wrong_class(self, state: AnnotationState) -> AnnotationState | None:
        others = [label for label in self.classes if label != state.label_class]
        if not others:
            return None
        return replace(state, label_class=int(self.generator.choice(others)))

    def _shifted(self, state: AnnotationState) -> AnnotationState | None:
        for _try in range(TRIES):
            moved = self._moved(state, self.generator.uniform(0.5, 0.8))
            if moved is not None:
                return moved
        return None

    def _merged(self, state: AnnotationState, row: Annotation) -> AnnotationState | None:
        """One mask for two neighbours, where two lie close enough."""
        if state.mask is None:
            return None
        for other in self.rows:
            if other.pk == row.pk or _gap(row, other) > APART:
                continue
            neighbour = state_of(other)
            if neighbour is not None and neighbour.mask is not None:
                return _united(state, state.mask, neighbour.mask)
        return None

    def _moved(self, state: AnnotationState, diameters: float) -> AnnotationState | None:
        """The same cell elsewhere: by so many of its diameters, in a random direction; None outside the image."""
        x0, y0, x1, y1 = state.box
        size = math.sqrt((x1 - x0) * (y1 - y0))
        angle = self.generator.uniform(0, 2 * math.pi)
        dx = round(diameters * size * math.cos(angle))
        dy = round(diameters * size * math.sin(angle))
        box = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
        is_inside = box[0] >= 0 and box[1] >= 0
        if not is_inside or box[2] > self.image.width or box[3] > self.image.height:
            return None
        mask = state.mask
        if mask is not None:
            mask = replace(mask, x=mask.x + dx, y=mask.y + dy)
        return replace(state, box=box, mask=mask)

    def _covered(self, state: AnnotationState) -> float:
        """The share of the box that the box of a proposal covers, the highest of all."""
        x0, y0, x1, y1 = state.box
        left, top, right, bottom = self.boxes.T
        across = np.minimum(right, x1) - np.maximum(left, x0)
        down = np.minimum(bottom, y1) - np.maximum(top, y0)
        covered = np.clip(across, 0, None) * np.clip(down, 0, None)
        area = (x1 - x0) * (y1 - y0)
        return float(covered.max(initial=0.0) / area)


def _gap(a: Annotation, b: Annotation) -> float:
    across = max(a.x0 - b.x1, b.x0 - a.x1, 0.0)
    down = max(a.y0 - b.y1, b.y0 - a.y1, 0.0)
    return max(across, down)


def _united(state: AnnotationState, first: PackedMask, second: PackedMask) -> AnnotationState:
    left = min(first.x, second.x)
    top = min(first.y, second.y)
    right = max(first.x + first.width, second.x + second.width)
    bottom = max(first.y + first.height, second.y + second.height)
    whole = np.zeros((bottom - top, right - left), bool)
    for one in (first, second):
        rows = slice(one.y - top, one.y - top + one.height)
        columns = slice(one.x - left, one.x - left + one.width)
        whole[rows, columns] |= unpack(one.bits, one.width, one.height)
    packed = PackedMask(left, top, right - left, bottom - top, pack(whole))
    box = (float(left), float(top), float(right), float(bottom))
    return replace(state, box=box, mask=packed)


def kinds_in_turn(meaning: Meaning, has_classes: bool) -> Iterator[Kind]:
    """The kinds that may be planted, over and over. has_classes: whether there are two classes at least."""
    kinds = [kind for kind in PLANTED[meaning] if has_classes or kind != Kind.WRONG_CLASS]
    while True:
        yield from kinds
