"""The log over HTTP: packs out, operations in and out, activity in."""

import uuid
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.accounts.credentials import Credentials, credentials_of
from labeling.annotations import activity, feed, heads, packs
from labeling.annotations.models import Layer, Operation
from labeling.annotations.services import is_writer, write_operations
from labeling.annotations.state import parse_number, parse_uuid
from labeling.annotations.wire import FeedMessage
from labeling.errors import Invalid
from labeling.numbers import required_number
from labeling.projects.access import person, reach
from labeling.projects.models import MAY

MOST_TAIL = 1000


def _layer(request: Request, layer: str, act: str) -> Layer:
    layers = Layer.objects.visible_to(person(request)).select_related("image__project", "head")
    return reach(layers, person(request), act, project="image.project", pk=layer)


class Pack(APIView):
    """All live annotations of a layer, binary (annotations/packs.py)."""

    def get(self, request: Request, layer: str) -> HttpResponse:
        found = _layer(request, layer, "see")
        tag = packs.etag(found, found.head.seq)
        if request.headers.get("If-None-Match") == tag:
            response = HttpResponse(status=304)
        else:
            seq, body = packs.pack_layer(found)
            tag = packs.etag(found, seq)
            response = HttpResponse(body, content_type="application/octet-stream")
        response["ETag"] = tag
        response["Cache-Control"] = "private, no-cache"
        return response


class Operations(APIView):
    """The log of a layer: GET its tail, POST what a person did."""

    def get(self, request: Request, layer: str) -> Response:
        found = _layer(request, layer, "see")
        after = required_number(request.query_params.get("after", "0"), "after")
        limit = min(required_number(request.query_params.get("limit", str(MOST_TAIL)), "limit"), MOST_TAIL)
        operations = list(
            found.operations.filter(seq__gt=after)
            .select_related("author")
            .prefetch_related("effects__annotation", "opinion_effects__annotation", "settlements__annotation")
            .order_by("seq")[: limit + 1]
        )
        return Response(
            {
                "layer": str(found.pk),
                "seq": found.head.seq,
                "operations": [operation_json(operation) for operation in operations[:limit]],
                "more": len(operations) > limit,
            }
        )

    def post(self, request: Request, layer: str) -> Response:
        found = _layer(request, layer, "annotate")
        if found.kind == Layer.Kind.WORKING and not is_writer(layer=found, user=person(request)):
            raise Invalid("this is somebody else's layer", field="layer")
        operations = request.data.get("operations") if isinstance(request.data, dict) else None
        seq, verdicts = write_operations(layer=found, author=person(request), operations=operations)
        kinds = {verdict.verdict for verdict in verdicts}
        status = 409 if kinds & {"stale", "kept"} else 422 if "invalid" in kinds else 200
        return Response(
            {"layer": str(found.pk), "seq": seq, "results": [verdict.as_json() for verdict in verdicts]}, status=status
        )


class Heads(APIView):
    """What the log says of some annotations: the last operation, who did it and when. A browser asks it before it says
    that somebody has changed a cell."""

    def get(self, request: Request, layer: str) -> Response:
        found = _layer(request, layer, "see")
        asked = request.query_params.getlist("annotation")
        if not 0 < len(asked) <= heads.MOST:
            raise Invalid(f"name 1 to {heads.MOST} annotations", field="annotation")
        uids = [parse_uuid(uid, "annotation") for uid in asked]
        return Response({"layer": str(found.pk), "annotations": heads.heads_of(layer=found, uids=uids)})


class EventStream(JSONRenderer):
    """What a browser's EventSource asks for; an error goes out as JSON all the same."""

    media_type = "text/event-stream"
    format = "event-stream"


class Feed(APIView):
    """What happens on a layer, as server-sent events: {"seq": n} when its log has grown, {"person": ...} for where
    others look and what they edit. Hints only; the log is read over HTTP."""

    renderer_classes = [EventStream, JSONRenderer]

    def get(self, request: Request, layer: str) -> StreamingHttpResponse:
        found = _layer(request, layer, "see")
        allowed = partial(_may_still_follow, found.pk, credentials_of(request))
        events = feed.events(found.pk, found.head.seq, allowed)
        response = StreamingHttpResponse(events, content_type="text/event-stream")
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"  # a proxy that gathers would make it late
        return response


def _may_still_follow(layer: uuid.UUID, credentials: Credentials) -> bool:
    """Asked again and again while a stream runs, each time from the beginning: session, account, membership, role.

    A database that is away for a moment ends no stream: nothing can change there meanwhile.
    """
    try:
        user = credentials.user()
        if user is None:
            return False
        found = Layer.objects.visible_to(user).select_related("image__project").filter(pk=layer).first()
        return found is not None and found.image.project.role_of(user) in MAY["see"]
    except (OperationalError, InterfaceError):
        return True
    finally:
        connection.close()  # this thread is not one of a request: nobody else gives its connection back


class Presence(APIView):
    """Where I am on a layer, told to the others who follow it now; kept nowhere."""

    def post(self, request: Request, layer: str) -> Response:
        found = _layer(request, layer, "see")
        if not isinstance(request.data, dict):
            raise Invalid("presence must be an object")
        session = str(parse_uuid(request.data.get("session"), "session"))
        editing = request.data.get("editing")
        message: FeedMessage = {
            "person": {"id": person(request).pk, "name": person(request).display_name},
            "session": session,
            "cursor": _numbers(request.data.get("cursor"), 2, "cursor"),
            "view": _numbers(request.data.get("view"), 4, "view"),
            "editing": None if editing is None else str(parse_uuid(editing, "editing")),
            "gone": request.data.get("gone") is True,
        }
        feed.tell(found.pk, message)
        return Response({"notified": True})


class Activity(APIView):
    def post(self, request: Request) -> Response:
        return Response({"stored": activity.record(user=person(request), data=request.data)})


def operation_json(operation: Operation) -> dict[str, Any]:
    """An operation as the browser replays it. `decided_by` is who has decided the cell by now, not at that time: the
    tail always runs up to now."""
    return {
        "op_id": str(operation.op_id),
        "layer": str(operation.layer_id),
        "seq": operation.seq,
        "action": operation.action,
        "author": {"id": operation.author_id, "name": operation.author.display_name},
        "tool": operation.tool,
        "session": str(operation.session),
        "undoes": str(operation.undoes) if operation.undoes else None,
        "begun_at": operation.begun_at,
        "committed_at": operation.committed_at,
        "effects": [
            {
                "annotation": str(effect.annotation.uid),
                "version": effect.version,
                "before": effect.before,
                "after": effect.after,
                "decided_by": effect.annotation.decided_by_id,
            }
            for effect in operation.effects.all()
        ],
        "opinions": [
            {"annotation": str(effect.annotation.uid), "before": effect.before, "after": effect.after}
            for effect in operation.opinion_effects.all()
        ],
        "settles": [
            {"annotation": str(one.annotation.uid), "author": one.author_id} for one in operation.settlements.all()
        ],
    }


def _numbers(value: Any, count: int, name: str) -> list[float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != count:
        raise Invalid(f"{name} must be {count} numbers", field=name)
    return [parse_number(v, name) for v in value]
