"""One row a field: its times by phase, its quality against the reference, whether it counts, and why not."""

from typing import Any

import numpy as np
import pandas as pd

from labeling.annotations.active_time import Rules
from labeling.studies.analysis.attribution import OTHER, PHASES, attribute, totals
from labeling.studies.analysis.quality import Detection, FieldQuality, measured_quality, reached
from labeling.studies.protocol.documents import ArmFlow, Flow

Tables = dict[str, pd.DataFrame]
UNOPENED = ("planned", "skipped")  # states of an item of which nothing was recorded
FIRST_SITTING = "first sitting, counted with the second"
DETECTION = tuple(Detection.__dataclass_fields__)


def read_fields(tables: Tables, rules: Rules, unit: str = "fields") -> pd.DataFrame:
    """One row for each item that was opened: its times in seconds by phase, its quality, whether it counts, why not.

    tables   after `joined`
    unit     models.Unit; of time boxes the reference is what the reader came to, and reference_cells how many these are

    Quality (dice, pq, and DETECTION) is of finished fields alone: an unfinished one is no statement about quality.
    """
    items = tables["items"]
    items = items[~items["state"].isin(UNOPENED)].copy()
    if "part" not in items:  # a bundle of before: every item is read in one sitting
        items["part"], items["machine_s"] = "", np.nan
    items["machine_s"] = items["machine_s"].astype(float)
    times = item_times(tables, rules).reindex(items["item"]).reset_index(drop=True)
    for name in times.columns:
        items[name] = times[name].to_numpy()
    if unit == "time":
        tables = _as_far_as_reached(items, tables)
        items["reference_cells"] = [_reached_cells(row, tables) for row in items.itertuples()]
    found = [_quality(row, tables) for row in items.itertuples()]
    for name in ("dice", "pq"):
        items[name] = [getattr(quality, name) if quality else np.nan for quality in found]
    detections = [quality.detection if quality else None for quality in found]
    for name in DETECTION:
        items[name] = [getattr(detection, name) if detection else np.nan for detection in detections]
    done = tables["cells"].groupby("item").size()
    items["cells_done"] = done.reindex(items["item"]).fillna(0).astype(int).to_numpy()
    items = items.sort_values(["participant", "position"]).reset_index(drop=True)
    items["why_not"] = [_why_not(row) for row in items.itertuples()]
    items["counts"] = items["why_not"] == ""
    # The place within reader and arm, for learning curves: in the order of reading, counted fields only.
    items["allocated_position"] = items["position"]
    items["position"] = items.groupby(["participant", "arm", "counts"]).cumcount() + 1
    return items


def joined(tables: Tables) -> Tables:
    """Two sittings of one reader at one field are one reading: what was recorded in the first belongs to the item of
    the second, whose masks are the result. As long as the second is not opened, or where it is practice that was left
    out, the first keeps its record. Tables of before, without `part`, come back as they are."""
    items = tables["items"]
    if "part" not in items or not (items["part"] == "boxes").any():
        return tables
    key = ["participant", "arm", "field"]
    opened = items[~items["state"].isin(UNOPENED)]
    first, second = opened[opened["part"] == "boxes"], opened[opened["part"] == "verify"]
    pairs = first[[*key, "item"]].merge(second[[*key, "item"]], on=key, suffixes=("", "_second"))
    second_of = dict(zip(pairs["item"], pairs["item_second"], strict=True))
    found = dict(tables)
    for name in ("batches", "operations"):
        table = tables[name]
        found[name] = table.assign(item=table["item"].replace(second_of))
    left_out = first[(first["excluded"] != "") & first["item"].isin(second_of)]
    because = {second_of[row.item]: row.excluded for row in left_out.itertuples()}
    excluded = [because.get(item, why) for item, why in zip(items["item"], items["excluded"], strict=True)]
    found["items"] = items.assign(excluded=excluded)
    return found


def item_times(tables: Tables, rules: Rules) -> pd.DataFrame:
    """Seconds of every phase, active_s and session_s; index: item."""
    intervals = attribute(tables["events"], tables["operations"], rules)
    columns = [*PHASES, *OTHER, "active_s", "session_s"]
    if not len(intervals):
        return pd.DataFrame(columns=columns, dtype=float)
    sessions = tables["batches"][["session", "item"]].drop_duplicates("session")
    with_items = intervals.merge(sessions, on="session", how="left")
    found = totals(with_items, by=["item"])
    return found.reindex(columns=columns)


def _why_not(row: Any) -> str:
    if row.withdrawn:
        return "participant withdrew"
    if row.training:
        return "training"
    if row.repeat:
        return "second reading"
    if row.part == "boxes":
        return FIRST_SITTING
    if row.excluded:
        return f"excluded: {row.excluded}"
    if row.state != "done":
        return "not finished"
    if not row.active_s > 0:
        return "no recorded time"
    return ""


def _as_far_as_reached(items: pd.DataFrame, tables: Tables) -> Tables:
    """With a reference of its own for each finished item: the cells that the reader came to; of none the first one, so
    that a reader who reached nothing has spent the time on one cell, which is missed."""
    nobody = tables["reference_cells"].iloc[:0]
    parts = [nobody.assign(item="")]
    finished = items[items["state"] == "done"]
    for row in finished.itertuples():
        own = _reached_of(row, tables)
        parts.append(own.assign(item=row.item))
    found = dict(tables)
    found["reached"] = pd.concat(parts, ignore_index=True)
    return found


def _reached_of(row: Any, tables: Tables) -> pd.DataFrame:
    reference = _rows_of(tables["reference_cells"], "field", row.field)
    cells = _rows_of(tables["cells"], "item", row.item)
    size = (int(row.width), int(row.height))
    is_flipped = bool(row.repeat)
    own = reached(cells, reference, size, flipped=is_flipped)
    return own if len(own) else reference.iloc[:1]


def _rows_of(table: pd.DataFrame, column: str, value: Any) -> pd.DataFrame:
    return table[table[column] == value]


def _reached_cells(row: Any, tables: Tables) -> int:
    """How many cells the reader of a finished item came to; of another one how many its reference has."""
    if row.state != "done":
        return int(row.reference_cells)
    own = _rows_of(tables["reached"], "item", row.item)
    return len(own)


def _reference_of(row: Any, tables: Tables) -> pd.DataFrame:
    """The cells that an item is measured against."""
    if "reached" in tables:
        return _rows_of(tables["reached"], "item", row.item)
    return _rows_of(tables["reference_cells"], "field", row.field)


def _quality(row: Any, tables: Tables) -> FieldQuality | None:
    """Of a finished field whose reference has cells; a second reading was drawn on the mirror image."""
    reference = _reference_of(row, tables)
    if row.state != "done" or row.withdrawn or not len(reference):
        return None
    cells = _rows_of(tables["cells"], "item", row.item)
    size = (int(row.width), int(row.height))
    return measured_quality(cells, reference, size, flipped=bool(row.repeat))


def without_outliers(fields: pd.DataFrame, iqr: float | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The declared rule: log seconds per cell more than `iqr` interquartile ranges outside the quartiles of its arm."""
    if iqr is None or not len(fields):
        return fields, fields.iloc[:0]
    y = np.log(fields["active_s"] / fields["reference_cells"])
    by_arm = y.groupby(fields["arm"])
    low = by_arm.transform("quantile", 0.25)
    high = by_arm.transform("quantile", 0.75)
    reach = iqr * (high - low)
    outside = (y < low - reach) | (y > high + reach)
    return fields[~outside], fields[outside]


def measured_items(items: pd.DataFrame) -> pd.DataFrame:
    """What was allocated to be measured: neither practice nor second readings; two sittings at one field are one."""
    measured = items[~items["training"] & ~items["repeat"]]
    return measured[measured["part"] != "boxes"] if "part" in measured else measured


def flow(items: pd.DataFrame, fields: pd.DataFrame) -> Flow:
    """What a CONSORT diagram shows, counted in items and in readers."""
    measured = measured_items(items)
    opened = measured_items(fields)
    counted = fields[fields["counts"]]
    withdrawn = items[items["withdrawn"]]
    excluded = opened[~opened["counts"]]
    analysed = counted["arm"].value_counts()
    by_arm: dict[str, ArmFlow] = {}
    for arm, rows in measured.groupby("arm", sort=True):
        by_arm[arm] = {"allocated": len(rows), "analysed": int(analysed.get(arm, 0))}
    return {
        "readers": int(items["participant"].nunique()),
        "readers_withdrawn": int(withdrawn["participant"].nunique()),
        "readers_analysed": int(counted["participant"].nunique()),
        "allocated": len(measured),
        "opened": int((measured["state"] != "planned").sum()),
        "completed": int((measured["state"] == "done").sum()),
        "analysed": len(counted),
        "excluded": excluded["why_not"].value_counts().to_dict(),
        "by_arm": by_arm,
    }
