"""The dashboard as one table: a line a number."""

import csv
import io
from collections.abc import Iterator

from labeling.dashboard.numbers import Numbers
from labeling.spreadsheets import as_text

COLUMNS = ("part", "name", "figure", "value")
Line = tuple[str, str, str, float | int | None]


def as_csv(numbers: Numbers) -> bytes:
    """UTF-8 with a header; an empty cell where nothing is measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for part, name, figure, value in _lines(numbers):
        writer.writerow([part, as_text(name), figure, "" if value is None else value])
    return text.getvalue().encode()


def _lines(numbers: Numbers) -> Iterator[Line]:
    for one in numbers.states:
        yield "state", one.name, "images", one.value
    yield "queue", "", "free_readings", numbers.free
    yield "queue", "", "days_left", numbers.days_left
    for day in numbers.days:
        yield "day", day.day.isoformat(), "readings", day.readings
        yield "day", day.day.isoformat(), "images_done", day.images
    for one in numbers.by_person:
        yield "person", one.name, "readings", one.value
    for one in numbers.by_class:
        yield "class", one.name, "cells", one.value
    for row in numbers.rounds:
        for figure in ("box_ap50", "dice", "aji"):
            yield "round", str(row.number), figure, getattr(row, figure)
    for report in numbers.agreement:
        yield "agreement", f"{report.at.isoformat()} {report.sight}", "f1", report.f1
        yield "agreement", f"{report.at.isoformat()} {report.sight}", "alpha", report.alpha
    yield "time", "own", "seconds_per_cell", numbers.time.own
    yield "time", "everyone", "seconds_per_cell", numbers.time.everyone
    for one in numbers.storage:
        yield "storage", one.name, "bytes", one.value
