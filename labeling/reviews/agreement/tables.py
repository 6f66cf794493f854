"""The report as one table: a line a figure."""

import csv
import io
from collections.abc import Iterator

from labeling.reviews.agreement.contract import AgreementAnswer, AgreementFigure, AgreementReport
from labeling.spreadsheets import as_text

COLUMNS = ("scope", "first", "second", "figure", "value", "low", "high", "n", "why", "sight", "by", "iou", "um", "unit")
OVERALL = (
    "f1", "f1_near", "dice", "pq", "aji", "outline_distance", "unmatched", "alpha", "alpha_no_cell", "fleiss",
)  # fmt: skip
OF_PAIR = (
    "f1", "f1_near", "dice", "pq", "aji", "outline_distance", "unmatched", "kappa", "alpha", "alpha_no_cell",
)  # fmt: skip
Line = tuple[str, str, str, str, AgreementFigure]


def as_csv(answer: AgreementAnswer, sight: str) -> bytes:
    """UTF-8 with a header; empty cells where there is no number. What the readers had in sight stands in each line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    report = answer.report
    for scope, first, second, name, figure in _lines(report, answer.people) if report else ():
        matching = report.matching if report else None
        assert report is not None and matching is not None
        numbers = ["" if value is None else value for value in (figure.value, figure.low, figure.high)]
        asked = [sight, matching.by, matching.iou, matching.um, report.unit]
        writer.writerow([scope, as_text(first), as_text(second), name, *numbers, figure.n, figure.why, *asked])
    return text.getvalue().encode()


def _lines(report: AgreementReport, people: dict[str, str]) -> Iterator[Line]:
    for name in OVERALL:
        yield "overall", "", "", name, getattr(report, name)
    for pair in report.pairs:
        for name in OF_PAIR:
            yield (
                "pair",
                people.get(pair.first, pair.first),
                people.get(pair.second, pair.second),
                name,
                getattr(pair, name),
            )
    for one in report.by_class:
        yield "class", one.name, "", "f1", one.f1
    for image in report.worst_images:
        yield "image", image.image, "", "f1", image.f1
    for row, first in zip(report.confusion, report.classes, strict=True):
        for count, second in zip(row, report.classes, strict=True):
            figure = AgreementFigure(value=count, n=count, low=None, high=None, why="", no_interval="")
            yield "confusion", first or "no cell", second or "no cell", "cells", figure
