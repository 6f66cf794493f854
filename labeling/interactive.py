"""Smart clicks and re-fusion over HTTP: who may ask is checked here, the work is done by the interactive worker.

A request waits for its answer in a thread of its own and holds no database connection meanwhile, so others are not
kept. The newest request of a session wins: the worker skips what the same hand has overtaken.
"""

from typing import Any

from celery.exceptions import TimeoutError as NoAnswerInTime
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from kombu.exceptions import OperationalError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.annotations import feed
from labeling.annotations.state import parse_integer, parse_mask, parse_number, parse_uuid
from labeling.annotations.study_sheets import decline_without
from labeling.celery import app
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.images.models import Image
from labeling.images.slides import decline_slide
from labeling.projects.access import person, reach
from labeling.rounds.models import Publication

PATIENCE = 8.0  # seconds; the browser then goes on without the worker
MOST_POINTS = 32
MOST_STROKES = 200
NOT_FUSED = gettext_noop("this image has no fused masks yet: run a round first, or paint without the fusion")


class NobodyAnswers(LabelingError):
    """The interactive worker is busy or away."""

    code = "no_worker"
    status = 503


class Smart(APIView):
    """A mask from a box, clicks inside and clicks outside a cell."""

    def post(self, request: Request, image: int) -> Response:
        found = _image(request, image)
        decline_without(found.project, "smart")
        data = _object(request)
        box = data.get("box")
        points = data.get("points") or []
        if box is not None:
            if not isinstance(box, list) or len(box) != 4:
                raise Invalid("box must be four numbers x0, y0, x1, y1", field="box")
            box = [parse_number(v, "box") for v in box]
        if not isinstance(points, list) or len(points) > MOST_POINTS:
            raise Invalid(f"points must be a list of at most {MOST_POINTS}", field="points")
        points = [_point(point) for point in points]
        ready = (
            data.get("ready") is True
        )  # asks for nothing yet: the worker is to have the models and the image at hand
        if box is None and not ready and not any(sign == 1 for _, _, sign in points):
            raise Invalid("a smart click needs a box or a click inside the cell", field="points")
        return Response(ask("inference.prompt", data, **_pixels(found), box=box, points=points))


class Refusion(APIView):
    """A cell's mask after its image was fused again with strokes as hard constraints."""

    def post(self, request: Request, image: int) -> Response:
        found = _image(request, image)
        decline_without(found.project, "brush")
        data = _object(request)
        strokes = data.get("strokes") or []
        if not isinstance(strokes, list) or len(strokes) > MOST_STROKES:
            raise Invalid(f"strokes must be a list of at most {MOST_STROKES}", field="strokes")
        parsed = [_stroke(stroke, found) for stroke in strokes]
        mask = data.get("mask")
        if mask is not None:
            parse_mask(mask, found.width, found.height)
        newest = Publication.objects.filter(image=found).select_related("round").order_by("-round__number").first()
        if newest is None:
            raise WrongState(_(NOT_FUSED))
        stage = newest.round.stages.filter(kind="prediction").select_related("artifact").first()
        if stage is None or stage.artifact is None:
            raise WrongState(_(NOT_FUSED))
        return Response(
            ask(
                "inference.refusion",
                data,
                **_pixels(found),
                unit=str(stage.artifact.file.name),
                image_id=found.pk,
                parameters=newest.round.parameters.fusion.as_json(),
                mask=mask,
                strokes=parsed,
            )
        )


def ask(task: str, data: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Send a task and wait at most PATIENCE for its answer. Raises NobodyAnswers, Invalid with the worker's reason."""
    session = str(parse_uuid(data.get("session"), "session"))
    number = parse_integer(data.get("number"), "number")
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


def _object(request: Request) -> dict[str, Any]:
    if not isinstance(request.data, dict):
        raise Invalid("the request must be an object")
    return dict(request.data)


def _pixels(image: Image) -> dict[str, Any]:
    """Raises IsSlide: the models of the interactive worker look at a whole picture."""
    decline_slide(image)
    return {"image": image.sha256, "file": str(image.pixels.name)}


def _point(value: Any) -> list[float]:
    if not isinstance(value, list) or len(value) != 3 or value[2] not in (0, 1):
        raise Invalid("a point is x, y and 1 (inside) or 0 (outside)", field="points")
    return [parse_number(value[0], "points"), parse_number(value[1], "points"), int(value[2])]


def _stroke(value: Any, image: Image) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("foreground"), bool):
        raise Invalid("a stroke is a mask with foreground true or false", field="strokes")
    mask = parse_mask(value, image.width, image.height)
    assert mask is not None
    named = {"x": mask.x, "y": mask.y, "width": mask.width, "height": mask.height}
    return named | {"bits": value["bits"], "foreground": value["foreground"]}
