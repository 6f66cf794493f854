"""Smart clicks and re-fusion over HTTP: who may ask is checked here, the work is done by the interactive worker.

A request waits for its answer in a thread of its own and holds no database connection meanwhile, so others are not
kept. The newest request of a session wins: the worker skips what the same hand has overtaken.
"""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.documents.interactive import MaskJson, StrokeJson
from labeling.annotations import feed
from labeling.annotations.contract import Answered, MaskIn, RefusionBody, SmartBody, StrokeIn
from labeling.annotations.state import check_mask
from labeling.annotations.study_sheets import decline_without
from labeling.contract import contract
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.images.slides import decline_slide
from labeling.jobs.immediate import answer_of
from labeling.projects.access import person, reach
from labeling.rounds.models import Publication, Stage

NOT_FUSED = gettext_noop("this image has no fused masks yet: run a round of BoxCell first, or paint without the fusion")


class Smart(APIView):
    """A mask from a box, clicks inside and clicks outside a cell."""

    @contract(body=SmartBody, answer=Answered, scope="annotate")
    def post(self, request: Request, image: int, *, body: SmartBody) -> Answered:
        found = _image(request, image)
        decline_without(found.project, "smart")
        points = [list(point) for point in body.points or []]
        inside = [point for point in points if point[2] == 1]
        if body.box is None and not body.ready and not inside:
            raise Invalid("a smart click needs a box or a click inside the cell", field="points")
        return ask("inference.prompt", body, **_pixels(found), box=body.box, points=points)


class Refusion(APIView):
    """A cell's mask after its image was fused again with strokes as hard constraints."""

    @contract(body=RefusionBody, answer=Answered, scope="annotate")
    def post(self, request: Request, image: int, *, body: RefusionBody) -> Answered:
        found = _image(request, image)
        decline_without(found.project, "brush")
        strokes = [_stroke(stroke, found, number) for number, stroke in enumerate(body.strokes or [])]
        mask = None if body.mask is None else _mask(body.mask, found)
        # Of the rounds that fuse: a method that is trained as a whole leaves no two masks to be fused again.
        of_rounds = Publication.objects.filter(image=found, round__isnull=False).select_related("round")
        fused = of_rounds.exclude(round__stages__kind=Stage.Kind.METHOD)
        newest = fused.order_by("-round__number").first()
        if newest is None or newest.round is None:
            raise WrongState(_(NOT_FUSED))
        stage = newest.round.stages.filter(kind="prediction").select_related("artifact").first()
        if stage is None or stage.artifact is None:
            raise WrongState(_(NOT_FUSED))
        return ask(
            "inference.refusion",
            body,
            **_pixels(found),
            unit=str(stage.artifact.file.name),
            image_id=found.pk,
            parameters=newest.round.parameters.fusion.as_json(),
            mask=mask,
            strokes=strokes,
        )


def ask(task: str, body: SmartBody | RefusionBody, **given: Any) -> Answered:
    """Send a task and wait at most PATIENCE for its answer. Raises NobodyAnswers, Invalid with the worker's reason."""
    session, number = str(body.session), body.number
    feed.note_request(session, number)
    otherwise = _("Draw by hand, or try again in a moment.")
    answer = answer_of(task, given | {"session": session, "number": number}, otherwise=otherwise)
    return Answered.model_validate(answer)


def _image(request: Request, image: int) -> Image:
    images = Image.objects.visible_to(person(request)).select_related("project")
    return reach(images, person(request), "annotate", pk=image)


def _pixels(image: Image) -> dict[str, str]:
    """Raises IsSlide: the models of the interactive worker look at a whole picture."""
    decline_slide(image)
    return {"image": image.sha256, "file": str(image.pixels.name)}


def _mask(sent: MaskIn, image: Image) -> MaskJson:
    """As the worker reads it. Raises Invalid for one that does not fit the image."""
    return check_mask(sent, image.width, image.height).as_json()


def _stroke(sent: StrokeIn, image: Image, number: int) -> StrokeJson:
    try:
        return {**_mask(sent, image), "foreground": sent.foreground}
    except Invalid as error:
        raise Invalid(str(error), field=f"strokes.{number}") from None
