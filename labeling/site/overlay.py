"""The page of two rounds on one image, beside each other. Its pictures come from labeling/workspace/overlay.py."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.rounds import reference
from labeling.rounds.models import Publication, Round
from labeling.rounds.results.comparison import Comparison, Pair, compare, two_rounds
from labeling.site.requests import Request, reach_project, signed_in


@dataclass(frozen=True)
class Part:
    """One part of the difference layer: its name in the page and among the tokens, its key, what it says."""

    name: str
    key: str
    label: str
    against: str  # "rounds" or "reference"


def parts_of(first: Round, last: Round) -> list[Part]:
    """In the order of frontend/compare/difference.ts."""
    only = _("only round {n}")
    return [
        Part("first", "1", only.format(n=first.number), "rounds"),
        Part("last", "2", only.format(n=last.number), "rounds"),
        Part("both", "3", _("both agree"), "rounds"),
        Part("missed", "4", _("missed"), "reference"),
        Part("extra", "5", _("extra"), "reference"),
        Part("met", "6", _("as the reference"), "reference"),
    ]


@signed_in
@require_safe
def overlay(request: Request, project: int, image: int) -> HttpResponse:
    """The page: `?round=A&round=B` by number, the first is what the last is held against. Worst images come first."""
    found = reach_project(request, "see", project)
    shown = get_object_or_404(found.images, pk=image)
    rounds = two_rounds(found, request.GET.getlist("round"), by="number")
    if rounds is None:
        raise Http404
    published = Publication.objects.filter(image=shown, round__in=rounds).annotate(n=Count("layer__annotations"))
    counts = {p.round_id: int(p.n) for p in published}
    made = compare(rounds)
    order = images_of(found, made)
    places = [one.pk for one, _pair in order]
    place = places.index(shown.pk) if shown.pk in places else None
    pair = order[place][1] if place is not None else None
    context: dict[str, Any] = {
        "project": found,
        "image": shown,
        "query": urlencode([("round", round_.number) for round_ in rounds]),
        "api_query": urlencode([("round", round_.pk) for round_ in rounds]),
        "rounds": [
            {"round": round_, "proposals": counts.get(round_.pk), "figure": figure}
            for round_, figure in zip(rounds, (pair.first, pair.last) if pair else (None, None), strict=True)
        ],
        "measure": made.pairs_of,
        "missing": [round_ for round_ in rounds if round_.pk not in counts],
        "order": order,
        "previous": places[place - 1] if place else None,
        "next": places[place + 1] if place is not None and place + 1 < len(places) else None,
        "parts": parts_of(*rounds),
        "has_reference": shown.pk in reference.locked_images(found),
    }
    return render(request, "site/overlay.html", context)


def images_of(project: Project, made: Comparison) -> list[tuple[Image, Pair | None]]:
    """The images that both rounds say something of: those that were judged, worst first, then the others by place."""
    both = set.intersection(
        *(set(Publication.objects.filter(round=round_).values_list("image", flat=True)) for round_ in made.rounds)
    )
    images = {image.pk: image for image in project.images.filter(pk__in=both)}
    judged = [(images[pair.image], pair) for pair in made.pairs if pair.image in images]
    known = {image.pk for image, _pair in judged}
    return [*judged, *((image, None) for image in images.values() if image.pk not in known)]
