"""Simulated people who judge proposals one by one, in the gallery, by likeness, and on a certificate.

The truth of each proposal is known: its IoU with the reference cell that it meets. A reader sees that IoU with an
error, overlooks a share of what is wrong, and takes the seconds of the keystroke-level model (Card, Moran and Newell
1980) plus one fixation of the eye for each cell in view (230 ms: Card, Moran and Newell 1983, The Psychology of
Human-Computer Interaction, chapter 2). So the seconds follow from the model; how often a reader errs is an assumption,
and nothing here measures people.

Planted errors are known wrong proposals among the others. They are judged like all, give the catch rate, and count in
the seconds but neither as accepted cells nor in the quality.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inference.certificates.evidence import Stratum
from inference.certificates.planning import STEP, STRATIFIED_FROM, Claim, GroupPlan, allot, plan_group, shares_of
from inference.certificates.planted import catch_rate_limit
from inference.certificates.results import Outcome, catching_of, group_result
from inference.likeness.head import Floats, fit_head, whitened
from inference.repair import FOUND

Flags = npt.NDArray[np.bool_]
Order = npt.NDArray[np.int64]

# Seconds of the keystroke-level model, as in docs/gestures.md.
PREPARE_S, KEY_S, POINT_S, BUTTON_S = 1.35, 0.28, 1.10, 0.10
CLICK_S = PREPARE_S + POINT_S + 2 * BUTTON_S
DRAG_S = PREPARE_S + 2 * POINT_S + 2 * BUTTON_S
FIXATION_S = 0.23

SURE = 0.9  # chance from which S marks a cell as suggested (frontend/gallery/suggestions.ts)
NO_CELL, CELL = -1, 1  # labels of the head


@dataclass(frozen=True)
class Proposals:
    """What is judged, one entry a cell.

    iou      with the reference cell that the proposal meets best, 0..1
    doubt    of the models, 0..1
    side     square root of the area of the box, image pixels
    vectors  (n, d) of an encoder
    planted  whether the cell is a known error
    """

    iou: Floats
    doubt: Floats
    side: Floats
    vectors: Floats
    planted: Flags

    def __post_init__(self) -> None:
        lengths = {len(self.iou), len(self.doubt), len(self.side), len(self.vectors), len(self.planted)}
        if len(lengths) != 1:
            raise ValueError(f"one entry of each list a cell, not {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.iou)

    @property
    def is_right(self) -> Flags:
        """Whether a proposal is a cell whose outline fits: its IoU is above FOUND. A planted error never is."""
        return (self.iou > FOUND) & ~self.planted

    def of(self, chosen: Order | Flags) -> "Proposals":
        return Proposals(
            self.iou[chosen], self.doubt[chosen], self.side[chosen], self.vectors[chosen], self.planted[chosen]
        )


@dataclass(frozen=True)
class Reader:
    """blur: standard deviation of the IoU that is seen; lapses: share of cells that are accepted without being seen
    for what they are; fixation: seconds for which each cell in view is looked at."""

    blur: float = 0.1
    lapses: float = 0.05
    fixation: float = FIXATION_S

    def __post_init__(self) -> None:
        if self.blur < 0 or not 0 <= self.lapses <= 1 or self.fixation < 0:
            raise ValueError(f"impossible reader: {self}")

    def calls_right(self, cells: Proposals, generator: np.random.Generator) -> Flags:
        """The verdict on each cell when it is looked at."""
        seen = cells.iou + generator.normal(0, 1, len(cells)) * self.blur
        lapsed = generator.random(len(cells)) < self.lapses
        return np.asarray((seen > FOUND) | lapsed)


@dataclass(frozen=True)
class Result:
    """Counts are of proposals, planted errors not among them.

    seconds  of the whole work
    right    of the accepted ones
    caught   of the planted errors that were judged
    passed   of a certificate: whether its claim was shown
    """

    seconds: float
    proposals: int
    accepted: int
    right: int
    planted: int
    caught: int
    passed: bool = True

    @property
    def seconds_per_accepted(self) -> float | None:
        return self.seconds / self.accepted if self.accepted else None

    @property
    def quality(self) -> float | None:
        """The share of accepted cells that are right."""
        return self.right / self.accepted if self.accepted else None

    @property
    def catch_rate(self) -> float | None:
        return self.caught / self.planted if self.planted else None


def one_by_one(cells: Proposals, reader: Reader, generator: np.random.Generator) -> Result:
    """Each proposal is opened, looked at and decided by a key (A or X)."""
    seconds = len(cells) * (PREPARE_S + KEY_S + reader.fixation)
    return _counted(cells, reader.calls_right(cells, generator), seconds)


def gallery(cells: Proposals, reader: Reader, generator: np.random.Generator, screen: int = 60) -> Result:
    """Screens in the order of doubt; the wrong ones are marked, and Enter decides the screen."""
    ordered = cells.of(np.argsort(-cells.doubt, kind="stable"))
    verdicts = reader.calls_right(ordered, generator)
    seconds = 0.0
    for start in range(0, len(ordered), screen):
        here = verdicts[start : start + screen]
        seconds += PREPARE_S + KEY_S + len(here) * reader.fixation + marking_seconds(~here)
    return _counted(ordered, verdicts, seconds)


def by_likeness(
    cells: Proposals, reader: Reader, generator: np.random.Generator, screen: int = 60, again: int = 10
) -> Result:
    """Screens in the order of what the verdicts so far suggest. S marks what is suggested, the reader corrects the
    marks, and Enter decides the screen.

    again  screens after which the gallery is opened again, and so ordered by all verdicts so far. The suggestions
           themselves follow each screen, as in the gallery.
    """
    vectors = whitened(cells.vectors.astype(np.float32))
    verdicts = reader.calls_right(cells, generator)
    labels = np.where(verdicts, CELL, NO_CELL)
    is_open = np.ones(len(cells), bool)
    order: Order = np.zeros(0, np.int64)
    seconds = 0.0
    count = 0
    while is_open.any():
        if count % again == 0:
            order = _suggested_order(vectors, labels, is_open)
        here, order = order[:screen], order[screen:]
        marked = _suggested_wrong(vectors, labels, is_open, here)
        keys = 2 if marked.any() else 1
        corrected = marking_seconds(marked != ~verdicts[here])
        seconds += PREPARE_S + keys * KEY_S + len(here) * reader.fixation + corrected
        is_open[here] = False
        count += 1
    return _counted(cells, verdicts, seconds)


def _suggested_order(vectors: Floats, labels: Order, is_open: Flags) -> Order:
    """As inference.worker.likeness orders a gallery: class by class, the most certain first."""
    waiting = np.flatnonzero(is_open)
    head = fit_head(vectors[~is_open], labels[~is_open])
    if head is None:
        return waiting[np.argsort(vectors[waiting, 0], kind="stable")]
    chances = head.chances(vectors[waiting])
    return waiting[np.lexsort((-chances.max(axis=1), chances.argmax(axis=1)))]


def _suggested_wrong(vectors: Floats, labels: Order, is_open: Flags, here: Order) -> Flags:
    """Which cells of a screen S marks as no cell."""
    head = fit_head(vectors[~is_open], labels[~is_open])
    if head is None:
        return np.zeros(len(here), bool)
    chances = head.chances(vectors[here])
    column = int(np.flatnonzero(head.labels == NO_CELL)[0])
    return np.asarray(chances[:, column] >= SURE)


def marking_seconds(changed: Flags) -> float:
    """Seconds for changing the marks of these cells of a screen: neighbours by one drag, a cell by itself by a click.

    changed  one entry a cell, in the order on the screen
    """
    edges = np.diff(np.concatenate([[0], changed.astype(np.int8), [0]]))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    alone = int((lengths == 1).sum())
    return alone * CLICK_S + (len(lengths) - alone) * DRAG_S


def on_certificate(cells: Proposals, reader: Reader, claim: Claim, generator: np.random.Generator) -> Result:
    """The sample of one class at the first attempt is judged one by one, until the claim is shown or the sample is
    used up. Then all proposals but those judged wrong are accepted; without the claim none is.

    cells  the lot, and the planted errors: all of these are mixed into the sample
    """
    lot, known = cells.of(~cells.planted), cells.of(cells.planted)
    shares = shares_of(claim.alpha, 1, 1)
    catch_limit = catch_rate_limit(len(known), len(known), shares.catching)
    stratum = strata_of(lot)
    sizes = np.bincount(stratum)
    plan = _planned(claim, shares.errors, catch_limit, tuple(sizes.tolist()))
    if not plan.sample:
        return Result(0.0, len(lot), 0, 0, 0, 0, passed=False)
    drawn = []
    for number, sample in enumerate(allot(sizes.tolist(), plan.sample)):
        drawn.append(generator.choice(np.flatnonzero(stratum == number), sample, replace=False))
    sample_cells = np.concatenate(drawn)
    order = generator.permutation(len(sample_cells) + len(known))
    right_in_lot = reader.calls_right(lot, generator)
    right_of_known = reader.calls_right(known, generator)
    passed = False
    judged: list[int] = []
    planted = caught = 0
    for count, place in enumerate(order.tolist(), start=1):
        if place < len(sample_cells):
            judged.append(int(sample_cells[place]))
        else:
            planted += 1
            caught += not right_of_known[place - len(sample_cells)]
        if count % STEP and count < len(order):
            continue
        counts = _strata(sizes, stratum[judged], ~right_in_lot[judged])
        result = group_result(counts, plan, catching_of(caught, planted, shares), claim, shares)
        passed = result.outcome == Outcome.PASSED
        if passed:
            break
    seconds = (len(judged) + planted) * (PREPARE_S + KEY_S + reader.fixation)
    accepted = np.full(len(lot), passed)
    accepted[judged] &= right_in_lot[judged]
    right = int((accepted & lot.is_right).sum())
    return Result(seconds, len(lot), int(accepted.sum()), right, planted, caught, passed)


@lru_cache(maxsize=32)
def _planned(claim: Claim, alpha: float, catch_limit: float, strata: tuple[int, ...]) -> GroupPlan:
    """Kept, because many readers judge samples of one plan."""
    return plan_group(sum(strata), claim, alpha, catch_limit, strata)


def strata_of(cells: Proposals) -> Order:
    """The stratum of each cell, as a lot is frozen: thirds of doubt and halves of size, in a small lot none."""
    if len(cells) < STRATIFIED_FROM:
        return np.zeros(len(cells), np.int64)
    doubt = np.digitize(cells.doubt, np.quantile(cells.doubt, [1 / 3, 2 / 3]))
    size = np.digitize(cells.side, np.quantile(cells.side, [0.5]))
    _kinds, numbers = np.unique(2 * doubt + size, return_inverse=True)
    return np.asarray(numbers, np.int64)


def _strata(sizes: Order, strata: Order, wrong: Flags) -> Sequence[Stratum]:
    """sizes: of each stratum; strata, wrong: of each judged cell."""
    judged = np.bincount(strata, minlength=len(sizes))
    not_right = np.bincount(strata, weights=wrong, minlength=len(sizes))
    counts = zip(sizes.tolist(), judged.tolist(), not_right.astype(int).tolist(), strict=True)
    return [Stratum(cells, seen, bad) for cells, seen, bad in counts]


def _counted(cells: Proposals, accepted: Flags, seconds: float) -> Result:
    known = cells.planted
    return Result(
        seconds=seconds,
        proposals=int((~known).sum()),
        accepted=int((accepted & ~known).sum()),
        right=int((accepted & cells.is_right).sum()),
        planted=int(known.sum()),
        caught=int((known & ~accepted).sum()),
    )
