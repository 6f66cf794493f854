"""Every number of a study's report, from the raw tables and the protocol alone: for the page, the PDF and the bundle.

Tables (data frames; bundle.py's dictionary explains each column): items, sittings, batches, events, operations, cells,
reference_cells. What cannot be computed is not left out: its place says why.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from labeling.annotations.active_time import Rules
from labeling.studies.analysis import agreement, curves, mixed, outside
from labeling.studies.analysis.attribution import OTHER, PHASES, attribute, check, sensitivity, totals
from labeling.studies.analysis.estimands import compare, rates
from labeling.studies.analysis.gestures import gestures, keystroke_level
from labeling.studies.analysis.quality import measured_quality, non_inferior
from labeling.studies.analysis.summaries import summarise

Tables = dict[str, pd.DataFrame]


def compute(tables: Tables, protocol: dict[str, Any]) -> dict[str, Any]:
    """-> JSON-able. `protocol` as amended (services.effective)."""
    measurement, analysis = protocol["measurement"], protocol["analysis"]
    rules = Rules(measurement["idle_after_s"], measurement["blur_is_away"])
    fields = read_fields(tables, rules)
    counted = fields[fields["counts"]]
    kept, outliers = without_outliers(counted, analysis["outlier_iqr"])
    reference = analysis["reference"]
    others = [arm["name"] for arm in protocol["arms"] if arm["name"] != reference]
    events = _events_of(tables, counted)
    operations = tables["operations"][tables["operations"]["item"].isin(counted["item"])]
    design = {"kind": protocol["design"], "reference": reference}
    of_readers = rates(kept)

    def with_outliers(arm: str) -> Any:
        return compare(rates(counted), arm=arm, seed=analysis["seed"], **design)

    def of_fields(arm: str) -> Any:
        return mixed.fit(kept, reference=reference, arm=arm)

    def carried_over(arm: str) -> Any:
        return curves.carry_over(of_readers, reference=reference, arm=arm)

    by_arm = list(kept.groupby("arm", sort=True))
    return _plain(
        {
            "rules": asdict(rules),
            "flow": flow(tables["items"], fields),
            "arms": {arm: _arm(rows) for arm, rows in by_arm},
            "training_s": fields[fields["training"]].groupby("arm")["active_s"].sum().to_dict(),
            "contrasts": [_contrast(kept, arm, analysis, **design) for arm in others],
            "outliers": outliers[["item", "arm", "participant"]].to_dict("records"),
            "with_outliers": [_try(partial(with_outliers, arm)) for arm in others],
            "mixed": [_try(partial(of_fields, arm)) for arm in others],
            "trends": _try(partial(curves.trends, kept)),
            "carry_over": [_try(partial(carried_over, arm)) for arm in others],
            "sensitivity": sensitivity(events, operations, rules).reset_index().to_dict("records"),
            "readers": of_readers.to_dict("records"),
            "rereading": _try(partial(rereading, fields)),
            "between_readers": {arm: _try(partial(between_readers, rows)) for arm, rows in by_arm},
            "gestures": {arm: _gestures(tables, rows) for arm, rows in by_arm},
            "outside_arms": outside.describe(tables),
            "checks": [asdict(c) for c in check(tables["events"], tables["operations"], tables["batches"])],
            "fields": fields.drop(columns=["opened_at", "done_at"]).to_dict("records"),
        }
    )


def read_fields(tables: Tables, rules: Rules) -> pd.DataFrame:
    """One row for each item that was opened: its times in seconds by phase, its quality, whether it counts, why not."""
    intervals = attribute(tables["events"], tables["operations"], rules)
    sessions = tables["batches"][["session", "item"]].drop_duplicates("session")
    intervals = intervals.merge(sessions, on="session", how="left")
    times = totals(intervals, by=["item"]) if len(intervals) else pd.DataFrame()
    columns = [*PHASES, *OTHER, "active_s", "session_s"]
    items = tables["items"][tables["items"]["state"] != "planned"].copy()
    found = times.reindex(items["item"]).reset_index(drop=True)
    for name in columns:
        items[name] = found[name].to_numpy() if name in found else np.nan
    quality = {item: _quality(item, tables) for item in items["item"]}
    items["dice"] = [quality[i][0] for i in items["item"]]
    items["pq"] = [quality[i][1] for i in items["item"]]
    items["cells_done"] = [quality[i][2] for i in items["item"]]
    order = ["participant", "position"]
    items = items.sort_values(order).reset_index(drop=True)
    items["why_not"] = [_why_not(row) for row in items.itertuples()]
    items["counts"] = items["why_not"] == ""
    # The place within reader and arm, for learning curves: in the order of reading, counted fields only.
    items["allocated_position"] = items["position"]
    items["position"] = items.groupby(["participant", "arm", "counts"]).cumcount() + 1
    return items


def _why_not(row: Any) -> str:
    if row.withdrawn:
        return "participant withdrew"
    if row.training:
        return "training"
    if row.repeat:
        return "second reading"
    if row.excluded:
        return f"excluded: {row.excluded}"
    if row.state != "done":
        return "not finished"
    if not row.active_s > 0:
        return "no recorded time"
    return ""


def without_outliers(fields: pd.DataFrame, iqr: float | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The declared rule: log seconds per cell more than `iqr` interquartile ranges outside the quartiles of its arm."""
    if iqr is None or not len(fields):
        return fields, fields.iloc[:0]
    y = np.log(fields["active_s"] / fields["reference_cells"])
    low, high = (y.groupby(fields["arm"]).transform("quantile", q) for q in (0.25, 0.75))
    outside = (y < low - iqr * (high - low)) | (y > high + iqr * (high - low))
    return fields[~outside], fields[outside]


def flow(items: pd.DataFrame, fields: pd.DataFrame) -> dict[str, Any]:
    """What a CONSORT diagram shows, counted in items and in readers."""
    measured = items[~items["training"] & ~items["repeat"]]
    reasons = fields[~fields["counts"] & ~fields["training"] & ~fields["repeat"]]["why_not"].value_counts().to_dict()
    return {
        "readers": int(items["participant"].nunique()),
        "readers_withdrawn": int(items[items["withdrawn"]]["participant"].nunique()),
        "allocated": len(measured),
        "opened": int((measured["state"] != "planned").sum()),
        "completed": int((measured["state"] == "done").sum()),
        "analysed": int(fields["counts"].sum()),
        "excluded": reasons,
        "by_arm": {
            arm: {"allocated": len(rows), "analysed": int((fields["counts"] & (fields["arm"] == arm)).sum())}
            for arm, rows in measured.groupby("arm", sort=True)
        },
    }


def _arm(rows: pd.DataFrame) -> dict[str, Any]:
    per_cell = (rows["active_s"] / rows["reference_cells"]).tolist()
    cells = rows["reference_cells"].sum()
    return {
        "fields": len(rows),
        "reference_cells": int(cells),
        "seconds_per_cell": _try(lambda: summarise(per_cell)),
        "of_readers": _try(lambda: summarise(rates(rows)["rate"].tolist())),
        "phases_per_cell": {name: float(rows[name].sum() / cells) for name in PHASES},
        "beside_per_cell": {name: float(rows[name].sum() / cells) for name in OTHER},
        "dice": _mean(rows["dice"]),
        "pq": _mean(rows["pq"]),
    }


def _gestures(tables: Tables, rows: pd.DataFrame) -> dict[str, Any]:
    """Gestures per finished cell, what the keystroke-level model makes of them, and what was measured."""
    cells = int(rows["cells_done"].sum())
    measured = float(rows["active_s"].sum()) / cells if cells else None
    return asdict(keystroke_level(gestures(_events_of(tables, rows)), cells)) | {"measured_s_per_cell": measured}


def _contrast(kept: pd.DataFrame, arm: str, analysis: dict[str, Any], *, kind: str, reference: str) -> dict[str, Any]:
    """Quality first; the test of time is given only where quality is not worse than the declared margin."""
    quality = _try(
        lambda: non_inferior(
            kept,
            measure=analysis["quality_measure"],
            reference=reference,
            arm=arm,
            margin=analysis["quality_margin"],
            kind=kind,
        )
    )
    time = _try(
        lambda: compare(
            rates(kept),
            reference=reference,
            arm=arm,
            kind=kind,
            confidence=analysis["confidence"],
            seed=analysis["seed"],
        )
    )
    passed = isinstance(quality, dict) and quality.get("passed") is True
    if "p" in time and not passed:
        time |= {
            "p": None,
            "p_permutation": None,
            "not_tested": "quality did not pass the declared margin, so time is described and not tested",
        }
    return {"arm": arm, "quality": quality, "time": time}


def rereading(fields: pd.DataFrame) -> dict[str, Any]:
    """Second readings against first ones of the same reader, field and arm: log seconds per cell."""
    second = fields[fields["repeat"] & (fields["state"] == "done") & ~fields["withdrawn"]]
    pairs = second.merge(fields[fields["counts"]], on=["participant", "field", "arm"], suffixes=("_2", ""))
    first_s, second_s = pairs["active_s"] / pairs["reference_cells"], pairs["active_s_2"] / pairs["reference_cells_2"]
    return asdict(agreement.bland_altman(np.log(first_s).tolist(), np.log(second_s).tolist()))


def between_readers(rows: pd.DataFrame) -> dict[str, Any]:
    """ICC of seconds per cell over the fields that all readers of an arm have in common."""
    table = rows.assign(y=rows["active_s"] / rows["reference_cells"]).pivot_table(
        index="field", columns="participant", values="y"
    )
    table = table.dropna()
    return {"icc": agreement.icc(table), "fields": len(table), "readers": table.shape[1]}


def _quality(item: str, tables: Tables) -> tuple[float | None, float | None, int]:
    """Dice of the foreground and panoptic quality against the reference, and how many cells were left confirmed."""
    cells = tables["cells"][tables["cells"]["item"] == item]
    row = tables["items"].set_index("item").loc[item]
    size = int(row["width"]), int(row["height"])
    reference = tables["reference_cells"][tables["reference_cells"]["field"] == row["field"]]
    return *measured_quality(cells, reference, size, flipped=bool(row["repeat"])), len(cells)


def _events_of(tables: Tables, fields: pd.DataFrame) -> pd.DataFrame:
    batches, events = tables["batches"], tables["events"]
    return events[events["session"].isin(batches[batches["item"].isin(fields["item"])]["session"])]


def _mean(values: pd.Series) -> float | None:
    known = values.dropna().astype(float)
    return float(known.mean()) if len(known) else None


def _try(what: Callable[[], Any]) -> Any:
    """The figures, or why there are none: too few readers is an answer, not a crash."""
    try:
        found = what()
    except (ValueError, KeyError, np.linalg.LinAlgError) as error:
        return {"not_computed": str(error)}
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    if isinstance(found, list):
        return [asdict(one) for one in found]
    return found


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """JSON without NaN: numpy's scalars become Python's, what is not a number becomes null."""

    def scalar(x: Any) -> Any:
        if isinstance(x, dict):
            return {str(k): scalar(v) for k, v in x.items()}
        if isinstance(x, list | tuple):
            return [scalar(v) for v in x]
        if isinstance(x, np.bool_):
            return bool(x)
        if isinstance(x, np.integer):
            return int(x)
        if isinstance(x, float | np.floating):
            return float(x) if np.isfinite(x) else None
        return x

    plain: dict[str, Any] = json.loads(json.dumps(scalar(value)))
    return plain
