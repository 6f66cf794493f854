"""Two readers on one image: counts that add up over images, and the figures that follow from the sums.

Nobody is the reference: every figure is the same whoever of the two comes first.
"""

from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from inference.agreement.coefficients import Figure
from inference.agreement.grouping import NOBODY, Touching, group
from inference.agreement.readings import Cell, Matching, ReadImage
from inference.agreement.shapes import on_sheets
from inference.metrics import Contingency, aji_terms, boundary

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairCounts:
    """What two readings of an image have in common.

    cells       of both readings together
    found       pairs of cells that share more than half of their union
    near        pairs whose centres are close enough; near_cells: cells of both readings where that is known
    iou, dice   summed over the found pairs
    inside, outside   terms of the AJI, of both directions
    outlines    found pairs of which both have a mask; distance: summed mean distance of their outlines, unit as asked
    """

    cells: int = 0
    found: int = 0
    near: int = 0
    near_cells: int = 0
    iou: float = 0.0
    dice: float = 0.0
    inside: int = 0
    outside: int = 0
    outlines: int = 0
    distance: float = 0.0

    def __add__(self, other: "PairCounts") -> "PairCounts":
        return PairCounts(
            self.cells + other.cells,
            self.found + other.found,
            self.near + other.near,
            self.near_cells + other.near_cells,
            self.iou + other.iou,
            self.dice + other.dice,
            self.inside + other.inside,
            self.outside + other.outside,
            self.outlines + other.outlines,
            self.distance + other.distance,
        )

    @property
    def f1(self) -> Figure:
        """Detection F1 at the IoU: twice the pairs found, of all cells."""
        return _share(2 * self.found, self.cells, why="no_cells")

    @property
    def f1_near(self) -> Figure:
        """Detection F1 by the distance of centres."""
        if self.cells and not self.near_cells:
            return Figure(None, 0, why="no_scale")
        return _share(2 * self.near, self.near_cells, why="no_cells")

    @property
    def matched_dice(self) -> Figure:
        return _share(self.dice, self.found, why="nothing_matched")

    @property
    def pq(self) -> Figure:
        """Panoptic quality: detection F1 times the mean IoU of what was found."""
        if not self.cells:
            return Figure(None, 0, why="no_cells")
        return Figure(2 * self.iou / self.cells, self.cells)

    @property
    def aji(self) -> Figure:
        """Aggregated Jaccard index, both directions pooled."""
        return _share(self.inside, self.outside, why="no_cells", n=self.cells)

    @property
    def outline_distance(self) -> Figure:
        """Mean distance between the outlines of the found pairs."""
        return _share(self.distance, self.outlines, why="no_masks")

    @property
    def unmatched(self) -> Figure:
        """Share of all cells that have no partner."""
        return _share(self.cells - 2 * self.found, self.cells, why="no_cells")


def compare(
    image: ReadImage, first: int, second: int, found: Touching, matching: Matching, *, in_um: bool
) -> PairCounts:
    """Counts of two readings of an image, by their places among its readings.

    found     touching(image)
    matching  its iou and um; both are counted, whichever the groups are made by
    in_um     whether the distance of outlines is in µm, for which the image needs a scale, or in pixels
    """
    readings = (image.readings[first], image.readings[second])
    pair = replace(image, readings=readings)
    both = only(found, (first, second))
    matched = _matched(group(pair, replace(matching, by="iou"), both))
    rows = _rows_of(matched, both)
    inside, outside = _aji_both_ways(both)
    near = near_cells = 0
    if image.um_per_px is not None:
        near = len(_matched(group(pair, replace(matching, by="distance"), both)))
        near_cells = len(both.cells)
    distances = [_outline_distance(readings[0].cells[i], readings[1].cells[j]) for i, j in matched.tolist()]
    known = [distance for distance in distances if distance is not None]
    unit = image.um_per_px if in_um and image.um_per_px else 1.0
    return PairCounts(
        cells=len(both.cells),
        found=len(matched),
        near=near,
        near_cells=near_cells,
        iou=sum(both.iou[rows].tolist()),
        dice=sum(both.dice[rows].tolist()),
        inside=inside,
        outside=outside,
        outlines=len(known),
        distance=sum(known) * unit,
    )


def only(found: Touching, readers: tuple[int, int]) -> Touching:
    """The cells of two readings, which become readings 0 and 1."""
    kept = np.isin(found.reader, readers)
    place = np.cumsum(kept) - 1
    pairs = kept[found.a] & kept[found.b]
    return Touching(
        cells=list(compress(found.cells, kept.tolist())),
        reader=(found.reader[kept] == readers[1]).astype(np.int64),
        index=found.index[kept],
        centre=found.centre[kept],
        area=found.area[kept],
        a=place[found.a[pairs]],
        b=place[found.b[pairs]],
        shared=found.shared[pairs],
    )


def _matched(groups: Ints) -> Ints:
    """(m, 2) the groups in which both readers have a cell."""
    return groups[(groups != NOBODY).all(axis=1)]


def _rows_of(matched: Ints, both: Touching) -> list[int]:
    """Where each matched pair stands among the touching pairs of two readings."""
    i, j = both.index[both.a].tolist(), both.index[both.b].tolist()
    row_of = {pair: row for row, pair in enumerate(zip(i, j, strict=True))}
    return [row_of[first, second] for first, second in matched.tolist()]


def _aji_both_ways(both: Touching) -> tuple[int, int]:
    """Numerator and denominator of the AJI, summed over each of two readings as the reference."""
    first, second = both.area[both.reader == 0], both.area[both.reader == 1]
    i, j = both.index[both.a], both.index[both.b]
    forth = aji_terms(_contingency(first, second, i, j, both.shared))
    back = aji_terms(_contingency(second, first, j, i, both.shared))
    return forth[0] + back[0], forth[1] + back[1]


def _contingency(reference: Ints, predicted: Ints, i: Ints, j: Ints, shared: Ints) -> Contingency:
    """reference, predicted: areas of the cells; the rest as in Contingency."""
    return Contingency(
        reference_ids=np.arange(1, len(reference) + 1),
        predicted_ids=np.arange(1, len(predicted) + 1),
        reference_area=reference,
        predicted_area=predicted,
        i=i,
        j=j,
        shared=shared,
    )


def _outline_distance(one: Cell, other: Cell) -> float | None:
    """Mean distance of each outline's pixels to the nearest pixel of the other outline, both ways, in pixels.

    None where one of them has no mask: the sides of a box are no outline of a cell.
    """
    if one.mask is None or other.mask is None:
        return None
    sheets, _left, _top = on_sheets((one.mask, other.mask), 1)
    a, b = boundary(sheets[0]), boundary(sheets[1])
    to_a, to_b = distance_transform_edt(~a), distance_transform_edt(~b)
    total = to_b[a].sum() + to_a[b].sum()
    return float(total / (np.count_nonzero(a) + np.count_nonzero(b)))


def _share(part: float, whole: float, *, why: str, n: int | None = None) -> Figure:
    count = int(whole) if n is None else n
    return Figure(part / whole, count) if whole else Figure(None, count, why=why)
