"""Who read and what was read: the first table of a paper, and the flow of items by arm and reader."""

from typing import Any

import pandas as pd

from labeling.studies.analysis.fields import Tables, measured_items
from labeling.studies.protocol.documents import FieldsRow, ReaderFlow, ReaderRow, TableOne

NOT_OPENED = "not opened"


def table_one(tables: Tables) -> TableOne:
    """Of a bundle without the table of readers, nothing is known of them but their sequence."""
    items = tables["items"]
    empty = pd.DataFrame(columns=["participant"])
    known = tables.get("readers", empty).set_index("participant")
    readers = []
    for name, own in items.groupby("participant", sort=True):
        row = known.loc[name] if name in known.index else None
        readers.append(_reader(str(name), str(own["sequence"].iloc[0]), row))
    fields = []
    for arm, own in measured_items(items).groupby("arm", sort=True):
        fields.append(_fields(str(arm), own))
    return {"readers": readers, "fields": fields}


def _reader(name: str, sequence: str, known: Any) -> ReaderRow:
    if known is None:
        profession, years, state = "", None, ""
    else:
        profession, state = str(known["profession"]), _state(known)
        years = None if pd.isna(known["experience_years"]) else float(known["experience_years"])
    return {
        "participant": name,
        "profession": profession,
        "experience_years": years,
        "sequence": sequence,
        "state": state,
    }


def _state(known: Any) -> str:
    if known["declined"]:
        return "declined"
    if known["withdrawn"]:
        return "withdrew"
    return "took part" if known["consented"] else "has not begun"


def _fields(arm: str, items: pd.DataFrame) -> FieldsRow:
    """Each field once, however many readers have it."""
    cells = items.drop_duplicates("field")["reference_cells"]
    return {
        "arm": arm,
        "fields": len(cells),
        "cells_least": int(cells.min()),
        "cells_median": float(cells.median()),
        "cells_most": int(cells.max()),
    }


def flow_by_reader(items: pd.DataFrame, fields: pd.DataFrame) -> dict[str, dict[str, ReaderFlow]]:
    """Arm -> pseudonym -> the measured items of this reader there.

    fields   of read_fields, with why each does not count
    """
    read = measured_items(fields)
    found: dict[str, dict[str, ReaderFlow]] = {}
    for (arm, reader), own in measured_items(items).groupby(["arm", "participant"], sort=True):
        rows = read[(read["arm"] == arm) & (read["participant"] == reader)]
        found.setdefault(str(arm), {})[str(reader)] = _of_reader(own, rows)
    return found


def _of_reader(allocated: pd.DataFrame, read: pd.DataFrame) -> ReaderFlow:
    reasons = {str(why): int(n) for why, n in read.loc[~read["counts"], "why_not"].value_counts().items()}
    if len(read) < len(allocated):
        reasons[NOT_OPENED] = len(allocated) - len(read)
    return {
        "allocated": len(allocated),
        "opened": len(read),
        "completed": int((allocated["state"] == "done").sum()),
        "analysed": int(read["counts"].sum()),
        "left_out": reasons,
    }
