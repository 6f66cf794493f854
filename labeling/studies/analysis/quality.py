"""Quality beside time: time is tested only where quality is not worse than a margin declared before."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from inference.masks import labels_of, unpack
from inference.metrics import dice, panoptic_quality
from inference.types import BoxMask
from labeling.studies.analysis.estimands import WITHIN, balanced_mean, between, by_arm, within


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
    passed: bool


def non_inferior(
    fields: pd.DataFrame, *, measure: str, reference: str, arm: str, margin: float, kind: str, alpha: float = 0.025
) -> NonInferiority:
    """fields: participant, sequence, arm and the column `measure` (higher is better), against a reference that neither
    arm made. Raises ValueError for fewer than two readers or a margin that is not positive."""
    if not margin > 0:
        raise ValueError("the margin of non-inferiority must be positive")
    means = fields.dropna(subset=[measure]).groupby(["participant", "sequence", "arm"], as_index=False)[measure].mean()
    wide = by_arm(means, measure, (reference, arm))
    if kind in WITHIN:
        wide = wide[[reference, arm]].dropna()
        groups = wide.index.get_level_values("sequence").to_numpy()
        a, b = wide[reference].to_numpy(np.float64), wide[arm].to_numpy(np.float64)
        test = within(a, b, groups)
    else:
        a, b = (wide[name].dropna().to_numpy(np.float64) for name in (reference, arm))
        groups = np.zeros(len(a))
        test = between(a, b)
    if min(len(a), len(b)) < 2:
        raise ValueError("quality needs at least two readers in each arm")
    difference = balanced_mean(b, groups if kind in WITHIN else np.zeros(len(b))) - balanced_mean(a, groups)
    low = _lower(lambda shift: test(1.0, shift)[0], difference, 2 * alpha, float(np.ptp(np.concatenate([a, b]))) + 1e-9)
    two_sided = test(1.0, -margin)[0]
    p = two_sided / 2 if difference > -margin else 1 - two_sided / 2
    return NonInferiority(
        measure, float(a.mean()), float(b.mean()), difference, low, margin, float(p), bool(low > -margin)
    )


def _lower(p: Callable[[float], float], centre: float, alpha: float, step: float) -> float:
    """The lower end of the shifts that the two-sided test does not reject at alpha."""
    from scipy import optimize

    far = step
    while p(centre - far) > alpha and far < 1e6 * step:
        far *= 2
    if p(centre - far) > alpha:
        return float("-inf")
    return float(optimize.brentq(lambda s: p(s) - alpha, centre - far, centre, xtol=1e-12))


def measured_quality(
    cells: pd.DataFrame, reference: pd.DataFrame, size: tuple[int, int], *, flipped: bool = False
) -> tuple[float | None, float | None]:
    """Dice of the foreground and panoptic quality of a field against its reference; None where one of them is empty.

    cells, reference   x, y, width, height, bits (base64, "" for a cell that is only a box)
    size               width, height of the field, px
    flipped            the cells were drawn on the field's mirror image
    """
    masks = cells[cells["bits"] != ""]
    if not len(masks) or not len(reference):
        return None, None
    found, true = (labels_of(_masks(rows), *size) for rows in (masks, reference))
    if flipped:
        found = np.ascontiguousarray(found[:, ::-1])
    return float(dice(true > 0, found > 0)), float(panoptic_quality(true, found).pq)


def _masks(rows: pd.DataFrame) -> list[tuple[int, BoxMask]]:
    return [
        (k, BoxMask(int(r.x), int(r.y), unpack(base64.b64decode(r.bits), int(r.width), int(r.height))))
        for k, r in enumerate(rows.itertuples(), start=1)
    ]
