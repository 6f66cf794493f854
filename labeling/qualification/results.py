"""What a reading of a field is worth against its reference: cell by cell, and for a test class by class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.agreement.grouping import NOBODY, group
from inference.agreement.readings import Cell, Matching, ReadImage, Reading

LEVEL = 0.95  # of the interval
RIGHT, OTHER_CLASS, NO_CELL, MISSED = "right", "other_class", "no_cell", "missed"


@dataclass(frozen=True)
class CellJudged:
    """One cell of the reading, or one of the reference that the reading missed.

    uid       of the reader's cell; "" for a missed one
    box       x0, y0, x1, y1: image pixels, half-open
    verdict   right, other_class, no_cell (the reference has none here), missed
    expected  class of the reference's cell, None where it has none
    given     class of the reader's cell
    """

    uid: str
    box: tuple[float, float, float, float]
    verdict: str
    expected: str | None
    given: str | None


@dataclass(frozen=True)
class ClassResult:
    """What a test shows for one class.

    right     cells that both have drawn and both call this class
    judged    those, and every other cell that either calls this class
    low, high  Clopper-Pearson interval of right / judged; cells of one patient count as independent
    passed    whether `low` reaches the share that is asked for
    """

    name: str
    judged: int
    right: int
    share: float
    low: float
    high: float
    passed: bool


def judge(reference: Sequence[Cell], drawn: Sequence[Cell], name: str = "") -> list[CellJudged]:
    """The reader's cells in their order, then the missed cells of the reference. Cells are one at IoU above 0.5."""
    image = ReadImage(name, name, [Reading("reference", reference), Reading("reader", drawn)])
    partner: dict[int, int] = {}
    missed = []
    for there, mine in group(image, Matching()).tolist():
        if mine != NOBODY and there != NOBODY:
            partner[mine] = there
        elif there != NOBODY:
            missed.append(there)
    judged = []
    for index, cell in enumerate(drawn):
        expected = reference[partner[index]] if index in partner else None
        judged.append(_judged(cell, expected))
    for index in sorted(missed):
        cell = reference[index]
        judged.append(CellJudged("", cell.box, MISSED, cell.label, None))
    return judged


def _judged(cell: Cell, expected: Cell | None) -> CellJudged:
    if expected is None:
        return CellJudged(cell.uid, cell.box, NO_CELL, None, cell.label)
    verdict = RIGHT if cell.label == expected.label else OTHER_CLASS
    return CellJudged(cell.uid, cell.box, verdict, expected.label, cell.label)


def class_results(judged: Iterable[CellJudged], classes: Sequence[str], least_share: float) -> list[ClassResult]:
    """One result a class that occurs, in the order of `classes`."""
    every = list(judged)
    results = []
    for name in classes:
        of_class = [one for one in every if name in (one.expected, one.given)]
        if not of_class:
            continue
        right = sum(one.verdict == RIGHT for one in of_class)
        low, high = interval(right, len(of_class))
        share = right / len(of_class)
        results.append(ClassResult(name, len(of_class), right, share, low, high, low >= least_share))
    return results


def interval(right: int, judged: int) -> tuple[float, float]:
    """Clopper-Pearson at 95 %: an exact interval of a share, never too narrow."""
    from scipy.stats import binomtest

    found = binomtest(right, judged).proportion_ci(LEVEL, method="exact")
    return float(found.low), float(found.high)
