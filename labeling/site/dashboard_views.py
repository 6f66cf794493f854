"""The page Dashboard of a project: how far it is, as plots and tables."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypedDict

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe

from labeling.assignments.states import ItemState
from labeling.dashboard.numbers import AgreementRow, DayRow, Named, RoundRow, numbers_of
from labeling.reviews.agreement.readings import Sight
from labeling.site.requests import Request, acts_of, reach_project, signed_in
from labeling.site.storage_names import STORAGE_NAMES


class Series(TypedDict):
    label: str
    values: list[float | None]


class Chart(TypedDict):
    """What frontend/charts draws. x: seconds since 1970 where `is_time`, else numbers."""

    kind: str
    is_time: bool
    x_label: str
    x: list[float]
    series: list[Series]


@signed_in
@require_safe
def dashboard(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "see", project)
    numbers = numbers_of(found, request.user)
    context = {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "numbers": numbers,
        "states": with_shares([Named(ItemState(one.name).label, one.value) for one in numbers.states]),
        "people": with_shares(numbers.by_person),
        "classes": with_shares(numbers.by_class),
        "storage": [(STORAGE_NAMES[one.name], one.value) for one in numbers.storage],
        "charts": charts_of(numbers.days, numbers.rounds, numbers.agreement),
    }
    return render(request, "site/dashboard.html", context)


def with_shares(rows: Sequence[Named]) -> list[tuple[Named, float]]:
    """Each number with its share of the largest one, 0..1."""
    largest = max((row.value for row in rows), default=0)
    return [(row, row.value / largest if largest else 0.0) for row in rows]


def charts_of(
    days: Sequence[DayRow], rounds: Sequence[RoundRow], agreement: Sequence[AgreementRow]
) -> dict[str, Chart | None]:
    """By name; None where there is nothing to draw."""
    has_days = any(row.readings or row.images for row in days)
    return {
        "days": _days(days) if has_days else None,
        "rounds": _rounds(rounds) if rounds else None,
        "agreement": _agreement(agreement) if agreement else None,
    }


def _days(days: Sequence[DayRow]) -> Chart:
    midnights = [datetime(row.day.year, row.day.month, row.day.day, tzinfo=UTC).timestamp() for row in days]
    return {
        "kind": "bars",
        "is_time": True,
        "x_label": _("Day"),
        "x": midnights,
        "series": [
            {"label": _("Readings finished"), "values": [row.readings for row in days]},
            {"label": _("Images done"), "values": [row.images for row in days]},
        ],
    }


def _rounds(rounds: Sequence[RoundRow]) -> Chart:
    return {
        "kind": "line",
        "is_time": False,
        "x_label": _("Round"),
        "x": [row.number for row in rounds],
        "series": [
            {"label": "AP50", "values": [row.box_ap50 for row in rounds]},
            {"label": "Dice", "values": [row.dice for row in rounds]},
            {"label": "AJI", "values": [row.aji for row in rounds]},
        ],
    }


SIGHT_WORDS = {
    Sight.BLIND: gettext_noop("blind"),
    Sight.PROPOSALS: gettext_noop("with proposals in sight"),
    Sight.OTHERS: gettext_noop("others in sight"),
}


def _agreement(rows: Sequence[AgreementRow]) -> Chart:
    """One line a figure and kind of readings: they are never pooled."""
    series: list[Series] = []
    for sight in dict.fromkeys(row.sight for row in rows):
        words = _(SIGHT_WORDS[Sight(sight)])
        own = [row if row.sight == sight else None for row in rows]
        series.append({"label": f"F1, {words}", "values": [row.f1 if row else None for row in own]})
        series.append({"label": f"alpha, {words}", "values": [row.alpha if row else None for row in own]})
    return {
        "kind": "line",
        "is_time": True,
        "x_label": _("Computed"),
        "x": [row.at.timestamp() for row in rows],
        "series": series,
    }
