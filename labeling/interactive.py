"""Smart clicks and re-fusion over HTTP: who may ask is checked here, the work is done by the interactive worker.

A request waits for its answer in a thread of its own and holds no database connection meanwhile, so others are not
kept. The newest request of a session wins: the worker skips what the same hand has overtaken.
"""

import base64
from typing import Any

from celery.exceptions import TimeoutError as NoAnswerInTime
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from kombu.exceptions import OperationalError
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.annotations import feed
from labeling.annotations.contract import Answered, MaskIn, RefusionBody, SmartBody, StrokeIn
from labeling.annotations.state import check_mask
from labeling.annotations.study_sheets import decline_without
from labeling.celery import app
from labeling.contract import contract
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.images.models import Image
from labeling.images.slides import decline_slide
from labeling.projects.access import person, reach
from labeling.rounds.models import Publication

PATIENCE = 8.0  # seconds; the browser then goes on without the worker
NOT_FUSED = gettext_noop("this image has no fused masks yet: run a round first, or paint without the fusion")


class NobodyAnswers(LabelingError):
    """The interactive worker is busy or away."""

    code = "no_worker"
    status = 503


class Smart(APIView):
    """A mask from a box, clicks inside and clicks outside a cell."""

    @contract(body=SmartBody, answer=Answered)
    def post(self, request: Request, image: int, *, body: SmartBody) -> dict[str, Any]:  # untyped: Answered reads it
        found = _image(request, image)
        decline_without(found.project, "smart")
        points = [list(point) for point in body.points or []]
        inside = [point for point in points if point[2] == 1]
        if body.box is None and not body.ready and not inside:
            raise Invalid("a smart click needs a box or a click inside the cell", field="points")
        return ask("inference.prompt", body, **_pixels(found), box=body.box, points=points)


class Refusion(APIView):
    """A cell's mask after its image was fused again with strokes as hard constraints."""

    @contract(body=RefusionBody, answer=Answered)
    def post(self, request: Request, image: int, *, body: RefusionBody) -> dict[str, Any]:  # untyped: Answered reads it
        found = _image(request, image)
        decline_without(found.project, "brush")
        strokes = [_stroke(stroke, found, number) for number, stroke in enumerate(body.strokes or [])]
        mask = None if body.mask is None else _mask(body.mask, found)
        newest = Publication.objects.filter(image=found).select_related("round").order_by("-round__number").first()
        if newest is None:
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


def ask(task: str, body: SmartBody | RefusionBody, **given: Any) -> dict[str, Any]:  # untyped: as the worker has it
    """Send a task and wait at most PATIENCE for its answer. Raises NobodyAnswers, Invalid with the worker's reason."""
    session, number = str(body.session), body.number
    feed.note_request(session, number)
    if not connection.in_atomic_block:
        connection.close()  # back to the pool while this thread waits
    sent = None
    try:
        sent = app.send_task(
            task, kwargs=given | {"session": session, "number": number},
            queue="interactive", expires=PATIENCE, ignore_result=False, retry=False,
        )  # fmt: skip
        answer: dict[str, Any] = sent.get(timeout=PATIENCE, interval=0.01)
    except (NoAnswerInTime, OperationalError, ConnectionError):
        raise NobodyAnswers(
            _("The part of the server that computes masks does not answer. Draw by hand, or try again in a moment.")
        ) from None
    finally:
        if sent is not None:
            sent.forget()
    if "error" in answer:
        raise Invalid(answer["error"])
    return answer


def _image(request: Request, image: int) -> Image:
    images = Image.objects.visible_to(person(request)).select_related("project")
    return reach(images, person(request), "annotate", pk=image)


def _pixels(image: Image) -> dict[str, str]:
    """Raises IsSlide: the models of the interactive worker look at a whole picture."""
    decline_slide(image)
    return {"image": image.sha256, "file": str(image.pixels.name)}


def _mask(sent: MaskIn, image: Image) -> dict[str, Any]:  # untyped: goes to the worker
    """As the worker reads it. Raises Invalid for one that does not fit the image."""
    mask = check_mask(sent, image.width, image.height)
    bits = base64.b64encode(mask.bits).decode()
    return {"x": mask.x, "y": mask.y, "width": mask.width, "height": mask.height, "bits": bits}


def _stroke(sent: StrokeIn, image: Image, number: int) -> dict[str, Any]:  # untyped: goes to the worker
    try:
        return _mask(sent, image) | {"foreground": sent.foreground}
    except Invalid as error:
        raise Invalid(str(error), field=f"strokes.{number}") from None
