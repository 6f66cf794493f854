"""Rounds side by side, and the methods that they used: figures, costs, a plot of images, a table to take along."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from inference.documents.methods import METHODS, Method
from labeling.accounts.models import User
from labeling.audit.downloads import download
from labeling.images.models import Image
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.rounds.configuration import differences
from labeling.rounds.models import Publication, Round
from labeling.rounds.results.comparison import Comparison, Figure, Pair, newest_of_methods
from labeling.rounds.results.comparison import compare as compare_rounds
from labeling.rounds.results.costs import Cost, cost_of
from labeling.site.model_views import histories
from labeling.site.requests import Request, reach_project, signed_in
from labeling.site.whiskers import Whisker, whisker_of
from labeling.site.words import figure
from labeling.spreadsheets import as_text

SCATTER = 200  # units of the SVG's side
MOST_ROUNDS = 6
DRAWN = ("dice", "aji", "pq", "box_ap50")  # measures of the plot
COLUMNS = (
    "round", "method", "labels", "preset", "cells", "trained_parameters", "training_seconds", "annotation_seconds",
    "measure", "images", "patients", "mean", "low", "high", "difference", "ci_low", "ci_high", "t_p", "wilcoxon_p",
)  # fmt: skip


@signed_in
@require_safe
def compare(request: Request, project: int) -> HttpResponse:
    """Rounds side by side; `?round=` numbers them, `?by=method` means the newest of each method where there are
    several, else the two that finished last. The first named is the base."""
    found = reach_project(request, "see", project)
    finished = finished_rounds(found)
    chosen = chosen_rounds(request, finished)
    made = compare_rounds(chosen) if len(chosen) > 1 else None
    names = names_of(found, made) if made else {}
    context: dict[str, Any] = {
        "project": found,
        "finished": finished,
        "chosen": chosen,
        "methods": len(newest_of_methods(finished)),
        "comparison": made,
        "costs": [cost_of(round_, reader=request.user) for round_ in chosen] if made else [],
        "plot": plot_of(made, names) if made else None,
        "scatter": scatter(found, made) if made else [],
        "side": SCATTER,
        "histories": histories(chosen) if made else [],
        "pair_query": urlencode([("round", chosen[0].number), ("round", chosen[-1].number)]) if made else "",
        "query": urlencode([("round", round_.number) for round_ in chosen]),
        "beside": seen_by_both(chosen) if made else None,
        "configurations": differences(chosen[0].parameters, chosen[-1].parameters) if made else [],
    }
    return render(request, "site/compare.html", context)


@signed_in
@require_safe
def compare_file(request: Request, project: int) -> HttpResponseBase:
    """The same figures and costs as CSV, a line for each round and measure."""
    found = reach_project(request, "see", project)
    chosen = chosen_rounds(request, finished_rounds(found))
    if len(chosen) < 2:
        raise Http404("two finished rounds at least are compared")
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table_of(compare_rounds(chosen), chosen, request.user))
    name = f"methods-project-{found.pk}.csv"
    return download(file.getvalue().encode(), name=name, content_type="text/csv; charset=utf-8", project=found)


def finished_rounds(found: Project) -> list[Round]:
    """The newest first."""
    return list(found.rounds.filter(state=Round.State.PUBLISHED).select_related("snapshot"))


def chosen_rounds(request: Request, finished: Sequence[Round]) -> list[Round]:
    """The rounds that an address names, MOST_ROUNDS at most; of one method alone there is nothing to compare."""
    if request.GET.get("by") == "method":
        newest = newest_of_methods(finished)
        chosen = newest if len(newest) > 1 else []
    else:
        asked = [whole_number(value) for value in request.GET.getlist("round")]
        by_number = {round_.number: round_ for round_ in finished}
        chosen = [by_number[number] for number in dict.fromkeys(asked) if number in by_number]
    return (chosen or list(finished[1::-1]))[:MOST_ROUNDS]


def table_of(made: Comparison, chosen: Sequence[Round], reader: User) -> Iterator[dict[str, object]]:
    """The lines of the CSV file. What is not known is empty."""
    for number, round_ in enumerate(chosen):
        cost = cost_of(round_, reader=reader)
        for row in made.rows:
            yield {**cost_cells(cost), **figure_cells(made, row.figures[number]), "measure": row.measure}
        if not made.rows:
            yield cost_cells(cost)


def cost_cells(cost: Cost) -> dict[str, object]:
    return {
        "round": cost.round.number,
        "method": cost.method.name,
        "labels": cost.method.labels[0],
        "preset": as_text(cost.round.preset),
        "cells": cost.cells,
        "trained_parameters": cost.trained_parameters,
        "training_seconds": cost.training_seconds,
        "annotation_seconds": cost.annotation_seconds,
    }


def figure_cells(made: Comparison, measured: Figure) -> dict[str, object]:
    against = measured.against or {}
    return {
        "images": len(measured.values),
        "patients": made.patients,
        "mean": measured.mean,
        "low": measured.low if measured.has_interval else None,
        "high": measured.high if measured.has_interval else None,
        "difference": against.get("mean_difference"),
        "ci_low": against.get("ci_low"),
        "ci_high": against.get("ci_high"),
        "t_p": against.get("t_p"),
        "wilcoxon_p": against.get("wilcoxon_p"),
    }


@dataclass(frozen=True)
class PlotRow:
    """A round and its method, with a strip for each measure."""

    round: Round
    method: Method
    strips: list[Whisker]

    def sentence(self, names: Sequence[str]) -> str:
        means = [f"{name} {figure(strip.mean)}" for name, strip in zip(names, self.strips, strict=True)]
        number = _("round %(number)s") % {"number": self.round.number}
        return f"{_(self.method.title)}, {number}: {', '.join(means)}"


@dataclass(frozen=True)
class Plot:
    """names: of the measures, above the columns; rows: a round and its method, with a strip for each of them."""

    names: list[str]
    rows: list[PlotRow]

    @property
    def sentence(self) -> str:
        """For who cannot see the plot."""
        return "; ".join(row.sentence(self.names) for row in self.rows)


def names_of(project: Project, made: Comparison) -> dict[int, str]:
    """Image -> its name, of those that judge."""
    judging: set[int] = set()
    for row in made.rows:
        judging |= row.figures[0].values.keys()
    return dict(Image.objects.filter(project=project, pk__in=judging).values_list("pk", "name"))


def plot_of(made: Comparison, names: dict[int, str]) -> Plot | None:
    """A strip for each round and measure of DRAWN; None where none of them was measured."""
    rows = [row for row in made.rows if row.measure in DRAWN]
    if not rows:
        return None
    drawn = []
    for number, round_ in enumerate(made.rounds):
        strips = [whisker_of(row.figures[number], names) for row in rows]
        drawn.append(PlotRow(round_, METHODS[round_.parameters.method], strips))
    return Plot([row.name for row in rows], drawn)


def seen_by_both(chosen: list[Round]) -> int | None:
    """An image that the first and the last of these rounds say something of."""
    last = Publication.objects.filter(round=chosen[-1]).values("image")
    shared = Publication.objects.filter(round=chosen[0], image__in=last).order_by("image__position")
    return shared.values_list("image", flat=True).first()


@dataclass(frozen=True)
class Dot:
    """An image in the scatter; x and y as text: a template would give a German page a decimal comma."""

    image: Image
    pair: Pair
    x: str
    y: str


def scatter(project: Project, made: Comparison) -> list[Dot]:
    """One dot an image, worst under the last round first: x under the first round, y under the last, y down."""
    images = {image.pk: image for image in Image.objects.filter(project=project, pk__in=[p.image for p in made.pairs])}
    there = [pair for pair in made.pairs if pair.image in images]
    return [
        Dot(images[pair.image], pair, f"{pair.first * SCATTER:.1f}", f"{(1 - pair.last) * SCATTER:.1f}")
        for pair in there
    ]
