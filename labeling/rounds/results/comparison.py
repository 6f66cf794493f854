"""Rounds side by side on the same held-out images: means with intervals, and paired tests against the first of them.

Images of one patient are not independent, so intervals resample patients, and paired tests take one value a
patient. Where there are fewer than two patients both fall back to images, and the result says so: it is optimistic.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from inference.documents.methods import METHODS
from inference.documents.stage_reports import Evaluation, JudgedImage
from inference.metrics import paired
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.rounds.models import Round, Stage
from labeling.rounds.results.split_notes import split_notes
from labeling.rounds.weights.promotion import models_of
from labeling.rounds.weights.starting import learns_something, lineage, taught_by

MEASURES = {
    "dice": "Dice",
    "iou": "IoU",
    "aji": "AJI",
    "pq": "PQ",
    "bf1": "BF1",
    "mask_ap50": "Mask AP50",
    "box_ap50": "Box AP50",
}
RESAMPLES = 2000
FEW_PATIENTS = 6  # with fewer pairs Wilcoxon's p cannot fall below 0.05, and a bootstrap of so few is too narrow
Rows = dict[int, JudgedImage]  # of one round, by image
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """One round's mean of one measure over the common images, its 95 % interval, and the difference to the first
    round with its interval and p values (None for the first round itself, and where it cannot be computed).
    `values`: of each image."""

    round: Round
    mean: float
    low: float
    high: float
    against: dict[str, float | int] | None
    values: dict[int, float]

    @property
    def has_interval(self) -> bool:
        """One image alone has none."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Row:
    measure: str
    name: str
    figures: list[Figure]


@dataclass(frozen=True)
class Pair:
    """One image under the first and the last of the compared rounds."""

    image: int
    first: float
    last: float

    @property
    def difference(self) -> float:
        return self.last - self.first


@dataclass(frozen=True)
class Comparison:
    """images, patients: how many are common to all rounds. `sentences` say what cannot be measured, and why."""

    rounds: list[Round]
    rows: list[Row]
    images: int
    patients: int
    by_patient: bool
    pairs: list[Pair] = field(default_factory=list)
    pairs_of: str = ""
    sentences: list[str] = field(default_factory=list)


def per_image(round_: Round) -> dict[int, JudgedImage]:
    """Image -> the row that the evaluation kept of it; empty for a round that has none, or whose file is gone."""
    stage = round_.stages.filter(kind=Stage.Kind.EVALUATION, artifact__isnull=False).select_related("artifact").first()
    if stage is None or stage.artifact is None or not stage.artifact.file:
        return {}
    try:
        with stage.artifact.file.open("rb") as file:
            kept = Evaluation.read(file.read())
    except FileNotFoundError:  # a round's page shows what is left of it
        return {}
    return {row.image: row for row in kept.per_image}


def compare(rounds: Sequence[Round]) -> Comparison:
    """Rounds in the order given, the first is what the others are held against. Raises ValueError for fewer."""
    if len(rounds) < 2:
        raise ValueError("two rounds at least are compared")
    kept = [per_image(round_) for round_ in rounds]
    trained = set().union(*(learned_from(round_) for round_ in rounds))
    common = sorted(set.intersection(*(set(rows) for rows in kept)) - trained)
    rows, sentences = [], []
    patients = {str(kept[0][image].patient or image) for image in common}
    for measure, name in MEASURES.items():
        images = [i for i in common if all(of[i].measure(measure) is not None for of in kept)]
        if images:
            rows.append(Row(measure, name, figures(rounds, kept, images, measure)))
    if not common:
        sentences.append(_("These rounds were not evaluated on one common held-out image, so they cannot be compared."))
    elif not any(row.measure == "dice" for row in rows):
        sentences.append(_("Mask quality not measurable yet: there is no reference set drawn without proposals."))
    if common and len(patients) < 2:
        sentences.append(
            _(
                "All common images come from one patient, so intervals and p values count images as if they "
                "were independent: read them as optimistic."
            )
        )
    elif common and len(patients) < FEW_PATIENTS:
        sentences.append(
            _(
                "Only {n} patients judge here: intervals and p values that rest on so few are too narrow. "
                "Read the images one by one."
            ).format(n=len(patients))
        )
    for round_ in rounds:
        if (began := round_.parameters.evaluation) and began.elsewhere:
            sentences.append(
                _(
                    "Round {n} works with weights that were trained elsewhere: they may have seen the images that "
                    "judge. Read its figures as optimistic."
                ).format(n=round_.number)
            )
    for round_ in rounds:
        if notes := split_notes(round_):
            words = _("Splits changed after round {n} started: {notes}")
            sentences.append(words.format(n=round_.number, notes=" ".join(notes)))
    shown = next((m for m in ("pq", "box_ap50") if any(row.measure == m for row in rows)), "")
    pairs = pairs_of(kept[0], kept[-1], common, shown) if shown else []
    pairs.sort(key=lambda pair: pair.last)
    return Comparison(
        list(rounds), rows, len(common), len(patients), len(patients) > 1, pairs, MEASURES.get(shown, ""), sentences
    )


def pairs_of(first: Rows, last: Rows, images: Sequence[int], measure: str) -> list[Pair]:
    """The images of which both rounds have the measure."""
    found = []
    for image in images:
        a, b = first[image].measure(measure), last[image].measure(measure)
        if a is not None and b is not None:
            found.append(Pair(image, a, b))
    return found


def learned_from(round_: Round) -> set[int]:
    """The images whose annotation a round trained on, or the weights that it began with; they judge no round that they
    are compared in."""
    found: set[int] = set()
    versions = chain.from_iterable(map(lineage, models_of(round_)))
    snapshots = {version.snapshot for version in versions if version.snapshot is not None}
    if learns_something(round_):
        snapshots.add(round_.snapshot)
    return found.union(*map(taught_by, snapshots))


def figures(rounds: Sequence[Round], kept: Sequence[Rows], images: Sequence[int], measure: str) -> list[Figure]:
    names = [str(kept[0][image].patient or image) for image in images]
    values = [np.array([of[image].measure(measure) for image in images], np.float64) for of in kept]
    units = by_unit(names)
    found = []
    for round_, x in zip(rounds, values, strict=True):
        low, high = interval(x, units)
        first = x is values[0]
        against = None
        if not first and len(units) > 1:
            against = paired(
                [float(values[0][unit].mean()) for unit in units], [float(x[unit].mean()) for unit in units],
                resamples=RESAMPLES,
            )  # fmt: skip
        of_image = dict(zip(images, x.tolist(), strict=True))
        found.append(Figure(round_, float(x.mean()), low, high, against, of_image))
    return found


def by_unit(names: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """Indices of the images of each patient; each image by itself where there is one patient only."""
    patients, at = np.unique(np.array(names), return_inverse=True)
    if len(patients) < 2:
        return [np.array([i]) for i in range(len(names))]
    return np.split(np.argsort(at, kind="stable"), np.cumsum(np.bincount(at))[:-1])


def interval(values: Floats, units: Sequence[npt.NDArray[np.int64]], *, seed: int = 0) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of the mean, whole units (patients) resampled. One unit alone has no interval:
    NaN, NaN."""
    if len(units) < 2:
        return float("nan"), float("nan")
    sums = np.array([values[unit].sum() for unit in units])
    sizes = np.array([len(unit) for unit in units])
    drawn = np.random.default_rng(seed).integers(0, len(units), (RESAMPLES, len(units)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def two_rounds(project: Project, asked: list[str], *, by: Literal["number", "pk"]) -> list[Round] | None:
    """The two finished rounds that were asked for, the first and the last named; None for anything else. Pages name
    rounds by number, the API by id."""
    wanted = [number for number in map(whole_number, asked) if number is not None]
    if len(wanted) < 2 or wanted[0] == wanted[-1]:
        return None
    finished = project.rounds.filter(state=Round.State.PUBLISHED, **{f"{by}__in": (wanted[0], wanted[-1])})
    by_key = {getattr(round_, by): round_ for round_ in finished.select_related("snapshot")}
    return [by_key[wanted[0]], by_key[wanted[-1]]] if len(by_key) == 2 else None


def newest_of_methods(rounds: Sequence[Round]) -> list[Round]:
    """The newest of these rounds of each method, in the order in which methods are offered.

    rounds  finished ones, the newest first
    """
    newest: dict[str, Round] = {}
    for round_ in rounds:
        newest.setdefault(round_.parameters.method, round_)
    return [newest[name] for name in METHODS if name in newest]
