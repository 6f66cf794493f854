"""Quality beside time: time is tested only where quality is not worse than a margin declared before.

A field that was finished without any mask, although its reference has cells, has Dice 0 and panoptic quality 0: whoever
draws nothing is fast, and must not be left out of the quality. Beside the Dice of the foreground stands what became of
each cell.
"""

import base64
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from inference.masks import labels_of, unpack
from inference.metrics import Contingency, contingency, dice, panoptic
from inference.types import BoxMask
from labeling.studies.analysis.estimands import NO_SPREAD
from labeling.studies.analysis.moments import Moments
from labeling.studies.analysis.pairs import pair_of
from labeling.studies.analysis.results import NotEstimated

MATCH = 0.5  # intersection over union above which a drawn cell is the reference's


@dataclass(frozen=True)
class NonInferiority:
    """Mean quality of the readers in both arms; `low` is the one-sided bound of arm minus reference.

    passed: low lies above -margin. `p` is one-sided, of the hypothesis that the arm is worse by the margin or more.
    """

    measure: str
    reference_mean: float
    arm_mean: float
    difference: float
    low: float
    margin: float
    p: float
    df: int
    passed: bool


def non_inferior(
    fields: pd.DataFrame, *, measure: str, reference: str, arm: str, margin: float, kind: str, alpha: float = 0.025
) -> NonInferiority | NotEstimated:
    """fields: participant, sequence, arm (and period where the design has them) and the column `measure` (higher is
    better), against a reference that neither arm made. A field without a value makes the answer unknown: leaving it out
    would take what nobody measured for good.

    The readers' means are compared as the times are (pairs.Pair). Raises ValueError for a margin that is not
    positive, or when no field counts.
    """
    if unknown := int(fields[measure].isna().sum()):
        return NotEstimated(f"{unknown} of {len(fields)} fields have no {measure}")
    pair = pair_of(means_of_readers(fields, measure), measure, reference=reference, arm=arm, kind=kind)
    moments = pair.moments()
    if isinstance(moments, NotEstimated):
        return moments
    return judged(moments, measure=measure, margin=margin, alpha=alpha)


def judged(moments: Moments, *, measure: str, margin: float, alpha: float = 0.025) -> NonInferiority | NotEstimated:
    """Whether the arm is not worse by the margin. Raises ValueError for a margin that is not positive."""
    if not margin > 0:
        raise ValueError(f"the margin of non-inferiority must be positive, not {margin:g}")
    error = float(np.sqrt(moments.variance()))
    if not error > 0:
        return NotEstimated(NO_SPREAD)
    difference = float(moments.b - moments.a)
    low = difference - float(stats.t.ppf(1 - alpha, moments.df)) * error
    p = float(stats.t.sf((difference + margin) / error, moments.df))
    means = float(moments.a), float(moments.b)
    return NonInferiority(measure, *means, difference, low, margin, p, moments.df, low > -margin)


def means_of_readers(fields: pd.DataFrame, measure: str) -> pd.DataFrame:
    """participant, sequence, arm, `measure`: the mean over the fields of each reader in each arm."""
    kept = {"period": ("period", "first")} if "period" in fields else {}
    by = ["participant", "sequence", "arm"]
    return fields.astype({measure: float}).groupby(by, as_index=False).agg(**{measure: (measure, "mean")}, **kept)


@dataclass(frozen=True)
class Detection:
    """What became of the cells of a field at intersection over union 0.5; adds up over fields.

    Each cell of the reference is exactly one of
    found     a drawn cell has an intersection over union above 0.5 with it
    merged    not found; over half of it lies in a drawn cell that holds over half of another one too
    split     not found nor merged; two or more drawn cells lie with over half of their area in it
    missed    none of these
    and of the drawn cells
    false     belong to no cell of the reference in any of these ways
    pieces    lie with over half of their area in a cell that is found by another one, or split
    """

    found: int = 0
    merged: int = 0
    split: int = 0
    missed: int = 0
    false: int = 0
    pieces: int = 0

    def __add__(self, other: "Detection") -> "Detection":
        return Detection(
            self.found + other.found,
            self.merged + other.merged,
            self.split + other.split,
            self.missed + other.missed,
            self.false + other.false,
            self.pieces + other.pieces,
        )


def detection(table: Contingency) -> Detection:
    """From the pixels that cells of the reference (i) and drawn cells (j) share."""
    reference, drawn = len(table.reference_ids), len(table.predicted_ids)
    matched = table.iou > MATCH
    found = np.zeros(reference, bool)
    found[table.i[matched]] = True
    matching = np.zeros(drawn, bool)
    matching[table.j[matched]] = True

    reached = table.shared > table.reference_area[table.i] / 2  # the drawn cell holds over half of the reference's
    reaches = np.bincount(table.j[reached], minlength=drawn)
    merges = reached & (reaches[table.j] > 1)
    merged = np.zeros(reference, bool)
    merged[table.i[merges]] = True
    merged &= ~found
    merging = (reaches > 1) & ~matching

    lies_in = table.shared > table.predicted_area[table.j] / 2
    inside = lies_in & ~matching[table.j] & ~merging[table.j]
    pieces_of = np.bincount(table.i[inside], minlength=reference)
    split = ~found & ~merged & (pieces_of > 1)
    piece = np.zeros(drawn, bool)
    piece[table.j[inside & (found | split)[table.i]]] = True
    false = ~matching & ~merging & ~piece
    return Detection(
        int(found.sum()),
        int(merged.sum()),
        int(split.sum()),
        int((~found & ~merged & ~split).sum()),
        int(false.sum()),
        int(piece.sum()),
    )


@dataclass(frozen=True)
class FieldQuality:
    """One finished field against its reference."""

    dice: float
    pq: float
    detection: Detection


def measured_quality(
    cells: pd.DataFrame, reference: pd.DataFrame, size: tuple[int, int], *, flipped: bool = False
) -> FieldQuality:
    """Of a finished field. One without any mask has Dice 0: all cells of the reference are missed.

    cells, reference   x, y, width, height, bits (base64, "" for a cell that is only a box)
    size               width, height of the field, px
    flipped            the cells were drawn on the field's mirror image
    Raises ValueError for a reference without cells: such a field has nothing to be measured against.
    """
    if not len(reference):
        raise ValueError("the field's reference has no cells")
    masks = cells[cells["bits"] != ""]
    true, found = labels_of(_masks(reference), *size), labels_of(_masks(masks), *size)
    if flipped:
        found = np.ascontiguousarray(found[:, ::-1])
    table = contingency(true, found)
    return FieldQuality(float(dice(true > 0, found > 0)), float(panoptic(table).pq), detection(table))


def reached(
    cells: pd.DataFrame, reference: pd.DataFrame, size: tuple[int, int], *, flipped: bool = False
) -> pd.DataFrame:
    """The rows of the reference whose cell shares a pixel with a drawn one: as far as a reader has come in a time box.

    Arguments as for `measured_quality`.
    """
    masks = cells[cells["bits"] != ""]
    true, found = labels_of(_masks(reference), *size), labels_of(_masks(masks), *size)
    if flipped:
        found = np.ascontiguousarray(found[:, ::-1])
    touched = np.unique(true[found > 0])
    places = [int(k) - 1 for k in touched if k]
    return reference.iloc[places]


def _masks(rows: pd.DataFrame) -> list[tuple[int, BoxMask]]:
    return [
        (k, BoxMask(int(r.x), int(r.y), unpack(base64.b64decode(r.bits), int(r.width), int(r.height))))
        for k, r in enumerate(rows.itertuples(), start=1)
    ]
