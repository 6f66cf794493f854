"""Arms that were read in another program: what can be said of them, and with which reservation. Never a test."""

import pandas as pd

from labeling.studies.analysis.quality import Detection, FieldQuality, measured_quality
from labeling.studies.analysis.summaries import summarise
from labeling.studies.protocol.documents import CellCounts, OutsideNumbers, Summary, not_known

FASTEST_S = 1.0  # no hand draws an outline faster: files written at such a pace were copied, not saved by somebody
RESERVATION = (
    "Read in another program, so not compared: there are no raw events, order and conditions were not controlled, and "
    "the time is the gap between two savings, with pauses, loading and everything else that happened in it."
)
NOT_COMPARED = (
    "Read in another program, so not compared: order and conditions were not controlled, and the arms of this app are "
    "timed by raw events, which is another instrument. "
)
RESERVATIONS = {
    "saved": RESERVATION,
    "lead time": NOT_COMPARED
    + "The time is Label Studio's lead time, from opening a task to submitting it, with every pause in it.",
    "recording": NOT_COMPARED
    + "The time was read off a screen recording by a person, with pauses and loading in it, as finely as they read.",
    "none": NOT_COMPARED + "There is no time.",
}
NO_TIME = "the files say no time, and no table of times came with them"
UNTIMED = "the files were written faster than anybody draws: they were copied, and when they were saved is lost"


def describe(tables: dict[str, pd.DataFrame]) -> list[OutsideNumbers]:
    """One entry for each arm of the table `outside`; see dictionary.DICTIONARY.

    A field's time is from the saving before to its own; the first one of an archive has none. seconds_per_cell holds
    a summary of fields, or why there is none.
    """
    found: list[OutsideNumbers] = []
    for arm, rows in tables["outside"].groupby("arm", sort=True):
        fields = rows.assign(at=pd.to_datetime(rows["saved_at"])).sort_values(["at", "field"])
        timing = (
            str(fields["timing"].iloc[0]) if "timing" in fields else "saved"
        )  # a bundle of before had LabelMe alone
        gaps = timing == "saved"
        seconds = fields["at"].diff().dt.total_seconds() if gaps else fields["seconds"].astype(float)
        true = _reference_sizes(tables, fields["field"].tolist())
        rate = [s / true[f][0] for s, f in zip(seconds, fields["field"], strict=True) if s == s]  # NaN: it has none
        drawn = fields["cells"].tolist()[1:]
        copied = gaps and any(s < FASTEST_S * n for s, n in zip(seconds.tolist()[1:], drawn, strict=True) if n)
        quality = [_quality(tables, str(arm), field, true[field][1]) for field in fields["field"]]
        cells = sum((one.detection for one in quality), Detection())
        found.append(
            {
                "arm": str(arm),
                "tool": str(fields["tool"].iloc[0]),
                "fields": len(fields),
                "reference_cells": sum(true[f][0] for f in fields["field"]),
                "cells": int(fields["cells"].sum()),
                "left_out": int(fields["left_out"].sum()),
                "timed_fields": 0 if copied else len(rate),
                "timing": timing,
                "seconds_per_cell": _summary(rate, copied) if gaps or rate else not_known(NO_TIME),
                "dice": sum(one.dice for one in quality) / len(quality),
                "pq": sum(one.pq for one in quality) / len(quality),
                "detection": counts_of(cells),
                "reservation": RESERVATIONS[timing],
            }
        )
    return found


def _summary(rate: list[float], copied: bool) -> Summary:
    few = "" if len(rate) > 1 else "fewer than two fields have a saving before them"
    if reason := UNTIMED if copied else few:
        none: Summary = not_known(reason)
        return none
    of = summarise(rate)
    return {"n": of.n, "mean": of.mean, "sd": of.sd, "median": of.median, "low": of.low, "high": of.high}


def counts_of(cells: Detection) -> CellCounts:
    return {
        "found": cells.found,
        "merged": cells.merged,
        "split": cells.split,
        "missed": cells.missed,
        "false": cells.false,
        "pieces": cells.pieces,
    }


def _reference_sizes(tables: dict[str, pd.DataFrame], fields: list[int]) -> dict[int, tuple[int, tuple[int, int]]]:
    """Reference cells, and (width, height) of each field."""
    items = tables["items"].drop_duplicates("field").set_index("field")
    return {
        f: (int(items.loc[f, "reference_cells"]), (int(items.loc[f, "width"]), int(items.loc[f, "height"])))
        for f in fields
    }


def _quality(tables: dict[str, pd.DataFrame], arm: str, field: int, size: tuple[int, int]) -> FieldQuality:
    cells, reference = tables["outside_cells"], tables["reference_cells"]
    mine = cells[(cells["arm"] == arm) & (cells["field"] == field)]
    return measured_quality(mine, reference[reference["field"] == field], size)
