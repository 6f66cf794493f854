"""Everything that is said of the agreement of several readers, as plain values that can be stored as JSON.

The figures stand together: how many cells were found by both, then how well the classes of these agree, then the share
that only one reader has drawn, and the agreement with *no cell* as a class of its own. A kappa of matched cells alone
says nothing of the cells that somebody missed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from inference.agreement.coefficients import UNKNOWN, Figure, codes, cohen, confusion, fleiss, krippendorff
from inference.agreement.grouping import NOBODY, Touching, group, touching
from inference.agreement.intervals import Draws, draw, nominal_alpha, pooled_f1, with_interval
from inference.agreement.pairs import PairCounts, compare
from inference.agreement.readings import Matching, ReadImage, all_cells, all_readings

Ints = npt.NDArray[np.int64]
MOST_IMAGES = 100  # of the list of the worst ones
MOST_PLACES = 200
NO_CELL = ""  # as a class: this reader has drawn nothing there
NO_CLASS = "?"  # as a class: the reader has drawn a cell and named no class
SEED = 20240229
LEAST_OUTLINE = 0.7  # outlines that share less of their union than this are listed
Counted = tuple[int, int, int, PairCounts]  # patient, first reader, second reader
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class PairOfReaders:
    """Two readers over all images that both have read."""

    first: str
    second: str
    images: int
    f1: Figure
    f1_near: Figure
    dice: Figure
    pq: Figure
    aji: Figure
    outline_distance: Figure
    unmatched: Figure
    kappa: Figure
    alpha: Figure
    alpha_no_cell: Figure


@dataclass(frozen=True)
class ClassAgreement:
    """One class: F1 of finding a cell of it, both readers naming the class; cells that anybody has put into it."""

    name: str
    cells: int
    f1: Figure


@dataclass(frozen=True)
class ImageAgreement:
    image: str
    cells: int
    f1: Figure
    alpha_no_cell: Figure
    outline_distance: Figure


@dataclass(frozen=True)
class Place:
    """Where readers differ. kind: missing (cell or none), class or outline; votes: reader -> class, NO_CELL, NO_CLASS.

    x, y   middle, image pixels
    worst  0..1, how far they differ: the highest is looked at first
    """

    image: str
    kind: str
    x: float
    y: float
    worst: float
    votes: dict[str, str]


@dataclass(frozen=True)
class Report:
    """unit: of outline distances, "µm", or "px" where an image has no scale. classes: of rows and columns of
    `confusion`, each ordered pair of readers counted, NO_CELL and NO_CLASS at the end."""

    matching: Matching
    readers: list[str]
    images: int
    patients: int
    cells: int
    unit: str
    f1: Figure
    f1_near: Figure
    dice: Figure
    pq: Figure
    aji: Figure
    outline_distance: Figure
    unmatched: Figure
    alpha: Figure
    alpha_no_cell: Figure
    fleiss: Figure
    pairs: list[PairOfReaders]
    by_class: list[ClassAgreement]
    classes: list[str]
    confusion: list[list[int]]
    worst_images: list[ImageAgreement]
    worst_places: list[Place]


@dataclass(frozen=True)
class Grouped:
    """An image with its groups. votes: (groups, readers) codes of classes, `absent` for none, UNKNOWN not read."""

    image: ReadImage
    patient: int
    places: list[int]  # of its readings, the reader among all
    groups: Ints
    votes: Ints


def agreement(images: Sequence[ReadImage], matching: Matching, tell: Tell = lambda done, of: None) -> Report:
    """The report over images that two readers or more have read; others are left out.

    tell  progress: images done, of all
    Raises ValueError where cells are matched by distance and an image has no scale.
    """
    read = [_in_order(image) for image in images if len(image.readings) > 1]
    readings = all_readings(read)
    cells = all_cells(readings)
    readers = sorted({reading.reader for reading in readings})
    patients = {name: place for place, name in enumerate(sorted({image.patient for image in read}))}
    names = codes([cell.label for cell in cells if cell.label is not None])
    has_scale = all(image.um_per_px is not None for image in read)
    grouped: list[Grouped] = []
    counted: list[Counted] = []
    by_image: list[ImageAgreement] = []
    places: list[Place] = []
    for done, image in enumerate(read):
        tell(done, len(read))
        found = touching(image)
        one = _grouped(image, patients[image.patient], readers, names, group(image, matching, found))
        pairs = _pairs(one, found, matching, has_scale=has_scale)
        grouped.append(one)
        counted.extend(pairs)
        by_image.append(_of_image(one, [counts for *_who, counts in pairs]))
        places.extend(_places(one, found, readers, names))
    tell(len(read), len(read))
    votes = _stacked(grouped, len(readers))
    of_patient = np.concatenate([np.full(len(one.votes), one.patient) for one in grouped] or [np.empty(0, np.int64)])
    draws = draw(len(patients), len(readers), seed=SEED)
    total = sum((counts for *_who, counts in counted), PairCounts())
    classes = [*sorted(names), NO_CLASS, NO_CELL]
    return Report(
        matching=matching,
        readers=readers,
        images=len(read),
        patients=len(patients),
        cells=len(cells),
        unit="µm" if has_scale else "px",
        f1=with_interval(total.f1, pooled_f1(counted, len(patients), len(readers), near=False), draws),
        f1_near=with_interval(total.f1_near, pooled_f1(counted, len(patients), len(readers), near=True), draws),
        dice=total.matched_dice,
        pq=total.pq,
        aji=total.aji,
        outline_distance=total.outline_distance,
        unmatched=total.unmatched,
        alpha=_alpha(_classes_only(votes, names), of_patient, draws),
        alpha_no_cell=_alpha(votes, of_patient, draws),
        fleiss=fleiss(_classes_only(votes, names)),
        pairs=_pairs_of_readers(counted, votes, of_patient, readers, names),
        by_class=_by_class(votes, names),
        classes=classes,
        confusion=confusion(votes, len(classes)).tolist(),
        worst_images=sorted(by_image, key=_worst_first)[:MOST_IMAGES],
        worst_places=sorted(places, key=lambda place: (-place.worst, place.image, place.y, place.x))[:MOST_PLACES],
    )


def _in_order(image: ReadImage) -> ReadImage:
    """The readings by reader and the cells by place, so that nothing depends on the order in which they came."""
    readings = []
    for reading in sorted(image.readings, key=lambda reading: reading.reader):
        cells = sorted(reading.cells, key=lambda cell: (cell.box, cell.label or "", cell.uid))
        readings.append(type(reading)(reading.reader, cells))
    return ReadImage(image.image, image.patient, readings, image.um_per_px)


def _grouped(image: ReadImage, patient: int, readers: list[str], names: dict[str, int], groups: Ints) -> Grouped:
    places = [readers.index(reading.reader) for reading in image.readings]
    votes = np.full((len(groups), len(readers)), UNKNOWN, np.int64)
    for column, (place, reading) in enumerate(zip(places, image.readings, strict=True)):
        labels = [names[cell.label] if cell.label is not None else _no_class(names) for cell in reading.cells]
        judged = np.array([*labels, _no_cell(names)], np.int64)  # NOBODY, -1, is the last one
        votes[:, place] = judged[groups[:, column]]
    return Grouped(image, patient, places, groups, votes)


def _no_class(names: dict[str, int]) -> int:
    return len(names)


def _no_cell(names: dict[str, int]) -> int:
    return len(names) + 1


def _classes_only(votes: Ints, names: dict[str, int]) -> Ints:
    """Judgements of the class alone: who has drawn no cell, or named no class, has not judged."""
    return np.where(votes < len(names), votes, UNKNOWN)


def _stacked(grouped: list[Grouped], readers: int) -> Ints:
    return np.concatenate([one.votes for one in grouped] or [np.empty((0, readers), np.int64)])


def _pairs(one: Grouped, found: Touching, matching: Matching, *, has_scale: bool) -> list[Counted]:
    """Counts of every pair of readings of an image. has_scale: every image has one, so distances are in µm."""
    counted = []
    for i, j in combinations(range(len(one.image.readings)), 2):
        counts = compare(one.image, i, j, found, matching, in_um=has_scale)
        counted.append((one.patient, one.places[i], one.places[j], counts))
    return counted


def _of_image(one: Grouped, pairs: list[PairCounts]) -> ImageAgreement:
    total = sum(pairs, PairCounts())
    cells = sum(len(reading.cells) for reading in one.image.readings)
    return ImageAgreement(one.image.image, cells, total.f1, krippendorff(one.votes), total.outline_distance)


def _worst_first(image: ImageAgreement) -> tuple[float, int, str]:
    return (1.0 if image.f1.value is None else image.f1.value, -image.cells, image.image)


def _places(one: Grouped, found: Touching, readers: list[str], names: dict[str, int]) -> list[Place]:
    """Where the readers of an image differ: no cell weighs more than another class, that more than another outline."""
    classes = [*sorted(names), NO_CLASS, NO_CELL]
    best = _least_iou(one, found)
    places = []
    for row, (members, votes) in enumerate(zip(one.groups.tolist(), one.votes.tolist(), strict=True)):
        judged = [votes[place] for place in one.places]
        kind, worst = _difference(judged, best[row], names)
        if not kind:
            continue
        there = [r.cells[i].centre for r, i in zip(one.image.readings, members, strict=True) if i != NOBODY]
        x, y = np.mean(there, axis=0).tolist()
        spoken = {readers[place]: classes[votes[place]] for place in one.places}
        places.append(Place(one.image.image, kind, x, y, worst, spoken))
    return places


def _difference(judged: list[int], iou: float, names: dict[str, int]) -> tuple[str, float]:
    """Kind and weight, 0..1, of what the readers of a group say; "" where they agree."""
    absent = judged.count(_no_cell(names))
    if absent:
        return "missing", 0.5 + 0.5 * min(absent, len(judged) - absent) / len(judged)
    most = max(judged.count(code) for code in set(judged))
    if most < len(judged):
        return "class", 0.25 + 0.25 * (len(judged) - most) / len(judged)
    return ("outline", 0.25 * (1 - iou)) if iou < LEAST_OUTLINE else ("", 0.0)


def _least_iou(one: Grouped, found: Touching) -> list[float]:
    """Of each group the smallest IoU of two of its cells; 0 where two do not touch, 1 for a single cell."""
    first = {}
    for place, (reader, index) in enumerate(zip(found.reader.tolist(), found.index.tolist(), strict=True)):
        first[reader, index] = place
    shared = dict(zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.iou.tolist(), strict=True))
    least = []
    for members in one.groups.tolist():
        there = sorted(first[reader, index] for reader, index in enumerate(members) if index != NOBODY)
        least.append(min((shared.get(pair, 0.0) for pair in combinations(there, 2)), default=1.0))
    return least


def _alpha(votes: Ints, of_patient: Ints, draws: Draws | None) -> Figure:
    figure = krippendorff(votes)
    return figure if figure.value is None else with_interval(figure, nominal_alpha(votes, of_patient), draws)


def _pairs_of_readers(
    counted: list[Counted], votes: Ints, of_patient: Ints, readers: list[str], names: dict[str, int]
) -> list[PairOfReaders]:
    found = []
    for i, j in combinations(range(len(readers)), 2):
        mine = [(patient, counts) for patient, a, b, counts in counted if (a, b) == (i, j)]
        if mine:
            both = votes[:, [i, j]]
            both_read = (both != UNKNOWN).all(axis=1)
            found.append(_pair(readers[i], readers[j], mine, both[both_read], of_patient[both_read], names))
    return found


def _pair(
    first: str, second: str, counted: list[tuple[int, PairCounts]], votes: Ints, of_patient: Ints, names: dict[str, int]
) -> PairOfReaders:
    """votes: (groups, 2) of the images that both have read, without those where neither has drawn a cell."""
    total = sum((counts for _patient, counts in counted), PairCounts())
    patients = {patient: place for place, patient in enumerate(sorted({patient for patient, _counts in counted}))}
    draws = draw(len(patients), 2, seed=SEED)
    rows = [(patients[patient], 0, 1, counts) for patient, counts in counted]
    there = (votes != _no_cell(names)).any(axis=1)
    of_pair = np.array([patients[patient] for patient in of_patient[there].tolist()], np.int64)
    classes = _classes_only(votes, names)
    return PairOfReaders(
        first=first,
        second=second,
        images=len(counted),
        f1=with_interval(total.f1, pooled_f1(rows, len(patients), 2, near=False), draws),
        f1_near=with_interval(total.f1_near, pooled_f1(rows, len(patients), 2, near=True), draws),
        dice=total.matched_dice,
        pq=total.pq,
        aji=total.aji,
        outline_distance=total.outline_distance,
        unmatched=total.unmatched,
        kappa=cohen(classes[:, 0], classes[:, 1]),
        alpha=_alpha(classes[there], of_pair, draws),
        alpha_no_cell=_alpha(votes[there], of_pair, draws),
    )


def _by_class(votes: Ints, names: dict[str, int]) -> list[ClassAgreement]:
    """F1 of each class over all pairs of readers: 2 x both, of all cells that either has put into the class."""
    found = []
    for name, code in sorted(names.items()):
        both = either = 0
        for i, j in combinations(range(votes.shape[1]), 2):
            read = (votes[:, i] != UNKNOWN) & (votes[:, j] != UNKNOWN)
            a, b = votes[read, i] == code, votes[read, j] == code
            both += int(np.count_nonzero(a & b))
            either += int(np.count_nonzero(a)) + int(np.count_nonzero(b))
        f1 = Figure(2 * both / either, either) if either else Figure(None, 0, why="no_cells")
        found.append(ClassAgreement(name, int(np.count_nonzero(votes == code)), f1))
    return found
