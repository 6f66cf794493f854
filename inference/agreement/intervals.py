"""95 % intervals of figures of agreement: patients are drawn again, and from three readers on the readers too.

Cells of one patient are alike, so whole patients are drawn with replacement. Which readers take part is chance as
well: they are drawn in the same way, as a second factor crossed with the first (Owen 2007, "The pigeonhole
bootstrap"). A reader who is drawn twice is never compared with themselves. With two readers there is nothing to draw,
and the interval holds for these two. Below LEAST_PATIENTS no interval is given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from inference.agreement.coefficients import UNKNOWN, Figure
from inference.agreement.pairs import PairCounts

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LEAST_PATIENTS = 10
LEAST_READERS = 3  # from which readers are drawn again
RESAMPLES = 999
CONFIDENCE = 0.95
Statistic = Callable[[Floats, Floats], float | None]  # weights of patients and of readers -> value


@dataclass(frozen=True)
class Draws:
    """How often each patient and each reader was drawn: (RESAMPLES, patients) and (RESAMPLES, readers)."""

    patients: Floats
    readers: Floats


def draw(patients: int, readers: int, *, seed: int) -> Draws | None:
    """None for too few patients."""
    if patients < LEAST_PATIENTS:
        return None
    rng = np.random.default_rng(seed)
    chosen = np.ones((RESAMPLES, readers))
    if readers >= LEAST_READERS:
        chosen = np.array([_readers(rng, readers) for _ in range(RESAMPLES)])
    of_patients = rng.multinomial(patients, np.full(patients, 1 / patients), RESAMPLES)
    return Draws(of_patients.astype(np.float64), chosen)


def _readers(rng: np.random.Generator, readers: int) -> Floats:
    """At least two different ones: with one alone there is nobody to compare."""
    while True:
        drawn = rng.multinomial(readers, np.full(readers, 1 / readers)).astype(np.float64)
        if np.count_nonzero(drawn) > 1:
            return drawn


def with_interval(figure: Figure, statistic: Statistic, draws: Draws | None) -> Figure:
    """The figure with the interval that holds the middle of the resampled values."""
    if figure.value is None:
        return figure
    if draws is None:
        return replace(figure, no_interval="few_patients")
    weights = zip(draws.patients, draws.readers, strict=True)
    values = [statistic(patients, readers) for patients, readers in weights]
    known = [value for value in values if value is not None]
    if len(known) < 0.9 * len(values):
        return replace(figure, no_interval="seldom_defined")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return replace(figure, low=float(low), high=float(high))


def pooled_f1(
    counts: Sequence[tuple[int, int, int, PairCounts]], patients: int, readers: int, *, near: bool
) -> Statistic:
    """Detection F1 over all pairs of readers. counts: (patient, first reader, second reader, counts) of each image."""
    matched = np.zeros((patients, readers, readers))
    cells = np.zeros((patients, readers, readers))
    for patient, i, j, of_pair in counts:
        matched[patient, i, j] += 2 * (of_pair.near if near else of_pair.found)
        cells[patient, i, j] += of_pair.near_cells if near else of_pair.cells

    def value(patient_weights: Floats, reader_weights: Floats) -> float | None:
        weights = np.outer(reader_weights, reader_weights)
        total = (np.tensordot(patient_weights, cells, 1) * weights).sum()
        if not total:
            return None
        return float((np.tensordot(patient_weights, matched, 1) * weights).sum() / total)

    return value


def nominal_alpha(votes: Ints, patient: Ints) -> Statistic:
    """Krippendorff's alpha of nominal classes under weights.

    votes    (cells, readers) codes or UNKNOWN
    patient  (cells,)
    Equal rows of one patient are computed once. At weights of 1 this is the coefficient of the library.
    """
    rows, times = np.unique(np.column_stack([patient, votes]), axis=0, return_counts=True)
    of_patient, votes = rows[:, 0], rows[:, 1:]
    values = np.unique(votes[votes != UNKNOWN])
    judged = (votes[:, :, None] == values).astype(np.float64)  # (rows, readers, classes)

    def value(patient_weights: Floats, reader_weights: Floats) -> float | None:
        counts = np.einsum("r,urc->uc", reader_weights, judged)
        same = np.einsum("r,urc->uc", reader_weights**2, judged)  # a reader with themselves
        pairs = counts.sum(axis=1) ** 2 - same.sum(axis=1)
        share = np.divide(counts.sum(axis=1), pairs, out=np.zeros_like(pairs), where=pairs > 0)
        weight = patient_weights[of_patient] * times * share
        coincidence = np.einsum("u,uc,uk->ck", weight, counts, counts) - np.diag(weight @ same)
        return _alpha(coincidence)

    return value


def _alpha(coincidence: Floats) -> float | None:
    """From the matrix of coincidences. None where only one class is left."""
    margins = coincidence.sum(axis=1)
    n = float(margins.sum())
    expected = n**2 - float((margins**2).sum())
    if n <= 1 or expected <= 1e-12 * n**2:
        return None
    observed = n - float(np.trace(coincidence))
    return 1 - (n - 1) * observed / expected
