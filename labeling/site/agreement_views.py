"""The page Agreement of a project: how far its readers agree, worst images and places first."""

from dataclasses import dataclass
from math import floor

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from pydantic import ValidationError

from labeling.errors import LabelingError, sentence
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.projects.access import sees_everybody
from labeling.projects.models import Project
from labeling.quality_control.results import repeated_in
from labeling.reviews.agreement.api import question_of
from labeling.reviews.agreement.computing import answer, compute
from labeling.reviews.agreement.contract import (
    AgreementAnswer,
    AgreementFigure,
    AgreementQuery,
    AgreementReport,
    PairAnswer,
)
from labeling.reviews.agreement.readings import Sight
from labeling.site.requests import Request, acts_of, reach_project, signed_in

LEVELS = 5  # of shading in the matrix
# Why there is no number -> what people read.
WHY = {
    "no_cells": gettext_lazy("nobody has drawn a cell"),
    "nothing_matched": gettext_lazy("no cell that two readers have judged"),
    "one_class": gettext_lazy("only one class was used"),
    "no_masks": gettext_lazy("no pair of cells with masks"),
    "no_scale": gettext_lazy("an image has no scale"),
    "few_patients": gettext_lazy("interval not estimated: fewer than 10 patients"),
    "seldom_defined": gettext_lazy("interval not estimated: too often not defined"),
}
# Figure -> its name for people, in the order of the page.
NAMES = {
    "f1": gettext_lazy("Detection F1, IoU"),
    "f1_near": gettext_lazy("Detection F1, centres"),
    "unmatched": gettext_lazy("Share unmatched"),
    "alpha": gettext_lazy("Krippendorff’s alpha of classes"),
    "alpha_no_cell": gettext_lazy("Alpha with “no cell”"),
    "fleiss": gettext_lazy("Fleiss’ kappa"),
    "kappa": gettext_lazy("Cohen’s kappa"),
    "dice": gettext_lazy("Dice of matched cells"),
    "pq": gettext_lazy("Panoptic quality"),
    "aji": gettext_lazy("AJI"),
    "outline_distance": gettext_lazy("Distance of outlines"),
}
HEADLINE = ("f1", "f1_near", "alpha", "unmatched", "alpha_no_cell")
FURTHER = ("fleiss", "dice", "pq", "aji", "outline_distance")
OF_PAIR = ("f1", "f1_near", "unmatched", "kappa", "alpha", "alpha_no_cell", "dice", "pq", "aji", "outline_distance")
KINDS = {
    "missing": gettext_lazy("cell or none"),
    "class": gettext_lazy("class"),
    "outline": gettext_lazy("outline"),
}


@dataclass(frozen=True)
class Shown:
    """A figure with its name; `why` is a sentence for a missing number or interval."""

    name: str
    figure: AgreementFigure
    unit: str = ""

    @property
    def why(self) -> str:
        word = self.figure.why or self.figure.no_interval
        return str(WHY[word]) if word else ""


@dataclass(frozen=True)
class Entry:
    """A cell of the matrix: a pair, with its F1 as a level of shading from 0 to LEVELS - 1."""

    pair: PairAnswer | None

    @property
    def level(self) -> int:
        value = self.pair.f1.value if self.pair else None
        return 0 if value is None else min(LEVELS - 1, floor(value * LEVELS))


@signed_in
@require_safe
def agreement(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "see", project)
    if not sees_everybody(found, request.user):
        return render(request, "site/agreement.html", {"project": found, "is_closed_to": True}, status=403)
    try:
        query = AgreementQuery.model_validate(request.GET.dict())
    except ValidationError:
        return redirect("project-agreement", found.pk)
    return render(request, "site/agreement.html", context(request, found, query))


@signed_in
@require_POST
def compute_agreement(request: Request, project: int) -> HttpResponse:
    """Ask for the report. The same readings are computed once."""
    found = reach_project(request, "see", project)
    if not sees_everybody(found, request.user):
        return redirect("project-agreement", found.pk)
    asked = {name: value for name, value in request.POST.dict().items() if name in AgreementQuery.model_fields}
    try:
        query = AgreementQuery.model_validate(asked)
    except ValidationError:
        messages.error(request, _("µm must be a number above 0"))
        return redirect("project-agreement", found.pk)
    try:
        compute(project=found, by=request.user, question=question_of(query))
    except LabelingError as error:
        messages.error(request, sentence(error))
    return redirect(f"{reverse('project-agreement', args=[found.pk])}?{urlencode(query.model_dump())}")


def context(request: Request, found: Project, query: AgreementQuery) -> dict[str, object]:
    known = answer(project=found, question=question_of(query))
    report = known.report
    counts = {str(sight): n for sight, n in known.images.items()}
    names = {str(image.pk): image.name for image in Image.objects.filter(project=found)} if report else {}
    return {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "query": query,
        "address": urlencode(query.model_dump()),
        "known": known,
        "sights": [(value, label, counts[value]) for value, label in Sight.choices],
        "job": Job.objects.filter(pk=known.job).first() if known.job else None,
        "failed": _failed(found, known),
        **(_of_report(found, report, known, names) if report else {}),
    }


def _failed(found: Project, known: AgreementAnswer) -> Job | None:
    """The newest job, where it failed and nothing was computed since."""
    last = Job.objects.filter(project=found, kind=Job.Kind.AGREEMENT).order_by("-pk").first()
    return last if last is not None and last.state == Job.State.FAILED else None


def _of_report(
    found: Project, report: AgreementReport, known: AgreementAnswer, names: dict[str, str]
) -> dict[str, object]:
    people = known.people
    shown = [name for name in report.readers if name in people]
    there = [image for image in report.worst_images if image.image in names]
    places = [place for place in report.worst_places if place.image in names]
    return {
        "report": report,
        "repeated": repeated_in(found.pk),
        "headline": [_shown(report, name) for name in HEADLINE],
        "further": [_shown(report, name) for name in FURTHER],
        "readers": [(key, people[key]) for key in shown],
        "matrix": [(people[row], [Entry(_pair(report, row, column)) for column in shown]) for row in shown],
        "pairs": [
            (people.get(pair.first, ""), people.get(pair.second, ""), pair, [_shown(pair, name) for name in OF_PAIR])
            for pair in report.pairs
        ],
        "pair_names": [str(NAMES[name]) for name in OF_PAIR],
        "confused": [(name, row) for name, row in zip(report.classes, report.confusion, strict=True)],
        "worst_images": [(names[image.image], image) for image in there],
        "worst_places": [
            (names[place.image], str(KINDS[place.kind]), place, _votes(place.votes, people)) for place in places
        ],
    }


def _shown(of: AgreementReport | PairAnswer, name: str) -> Shown:
    unit = of.unit if name == "outline_distance" and isinstance(of, AgreementReport) else ""
    return Shown(str(NAMES[name]), getattr(of, name), unit)


def _pair(report: AgreementReport, one: str, other: str) -> PairAnswer | None:
    for pair in report.pairs:
        if {pair.first, pair.second} == {one, other} and one != other:
            return pair
    return None


def _votes(votes: dict[str, str], people: dict[str, str]) -> list[tuple[str, str]]:
    words = {"": _("no cell"), "?": _("cell without class")}
    return [(people.get(reader, ""), words.get(vote, vote)) for reader, vote in votes.items()]
