"""Which cells of k readers are one cell: groups with at most one cell of each reader, found for all readers at once.

Pairs of cells that match are taken from the best to the worst. A pair joins two groups where no reader would then be
in it twice and every two cells of the joint group match each other: a chain of cells of which the first and the last
do not match is no group. Of two readers this is the greedy matching; at an IoU above 0.5 of masks that do not overlap
within a reading it is the only one (inference/metrics.py, `panoptic`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from shapely import STRtree, box

from inference.agreement.readings import Cell, Matching, ReadImage, all_cells
from inference.masks import boxes_of, shared_pixels
from inference.types import BoxMask

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
NOBODY = -1  # in a group: this reader has no cell there


@dataclass(frozen=True)
class Touching:
    """The cells of all readings of an image in one row, and which of them share pixels.

    reader  (n,) index of the reading
    index   (n,) place of the cell in its reading
    centre  (n, 2) x, y in image pixels
    area    (n,) pixels
    a, b    (p,) cells of different readers that share `shared` pixels, a < b
    """

    cells: list[Cell]
    reader: Ints
    index: Ints
    centre: Floats
    area: Ints
    a: Ints
    b: Ints
    shared: Ints

    @property
    def iou(self) -> Floats:
        """(p,) shared part of the union."""
        both = self.area[self.a] + self.area[self.b]
        iou: Floats = self.shared / (both - self.shared)
        return iou

    @property
    def dice(self) -> Floats:
        """(p,) twice the shared part, of both areas."""
        both = self.area[self.a] + self.area[self.b]
        dice: Floats = 2 * self.shared / both
        return dice


def touching(image: ReadImage) -> Touching:
    """Every pair of cells of different readers that share a pixel. About a second for 5 readings of 10,000 cells."""
    readers: list[int] = []
    indices: list[int] = []
    for number, reading in enumerate(image.readings):
        readers += [number] * len(reading.cells)
        indices += range(len(reading.cells))
    reader = np.array(readers, np.int64)
    cells = all_cells(image.readings)
    pixels = [cell.pixels() for cell in cells]
    a, b = _near(pixels, reader)
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    shared = np.array([shared_pixels(pixels[i], pixels[j]) for i, j in pairs], np.int64)
    touch = shared > 0
    centres = [cell.centre for cell in cells]
    areas = [np.count_nonzero(mask.bits) for mask in pixels]
    return Touching(
        cells=cells,
        reader=reader,
        index=np.array(indices, np.int64),
        centre=np.array(centres, np.float64).reshape(-1, 2),
        area=np.array(areas, np.int64),
        a=a[touch],
        b=b[touch],
        shared=shared[touch],
    )


def _near(pixels: list[BoxMask], reader: Ints) -> tuple[Ints, Ints]:
    """Cells of different readers whose boxes overlap, the smaller place first."""
    x0, y0, x1, y1 = boxes_of(pixels).T
    boxes = box(x0, y0, x1, y1)
    a, b = STRtree(boxes).query(boxes, predicate="intersects")
    of_two = (a < b) & (reader[a] != reader[b])
    a, b = a[of_two], b[of_two]
    order = np.lexsort((b, a))
    return a[order].astype(np.int64), b[order].astype(np.int64)


def group(image: ReadImage, matching: Matching, found: Touching | None = None) -> Ints:
    """(groups, k) int64: the place of each reader's cell in their reading, or NOBODY. Every cell is in one group.

    found  touching(image), where it is there already

    The groups do not depend on the order of the readers or of the cells. Raises ValueError where cells are matched by
    distance and the image has no scale.
    """
    found = touching(image) if found is None else found
    a, b, quality = _matches(image, matching, found)
    best_first = np.lexsort((*_ties(found, a, b), -quality))
    pairs = list(zip(a[best_first].tolist(), b[best_first].tolist(), strict=True))
    groups = _Groups(len(found.cells), pairs)
    for i, j in pairs:
        groups.join(i, j)
    return _table(groups, found, len(image.readings))


def _matches(image: ReadImage, matching: Matching, found: Touching) -> tuple[Ints, Ints, Floats]:
    """Pairs of cells of different readers that match, and how well: the more the better."""
    if matching.by == "iou":
        enough = found.iou > matching.iou
        return found.a[enough], found.b[enough], found.iou[enough]
    if image.um_per_px is None:
        raise ValueError(f"image {image.image} has no scale, so distances of its cells are not known in µm")
    return _near_centres(found, matching.um / image.um_per_px)


def _near_centres(found: Touching, most: float) -> tuple[Ints, Ints, Floats]:
    """As _matches, of cells whose centres are at most so many pixels apart."""
    tree = cKDTree(found.centre)
    pairs = tree.query_pairs(most, output_type="ndarray")
    a, b = pairs.astype(np.int64).T
    of_two = found.reader[a] != found.reader[b]
    a, b = a[of_two], b[of_two]
    x, y = (found.centre[a] - found.centre[b]).T
    return a, b, -np.hypot(x, y)


def _ties(found: Touching, a: Ints, b: Ints) -> tuple[Floats, ...]:
    """What decides between pairs that match equally well: where they are, whoever drew them."""
    middle = found.centre[a] + found.centre[b]
    area = (found.area[a] + found.area[b]).astype(np.float64)
    return area, middle[:, 1], middle[:, 0]


class _Groups:
    """Cells in groups, at first each in a group of its own. matching: the pairs of cells that match."""

    def __init__(self, cells: int, matching: list[tuple[int, int]]) -> None:
        self.members = {cell: [cell] for cell in range(cells)}
        self.group_of = list(range(cells))
        self.partners: list[set[int]] = [set() for _ in range(cells)]
        for i, j in matching:
            self.partners[i].add(j)
            self.partners[j].add(i)

    def join(self, i: int, j: int) -> None:
        """Make one group of those of cells i and j, where every two of their cells match.

        Cells of one reader never match, so no reader is then twice in it.
        """
        kept, gone = self.group_of[i], self.group_of[j]
        if kept == gone:
            return
        mine, theirs = self.members[kept], self.members[gone]
        if not all(self.partners[cell].issuperset(theirs) for cell in mine):
            return
        for cell in theirs:
            self.group_of[cell] = kept
        mine += theirs
        del self.members[gone]


def _table(groups: _Groups, found: Touching, readers: int) -> Ints:
    table = np.full((len(groups.members), readers), NOBODY, np.int64)
    for row, members in enumerate(groups.members.values()):
        table[row, found.reader[members]] = found.index[members]
    return table
