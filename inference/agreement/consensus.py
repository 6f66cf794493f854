"""What several readings of an image come to: the cells that the readers agree on, and the places where they differ.

Of two readings a cell is agreed where both have drawn it and name the same class; everything else goes to a third
person. From three readings on the majority decides: a cell stands where more than half of the readers have drawn it,
with the class that most of them name; a tie goes to a person.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.agreement.coefficients import UNKNOWN, codes
from inference.agreement.grouping import NOBODY, group
from inference.agreement.readings import Cell, Matching, ReadImage, all_cells
from inference.agreement.shapes import majority_mask, staple_mask
from inference.types import BoxMask

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LEAST_READERS = 3  # from which a majority decides, and from which readers can be weighed
ROUNDS = 200
CLOSE = 1e-6


@dataclass(frozen=True)
class Method:
    """shapes: "majority" or "staple"; classes: "majority" or "dawid_skene". Both of the latter need three readings."""

    shapes: str = "majority"
    classes: str = "majority"


@dataclass(frozen=True)
class Agreed:
    """A cell of the consensus. members: place of each reader's cell in their reading, or NOBODY."""

    members: list[int]
    box: tuple[float, float, float, float]
    label: str | None
    mask: BoxMask | None


@dataclass(frozen=True)
class Differing:
    """A place for a person to decide. kind: missing (cell or none) or class."""

    members: list[int]
    kind: str
    box: tuple[float, float, float, float]
    worst: float


@dataclass(frozen=True)
class Outcome:
    agreed: list[Agreed]
    differing: list[Differing]


def consensus(image: ReadImage, matching: Matching, method: Method) -> Outcome:
    """Of two readings or more. Raises ValueError for fewer, MissingLibrary where STAPLE is not installed."""
    k = len(image.readings)
    if k < 2:
        raise ValueError(f"a consensus needs two readings, and image {image.image} has {k}")
    if k < LEAST_READERS:
        method = Method()
    groups = group(image, matching)
    drawn = [_drawn(image, members) for members in groups.tolist()]
    labels = _labels(image, groups, drawn, method)
    agreed: list[Agreed] = []
    differing: list[Differing] = []
    for members, cells, label in zip(groups.tolist(), drawn, labels, strict=True):
        if len(cells) * 2 < k:
            continue  # most have drawn nothing here
        if len(cells) * 2 == k:  # of two readers one; of more, half of them
            differing.append(Differing(members, "missing", _around(cells), 1.0))
        elif label is None:
            differing.append(Differing(members, "class", _around(cells), 0.5))
        else:
            agreed.append(_agreed(members, cells, label or None, method))
    return Outcome(agreed, sorted(differing, key=_worst_first))


def _worst_first(place: Differing) -> tuple[float, float, float]:
    return (-place.worst, place.box[1], place.box[0])


def _drawn(image: ReadImage, members: list[int]) -> list[Cell]:
    """The cells of a group."""
    pairs = zip(image.readings, members, strict=True)
    return [reading.cells[index] for reading, index in pairs if index != NOBODY]


def _labels(image: ReadImage, groups: Ints, drawn: list[list[Cell]], method: Method) -> list[str | None]:
    """The class of each group: "" where nobody names one, None where no class has a majority."""
    if method.classes == "dawid_skene":
        return _weighed(image, groups)
    return [most([cell.label or "" for cell in cells]) for cells in drawn]


def most(names: Sequence[str]) -> str | None:
    """The name that more than half say; None where no name has so many."""
    name, times = Counter(names).most_common(1)[0]
    return name if times * 2 > len(names) else None


def _weighed(image: ReadImage, groups: Ints) -> list[str | None]:
    """The likeliest class of each group by Dawid and Skene; where nobody names a class, ""."""
    code_of = codes([cell.label for cell in all_cells(image.readings) if cell.label is not None])
    names = list(code_of)
    if len(names) < 2:
        return [names[0] if names else ""] * len(groups)
    votes = np.full(groups.shape, UNKNOWN, np.int64)
    for row, members in enumerate(groups.tolist()):
        for reader, index in enumerate(members):
            label = image.readings[reader].cells[index].label if index != NOBODY else None
            if label is not None:
                votes[row, reader] = code_of[label]
    likeliest = dawid_skene(votes, len(names)).argmax(axis=1).tolist()
    is_named = (votes != UNKNOWN).any(axis=1).tolist()
    return [names[code] if named else "" for code, named in zip(likeliest, is_named, strict=True)]


def dawid_skene(votes: Ints, classes: int) -> Floats:
    """(cells, classes) how likely each class is, by Dawid and Skene 1979: each reader has a table of how often they say
    what of which true class, estimated with the classes by expectation and maximisation. One vote too many is added to
    each entry of a table's diagonal, so that a reader who never met a class says nothing of it.

    votes  (cells, readers) codes or UNKNOWN
    """
    judged = np.zeros((*votes.shape, classes))
    rows, readers = np.nonzero(votes != UNKNOWN)
    judged[rows, readers, votes[rows, readers]] = 1.0
    totals = judged.sum(axis=1)
    likely = np.where(totals.sum(axis=1, keepdims=True) > 0, totals, 1.0)
    likely = likely / likely.sum(axis=1, keepdims=True)
    for _ in range(ROUNDS):
        prior = (likely.sum(axis=0) + 1) / (len(likely) + classes)
        tables = np.einsum("uc,urk->rck", likely, judged) + np.eye(classes) + 1e-3
        tables /= tables.sum(axis=2, keepdims=True)
        score = np.log(prior) + np.einsum("urk,rck->uc", judged, np.log(tables))
        new = np.exp(score - score.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        if np.abs(new - likely).max(initial=0.0) < CLOSE:
            return new
        likely = new
    return likely


def _agreed(members: list[int], cells: list[Cell], label: str | None, method: Method) -> Agreed:
    masks = [cell.mask for cell in cells if cell.mask is not None]
    if not masks:
        x0, y0, x1, y1 = np.median([cell.box for cell in cells], axis=0).tolist()
        return Agreed(members, (x0, y0, x1, y1), label, None)
    is_weighed = method.shapes == "staple" and len(masks) >= LEAST_READERS
    shape = staple_mask(masks) if is_weighed else majority_mask(masks)
    height, width = shape.bits.shape
    right = shape.x + width
    bottom = shape.y + height
    return Agreed(members, (shape.x, shape.y, right, bottom), label, shape)


def _around(cells: list[Cell]) -> tuple[float, float, float, float]:
    boxes = np.array([cell.box for cell in cells])
    x0, y0 = boxes[:, :2].min(axis=0).tolist()
    x1, y1 = boxes[:, 2:].max(axis=0).tolist()
    return x0, y0, x1, y1
