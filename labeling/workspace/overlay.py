"""Two rounds on one image, beside each other: what the page's two pictures fetch."""

from io import BytesIO

import numpy as np
import PIL.Image
from django.http import Http404, HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.masks import cells_of
from labeling.annotations.packs import pack_masks
from labeling.contract import contract
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.projects.access import person, reach
from labeling.rounds import reference
from labeling.rounds.models import Publication
from labeling.rounds.results.comparison import two_rounds
from labeling.workspace.api import shown_image
from labeling.workspace.contract import ComparedRound, ComparisonAnswer, TwoRounds


def _image(request: Request, image: int) -> Image:
    """As the page: whoever may see the project, and never the sheet of a study's item."""
    images = Image.objects.visible_to(person(request)).filter(project__is_sheet=False)
    return reach(images.select_related("project"), person(request), "see", pk=image)


class Overlay(APIView):
    """What two stages need: the image, the prediction layers of `?round=A&round=B` (null where a round says nothing of
    the image), and whether locked reference masks are there."""

    @contract(query=TwoRounds, answer=ComparisonAnswer)
    def get(self, request: Request, image: int, *, query: TwoRounds) -> ComparisonAnswer:
        found = _image(request, image)
        rounds = two_rounds(found.project, [str(key) for key in query.round], by="pk")
        if rounds is None:
            raise Invalid("round names two finished rounds of this project: ?round=ID&round=ID", field="round")
        layers = dict(Publication.objects.filter(image=found, round__in=rounds).values_list("round", "layer"))
        has_reference = found.pk in reference.locked_images(found.project)
        compared = [ComparedRound(id=r.pk, number=r.number, layer=layers.get(r.pk)) for r in rounds]
        return ComparisonAnswer(image=shown_image(found), rounds=compared, reference=has_reference)


class ReferencePack(APIView):
    """The locked reference masks of an image as a pack (annotations/packs.py)."""

    @contract(files=("application/octet-stream",))
    def get(self, request: Request, image: int) -> HttpResponse:
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
