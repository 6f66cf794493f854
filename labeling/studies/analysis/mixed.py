"""Random readers and random fields: crossed mixed models of single fields, for time and for quality.

Beside the result and never in its place: the protocol's test is on readers and takes the fields that were read for
given. These models speak of other readers and of other fields. Degrees of freedom are Satterthwaite's (reml.py).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from labeling.studies.analysis import reml
from labeling.studies.analysis.results import NotEstimated

Fit = Literal["regular", "singular", "not converged"]
Measure = Literal["seconds", "dice", "f1"]
MEASURES: tuple[Measure, ...] = ("seconds", "dice", "f1")
RATIOS = ("seconds",)  # modelled as logarithms, so that an effect is a ratio


@dataclass(frozen=True)
class Mixed:
    """One arm against the reference on one measure.

    estimate   seconds: ratio of geometric means, arm to reference; else difference of means, arm minus reference
    low, high  its interval by t with `df`; p: two-sided, of "no difference"
    reader, slope, field, field_slope, residual
               variances (of log seconds per cell, else of the measure): between readers, of the readers' own arm
               effects, between fields, of the fields' own arm effects, and what is left; None where this design
               cannot tell it from something else, which then has it
    fit        regular: all components are above 0. singular: those in `at_zero` are estimated as 0, at the boundary of
               what a variance can be; the other figures are those of the model without them. not converged: do not read
               the figures
    """

    measure: Measure
    estimate: float
    low: float
    high: float
    df: float
    p: float
    reader: float | None
    slope: float | None
    field: float | None
    field_slope: float | None
    residual: float
    fit: Fit
    at_zero: tuple[str, ...]
    fields: int
    readers: int


def fit(
    fields: pd.DataFrame,
    *,
    reference: str,
    arm: str,
    measure: Measure = "seconds",
    confidence: float = 0.95,
) -> Mixed:
    """Arm, period and sequence fixed; reader, reader by arm, field and field by arm random.

    fields   participant, sequence, period, arm, field and what the measure is made of (`value_of`)

    Raises ValueError for fewer than two readers, where readers or periods cannot be told from the arm, and where these
    rows cannot tell the components apart.
    """
    rows = fields[fields["arm"].isin([reference, arm])].reset_index(drop=True)
    readers = int(rows["participant"].nunique())
    if readers < 2:
        raise ValueError("a mixed model needs at least two readers")
    y = value_of(rows, measure)
    if measure in RATIOS:
        y = np.log(y)
    side = np.where(rows["arm"] == arm, 0.5, -0.5)
    fixed = _fixed(rows, side)
    _check_arm(rows, side)
    found = reml.fit(y, fixed, _random(rows, side, fixed))
    estimate, ends = found.effect.estimate, found.effect.interval(confidence)
    shown = [float(np.exp(v)) if measure in RATIOS else float(v) for v in (estimate, *ends)]
    return Mixed(
        measure=measure,
        estimate=shown[0],
        low=shown[1],
        high=shown[2],
        df=found.effect.df,
        p=found.effect.p,
        reader=found.variances.get("reader"),
        slope=found.variances.get("slope"),
        field=found.variances.get("field"),
        field_slope=found.variances.get("field_slope"),
        residual=found.residual,
        fit="not converged" if not found.converged else "singular" if found.at_zero else "regular",
        at_zero=found.at_zero,
        fields=len(rows),
        readers=readers,
    )


def value_of(rows: pd.DataFrame, measure: Measure) -> reml.Floats:
    """(n,) one number a field.

    seconds  active_s / reference_cells
    dice     of the foreground
    f1       of detection at an intersection over union of 0.5: 2 found / (reference_cells + cells_done)
    Raises ValueError where a field has no value.
    """
    if measure == "seconds":
        return np.asarray(rows["active_s"] / rows["reference_cells"], np.float64)
    values = rows["dice"] if measure == "dice" else 2 * rows["found"] / (rows["reference_cells"] + rows["cells_done"])
    values = values.astype(float)
    if unknown := int(values.isna().sum()):
        raise ValueError(f"{unknown} of {len(rows)} fields have no {NAMES[measure]}")
    return np.asarray(values, np.float64)


NAMES = {"seconds": "seconds per cell", "dice": "Dice", "f1": "F1 of detection"}


def offered(measure: Measure, unit: str) -> NotEstimated | None:
    """Why a measure means nothing in studies of this unit (models.Unit); None where it does."""
    if measure == "f1" and unit == "cells":
        return NotEstimated("a single cell whose place is given is not detected, so there is no F1")
    return None


def _fixed(rows: pd.DataFrame, side: reml.Floats) -> reml.Floats:
    """(n, p) the arm first, then the constant, periods and sequences."""
    columns = [side, np.ones(len(rows))]
    for name in ("period", "sequence"):
        columns += [_design(rows[name])[:, 1:]] if name in rows else []
    return np.column_stack(columns)


def _check_arm(rows: pd.DataFrame, side: reml.Floats) -> None:
    """Raises ValueError where the arm cannot be told from something that is not random here."""
    if _most_arms(rows, "participant") == 1:
        if int(rows.groupby("arm")["participant"].nunique().min()) < 2:
            raise ValueError("each arm needs two readers, since with one nothing tells the reader from the arm")
        return
    others = _fixed(rows, side)[:, 1:]
    if _is_inside(side[:, None], others):
        raise ValueError(
            "arm and period are confounded: with the sequences that are left, a difference may be that of practice "
            "and of the period's set of fields"
        )


def _random(rows: pd.DataFrame, side: reml.Floats, fixed: reml.Floats) -> dict[str, reml.Floats]:
    """The random effects that these rows can tell apart."""
    readers, fields = _design(rows["participant"]), _design(rows["field"])
    found = {}
    if not _is_inside(readers, fixed):  # one reader a sequence: the sequences say how readers differ
        found["reader"] = readers
    if _most_arms(rows, "participant") > 1:
        found["slope"] = readers * side[:, None]
        if _is_inside(found["slope"], fixed):
            raise ValueError(
                "so few readers leave no degree of freedom: their own arm effects cannot be told from the periods"
            )
    if rows["field"].nunique() < len(rows):  # a field that everybody saw once cannot be told from noise
        found["field"] = fields
        is_read_in_both = _most_arms(rows, "field") > 1
        is_read_twice_in_one = int(rows.groupby(["field", "arm"]).size().max()) > 1
        if is_read_in_both and is_read_twice_in_one:
            found["field_slope"] = fields * side[:, None]
    return found


def _is_inside(design: reml.Floats, fixed: reml.Floats) -> bool:
    """Whether the fixed effects explain all that this random effect could."""
    both = np.column_stack([fixed, design])
    return bool(np.linalg.matrix_rank(both) == np.linalg.matrix_rank(fixed))


def _most_arms(rows: pd.DataFrame, by: str) -> int:
    """In how many arms one of these was, at most."""
    return int(rows.groupby(by)["arm"].nunique().max())


def _design(names: pd.Series) -> reml.Floats:
    """(n, levels) which level each row has."""
    return np.asarray(pd.get_dummies(names), np.float64)
