"""The log over HTTP: packs out, operations in and out, activity in."""

import uuid
from functools import partial

from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpResponse, StreamingHttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.credentials import Credentials, credentials_of
from labeling.accounts.models import User
from labeling.annotations import activity, feed, heads, packs
from labeling.annotations.contract import (
    MOST_TAIL,
    ActivityBody,
    HeadsAnswer,
    HeadsQuery,
    Notified,
    OperationAnswer,
    OperationsAnswer,
    OperationsBody,
    PresenceBody,
    Stored,
    TailAnswer,
    TailQuery,
)
from labeling.annotations.models import Layer, Operation
from labeling.annotations.services import is_writer, write_operations
from labeling.annotations.wire import FeedMessage
from labeling.contract import Reply, contract
from labeling.errors import Invalid
from labeling.prepared import Prepared
from labeling.projects.access import allowed, person
from labeling.projects.models import MAY

# `study_item`: most projects are no sheet of a study, and the log asks (study_sheets.py). The user is an active one:
# nobody else is signed in.
SEEN_LAYER = Prepared(
    lambda layer, user: (
        Layer.objects.visible_to(User(pk=user))
        .filter(pk=layer)
        .select_related("image__project__study_item", "image__work_item", "head")[:1]
    )
)


def _layer(request: Request, layer: uuid.UUID, act: str) -> Layer:
    found: Layer | None = SEEN_LAYER.first(layer, person(request).pk)
    if found is None:
        raise Http404
    return allowed(found, person(request), act, project="image.project")


class Pack(APIView):
    """All live annotations of a layer, binary (annotations/packs.py)."""

    @contract(files=("application/octet-stream",))
    def get(self, request: Request, layer: uuid.UUID) -> HttpResponse:
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

    @contract(query=TailQuery, answer=TailAnswer)
    def get(self, request: Request, layer: uuid.UUID, *, query: TailQuery) -> TailAnswer:
        found = _layer(request, layer, "see")
        limit = min(query.limit, MOST_TAIL)
        operations = list(
            found.operations.filter(seq__gt=query.after)
            .select_related("author")
            .prefetch_related("effects__annotation", "opinion_effects__annotation", "settlements__annotation")
            .order_by("seq")[: limit + 1]
        )
        return TailAnswer(
            layer=found.pk,
            seq=found.head.seq,
            operations=[operation_answer(operation) for operation in operations[:limit]],
            more=len(operations) > limit,
        )

    @contract(
        body=OperationsBody,
        answer=OperationsAnswer,
        also={409: OperationsAnswer, 422: OperationsAnswer},
        scope="annotate",
    )
    def post(self, request: Request, layer: uuid.UUID, *, body: OperationsBody) -> Reply:
        """200 where all are accepted, 409 where one is stale, 422 where one is invalid; each has a verdict."""
        found = _layer(request, layer, "annotate")
        if found.kind == Layer.Kind.WORKING and not is_writer(layer=found, user=person(request)):
            raise Invalid("this is somebody else's layer", field="layer")
        seq, verdicts = write_operations(layer=found, author=person(request), operations=body.operations)
        kinds = {verdict.verdict for verdict in verdicts}
        status = 409 if kinds & {"stale", "kept"} else 422 if "invalid" in kinds else 200
        results = [verdict.as_json() for verdict in verdicts]
        return Reply({"layer": found.pk, "seq": seq, "results": results}, status)


class Heads(APIView):
    """What the log says of some annotations: the last operation, who did it and when. A browser asks it before it says
    that somebody has changed a cell."""

    @contract(query=HeadsQuery, answer=HeadsAnswer)
    def get(self, request: Request, layer: uuid.UUID, *, query: HeadsQuery) -> HeadsAnswer:
        found = _layer(request, layer, "see")
        named = heads.heads_of(layer=found, uids=query.annotation)
        return HeadsAnswer.model_validate({"layer": found.pk, "annotations": named})


class EventStream(JSONRenderer):
    """What a browser's EventSource asks for; an error goes out as JSON all the same."""

    media_type = "text/event-stream"
    format = "event-stream"


class Feed(APIView):
    """What happens on a layer, as server-sent events: {"seq": n} when its log has grown, {"person": ...} for where
    others look and what they edit. Hints only; the log is read over HTTP."""

    renderer_classes = [EventStream, JSONRenderer]

    @contract(files=("text/event-stream",))
    def get(self, request: Request, layer: uuid.UUID) -> StreamingHttpResponse:
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

    @contract(body=PresenceBody, answer=Notified, scope="annotate")
    def post(self, request: Request, layer: uuid.UUID, *, body: PresenceBody) -> Notified:
        found = _layer(request, layer, "see")
        message: FeedMessage = {
            "person": {"id": person(request).pk, "name": person(request).display_name},
            "session": str(body.session),
            "cursor": None if body.cursor is None else list(body.cursor),
            "view": None if body.view is None else list(body.view),
            "editing": None if body.editing is None else str(body.editing),
            "gone": body.gone,
        }
        feed.tell(found.pk, message)
        return Notified(notified=True)


class Activity(APIView):
    """What a person did, as raw events; what they come to is computed elsewhere (annotations/active_time.py)."""

    @contract(body=ActivityBody, answer=Stored, scope="annotate")
    def post(self, request: Request, *, body: ActivityBody) -> Stored:
        return Stored(stored=activity.record(user=person(request), sent=body))


def operation_answer(operation: Operation) -> OperationAnswer:
    """An operation as the browser replays it. `decided_by` is who has decided the cell by now, not at that time: the
    tail always runs up to now."""
    return OperationAnswer.model_validate(
        {
            "op_id": operation.op_id,
            "layer": operation.layer_id,
            "seq": operation.seq,
            "action": operation.action,
            "author": {"id": operation.author_id, "name": operation.author.display_name},
            "tool": operation.tool,
            "session": operation.session,
            "undoes": operation.undoes,
            "begun_at": operation.begun_at,
            "committed_at": operation.committed_at,
            "effects": [
                {
                    "annotation": effect.annotation.uid,
                    "version": effect.version,
                    "before": effect.before,
                    "after": effect.after,
                    "decided_by": effect.annotation.decided_by_id,
                }
                for effect in operation.effects.all()
            ],
            "opinions": [
                {"annotation": effect.annotation.uid, "before": effect.before, "after": effect.after}
                for effect in operation.opinion_effects.all()
            ],
            "settles": [
                {"annotation": one.annotation.uid, "author": one.author_id} for one in operation.settlements.all()
            ],
        }
    )
