"""Two rounds on one image, beside each other: what the page lists, and what its two stages fetch."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
import PIL.Image
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from rest_framework.request import Request as ApiRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from inference.masks import cells_of
from labeling.access import person, reach
from labeling.annotations.packs import pack_masks
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.rounds import reference
from labeling.rounds.comparison import Comparison, Pair, compare
from labeling.rounds.models import Publication, Round
from labeling.site.doors import Request, reach_project, signed_in
from labeling.site.workspace import described


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


def two_rounds(project: Project, asked: list[str], *, by: Literal["number", "pk"]) -> list[Round] | None:
    """The two finished rounds that were asked for, the first and the last named; None for anything else. Pages name
    rounds by number, the API by id."""
    wanted = [number for number in map(whole_number, asked) if number is not None]
    if len(wanted) < 2 or wanted[0] == wanted[-1]:
        return None
    finished = project.rounds.filter(state=Round.State.PUBLISHED, **{f"{by}__in": (wanted[0], wanted[-1])})
    by_key = {getattr(round_, by): round_ for round_ in finished.select_related("snapshot")}
    return [by_key[wanted[0]], by_key[wanted[-1]]] if len(by_key) == 2 else None


def images_of(project: Project, made: Comparison) -> list[tuple[Image, Pair | None]]:
    """The images that both rounds say something of: those that were judged, worst first, then the others by place."""
    both = set.intersection(
        *(set(Publication.objects.filter(round=round_).values_list("image", flat=True)) for round_ in made.rounds)
    )
    images = {image.pk: image for image in project.images.filter(pk__in=both)}
    judged = [(images[pair.image], pair) for pair in made.pairs if pair.image in images]
    known = {image.pk for image, _pair in judged}
    return [*judged, *((image, None) for image in images.values() if image.pk not in known)]


def _image(request: ApiRequest, image: int) -> Image:
    """As the page: whoever may see the project, and never the sheet of a study's item."""
    images = Image.objects.visible_to(person(request)).filter(project__study_item__isnull=True)
    return reach(images.select_related("project"), person(request), "see", pk=image)


class Overlay(APIView):
    """What two stages need: the image, the prediction layers of `?round=A&round=B` (null where a round says nothing of
    the image), and whether locked reference masks are there."""

    def get(self, request: ApiRequest, image: int) -> Response:
        found = _image(request, image)
        rounds = two_rounds(found.project, request.query_params.getlist("round"), by="pk")
        if rounds is None:
            raise Invalid("round names two finished rounds of this project: ?round=ID&round=ID", field="round")
        layers = dict(Publication.objects.filter(image=found, round__in=rounds).values_list("round", "layer"))
        has_reference = found.pk in reference.locked_images(found.project)
        return Response(
            {
                "image": described(found),
                "rounds": [{"id": r.pk, "number": r.number, "layer": layers.get(r.pk)} for r in rounds],
                "reference": has_reference,
            }
        )


class ReferencePack(APIView):
    """The locked reference masks of an image as a pack (annotations/packs.py)."""

    def get(self, request: ApiRequest, image: int) -> HttpResponse:
        found = _image(request, image)
        sha256 = reference.locked_images(found.project).get(found.pk)
        if sha256 is None:
            raise Http404
        reference.checked(found, sha256)
        with found.reference.open("rb") as file, PIL.Image.open(BytesIO(file.read())) as opened:
            labels = np.array(opened).astype(np.int32)
        answer = HttpResponse(
            pack_masks(f"reference {found.pk}", [mask for _number, mask in cells_of(labels)]),
            content_type="application/octet-stream",
        )
        answer["Cache-Control"] = "private, no-cache"
        return answer
