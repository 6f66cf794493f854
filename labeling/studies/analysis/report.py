"""Every number of a study's report, from the raw tables and the protocol alone: for the page, the PDF and the bundle.

Tables (data frames; bundle.py's dictionary explains each column): items, sittings, batches, events, operations, cells,
reference_cells. What cannot be computed is not left out: its place says why.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from labeling.annotations.active_time import Rules
from labeling.studies.analysis import agreement, curves, missing, mixed, outside
from labeling.studies.analysis.attribution import OTHER, PHASES, check
from labeling.studies.analysis.contrasts import Comparison, comparisons
from labeling.studies.analysis.estimands import arm_mean, rates, ratio_of
from labeling.studies.analysis.fields import (
    DETECTION,
    Tables,
    flow,
    joined,
    measured_items,
    read_fields,
    without_outliers,
)
from labeling.studies.analysis.fully_crossed import FullyCrossed, fully_crossed
from labeling.studies.analysis.gestures import gestures, keystroke_level
from labeling.studies.analysis.joint import Joint, joint
from labeling.studies.analysis.plan import Plan, plan_of
from labeling.studies.analysis.quality import means_of_readers
from labeling.studies.analysis.results import Interval, NotEstimated, as_json, attempt
from labeling.studies.analysis.specifications import CUT_OFFS_S, Clock, specifications
from labeling.studies.analysis.summaries import Summary, summarise
from labeling.studies.analysis.table_one import flow_by_reader, table_one
from labeling.studies.protocol.declared import DEFINITION
from labeling.studies.protocol.documents import Flow, GestureNumbers, Numbers, Protocol

INCOMPLETE = "reader without a counted field in every arm"


def compute(tables: Tables, protocol: Protocol) -> Numbers:
    """-> JSON-able. `protocol` as amended (services.effective)."""
    tables = joined(tables)
    plan = plan_of(protocol)
    rules = Rules(plan.idle_after_s, plan.blur_is_away)
    fields = read_fields(tables, rules, plan.unit)
    counted = fields[fields["counts"]]
    kept, outliers = without_outliers(counted, plan.outlier_iqr)
    analysed = _complete(kept, plan)
    fields = _marked(fields, outliers, analysed)
    arms = [arm for arm in (plan.reference, *plan.others) if (analysed["arm"] == arm).any()]
    by_arm = {arm: analysed[analysed["arm"] == arm] for arm in arms}
    clock = Clock(tables, counted["item"], blur_is_away=plan.blur_is_away)

    def of_arms(what: Callable[[str], Any]) -> list[Any]:
        """One entry for each arm that is compared with the reference, or why there is none."""
        return [attempt(partial(what, arm)) for arm in plan.others]

    numbers: Numbers = as_json(
        {
            "definition": DEFINITION,
            "rules": asdict(rules),
            "plan": plan,
            "flow": _flow(tables, fields),
            "table_one": table_one(tables),
            "arms": {arm: _arm(rows) for arm, rows in by_arm.items()},
            "training_s": fields[fields["training"]].groupby("arm")["active_s"].sum().to_dict(),
            "contrasts": comparisons(analysed, plan),
            "missing": of_arms(lambda arm: _missing(tables, counted, kept, arm, plan)),
            "outliers": outliers[["item", "arm", "participant"]].to_dict("records"),
            "with_outliers": _with_outliers(counted, outliers, plan),
            "mixed": [_mixed(analysed, arm, plan) for arm in plan.others],
            "fully_crossed": [_fully_crossed(analysed, arm, plan) for arm in plan.others],
            "joint": of_arms(lambda arm: _joint(analysed, arm, plan)),
            "trends": attempt(lambda: curves.trends(analysed)),
            "carry_over": of_arms(lambda arm: _carry_over(analysed, arm, plan)),
            "sensitivity": cut_offs(clock, analysed, plan),
            "specifications": specifications(clock, counted, plan),
            "readers": rates(analysed).to_dict("records"),
            "rereading": attempt(lambda: rereading(fields)),
            "between_readers": {arm: agreement.between_readers(rows) for arm, rows in by_arm.items()},
            "gestures": {arm: _gestures(tables, rows) for arm, rows in by_arm.items()},
            "outside_arms": outside.describe(tables),
            "checks": check(tables["events"], tables["operations"], tables["batches"]),
            "fields": fields.drop(columns=["opened_at", "done_at"]).to_dict("records"),
        }
    )
    return numbers


def _complete(fields: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The fields of the readers who have one in every arm that they were allocated to."""
    complete = missing.complete_readers(fields, [plan.reference, *plan.others], plan.kind)
    return fields[fields["participant"].isin(complete)]


def _marked(fields: pd.DataFrame, outliers: pd.DataFrame, analysed: pd.DataFrame) -> pd.DataFrame:
    """With the reason for every field that is not analysed."""
    fields = fields.copy()
    fields.loc[outliers.index, "why_not"] = "outlier by the declared rule"
    left = fields.index[(fields["why_not"] == "") & ~fields.index.isin(analysed.index)]
    fields.loc[left, "why_not"] = INCOMPLETE
    fields["counts"] = fields["why_not"] == ""
    return fields


def _missing(
    tables: Tables, counted: pd.DataFrame, kept: pd.DataFrame, arm: str, plan: Plan
) -> missing.Missing | NotEstimated:
    items = measured_items(tables["items"])
    return missing.sensitivity(
        items[~items["item"].isin(counted["item"])],
        kept,
        reference=plan.reference,
        arm=arm,
        kind=plan.kind,
        confidence=plan.confidence,
    )


def _with_outliers(counted: pd.DataFrame, outliers: pd.DataFrame, plan: Plan) -> list[Comparison] | NotEstimated:
    """The comparisons without the outlier rule, gated by quality and adjusted like the primary ones."""
    if plan.outlier_iqr is None:
        return NotEstimated("the protocol declares no outlier rule")
    if not len(outliers):
        return NotEstimated("the declared rule left nothing out")
    return comparisons(_complete(counted, plan), plan)


def _carry_over(analysed: pd.DataFrame, arm: str, plan: Plan) -> curves.CarryOver | NotEstimated:
    if plan.kind != "crossover":
        return NotEstimated("carry-over is tested in a crossover of two arms")
    return curves.carry_over(rates(analysed), reference=plan.reference, arm=arm)


def _mixed(rows: pd.DataFrame, arm: str, plan: Plan) -> dict[mixed.Measure, mixed.Mixed | NotEstimated]:
    """Random readers and random fields, on time and on quality."""

    def fitted(measure: mixed.Measure) -> mixed.Mixed | NotEstimated:
        return mixed.offered(measure, plan.unit) or mixed.fit(
            rows, reference=plan.reference, arm=arm, measure=measure, confidence=plan.confidence
        )

    return {measure: attempt(partial(fitted, measure)) for measure in mixed.MEASURES}


def _fully_crossed(rows: pd.DataFrame, arm: str, plan: Plan) -> dict[mixed.Measure, FullyCrossed | NotEstimated]:
    """The same on data in which everybody read everything; of time, the logarithm."""

    def tested(measure: mixed.Measure) -> FullyCrossed | NotEstimated:
        if reason := mixed.offered(measure, plan.unit):
            return reason
        values = mixed.value_of(rows, measure)
        values = np.log(values) if measure in mixed.RATIOS else values
        return fully_crossed(rows, values, reference=plan.reference, arm=arm, confidence=plan.confidence)

    return {measure: attempt(partial(tested, measure)) for measure in mixed.MEASURES}


def _joint(rows: pd.DataFrame, arm: str, plan: Plan) -> Joint | NotEstimated:
    return joint(
        rows,
        reference=plan.reference,
        arm=arm,
        kind=plan.kind,
        measure=plan.quality_measure,
        confidence=plan.confidence,
    )


@dataclass(frozen=True)
class CutOffContrast:
    """An arm against the reference under one idle cut-off: described, never tested."""

    arm: str
    ratio: float
    interval: Interval | NotEstimated


@dataclass(frozen=True)
class CutOffFound:
    """documents.CutOff, before it is JSON."""

    idle_after_s: float
    active_s: float
    idle_s: float
    contrasts: list[CutOffContrast | NotEstimated]


def cut_offs(clock: Clock, analysed: pd.DataFrame, plan: Plan) -> list[CutOffFound]:
    """The primary comparison under every idle cut-off: active and idle seconds of the fields analysed, both arms
    together, and each arm's ratio with its interval."""
    rows = []
    for cut_off in sorted({*CUT_OFFS_S, plan.idle_after_s}):
        times = clock.times(cut_off).reindex(analysed["item"])
        under = analysed.assign(active_s=times["active_s"].to_numpy())
        found = [attempt(partial(_under_cut_off, under, arm, plan)) for arm in plan.others]
        rows.append(CutOffFound(cut_off, float(times["active_s"].sum()), float(times["idle"].sum()), found))
    return rows


def _under_cut_off(fields: pd.DataFrame, arm: str, plan: Plan) -> CutOffContrast:
    found = ratio_of(rates(fields), reference=plan.reference, arm=arm, kind=plan.kind, confidence=plan.confidence)
    return CutOffContrast(arm, found.ratio, found.interval)


def _arm(rows: pd.DataFrame) -> dict[str, object]:
    """One arm, every mean as estimands.py defines it: of readers, balanced over sequences."""
    of_readers = rates(rows)
    sequence = of_readers["sequence"].to_numpy()

    def per_cell(name: str) -> float:
        return arm_mean(rates(rows, name), "rate")

    cells = {name: int(rows[name].fillna(0).sum()) for name in DETECTION}
    return {
        "fields": len(rows),
        "reference_cells": int(rows["reference_cells"].sum()),
        "seconds_per_cell": attempt(lambda: summarise((rows["active_s"] / rows["reference_cells"]).tolist())),
        "mean": arm_mean(of_readers, "rate"),
        "of_readers": attempt(lambda: summarise(of_readers["rate"].tolist(), sequences=sequence)),
        "phases_per_cell": {name: per_cell(name) for name in PHASES},
        "beside_per_cell": {name: per_cell(name) for name in OTHER},
        "phases": {name: attempt(partial(_phase, rows, name)) for name in (*PHASES, *OTHER)},
        "machine_s_per_cell": _machine(rows),
        "dice": _quality_mean(rows, "dice"),
        "pq": _quality_mean(rows, "pq"),
        "detection": cells,
        "empty_fields": int((rows["cells_done"] == 0).sum()),
    }


def _phase(rows: pd.DataFrame, name: str) -> Summary:
    """Seconds per reference cell in one phase, over readers."""
    of_readers = rates(rows, name)
    return summarise(of_readers["rate"].tolist(), sequences=of_readers["sequence"].to_numpy())


def _machine(rows: pd.DataFrame) -> float | None:
    """Seconds per reference cell that the machine took for masks from readers' boxes; None where it made none."""
    if rows["machine_s"].isna().all():
        return None
    return float(rows["machine_s"].sum() / rows["reference_cells"].sum())


def _flow(tables: Tables, fields: pd.DataFrame) -> Flow:
    found = flow(tables["items"], fields)
    for arm, by_reader in flow_by_reader(tables["items"], fields).items():
        found["by_arm"][arm]["by_reader"] = by_reader
    return found


def _quality_mean(rows: pd.DataFrame, measure: str) -> float | NotEstimated:
    known = rows[rows[measure].notna()]
    if len(known) < len(rows):
        return NotEstimated(f"{len(rows) - len(known)} of {len(rows)} fields have no {measure}")
    return arm_mean(means_of_readers(known, measure), measure)


def _gestures(tables: Tables, rows: pd.DataFrame) -> GestureNumbers:
    """Gestures per finished cell, what the keystroke-level model makes of them, and what was measured."""
    cells = int(rows["cells_done"].sum())
    measured = float(rows["active_s"].sum()) / cells if cells else None
    model = keystroke_level(gestures(_events_of(tables, rows)), cells)
    return {
        "gestures": model.gestures,
        "cells": model.cells,
        "gestures_per_cell": model.gestures_per_cell,
        "model_s_per_cell": model.model_s_per_cell,
        "measured_s_per_cell": measured,
    }


def rereading(fields: pd.DataFrame) -> agreement.BlandAltman:
    """Second readings against first ones of the same reader, field and arm: log seconds per cell."""
    second = fields[fields["repeat"] & (fields["state"] == "done") & ~fields["withdrawn"] & (fields["active_s"] > 0)]
    pairs = second.merge(fields[fields["counts"]], on=["participant", "field", "arm"], suffixes=("_2", ""))
    first_s, second_s = pairs["active_s"] / pairs["reference_cells"], pairs["active_s_2"] / pairs["reference_cells_2"]
    return agreement.bland_altman(np.log(first_s).tolist(), np.log(second_s).tolist())


def _events_of(tables: Tables, fields: pd.DataFrame) -> pd.DataFrame:
    batches, events = tables["batches"], tables["events"]
    return events[events["session"].isin(batches[batches["item"].isin(fields["item"])]["session"])]
