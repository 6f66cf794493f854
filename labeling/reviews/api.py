"""Comments over HTTP."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.accounts.models import User
from labeling.annotations.models import Layer
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.numbers import required_number
from labeling.projects.access import person, reach
from labeling.projects.models import Project
from labeling.reviews import services
from labeling.reviews.models import Comment
from labeling.reviews.services import Pin

MOST_SHOWN = 200


class ThreadSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(trim_whitespace=False)
    layer = serializers.UUIDField(required=False, allow_null=True, default=None)
    annotation = serializers.UUIDField(required=False, allow_null=True, default=None)
    x = serializers.FloatField(required=False, allow_null=True, default=None)
    y = serializers.FloatField(required=False, allow_null=True, default=None)


class ReplySerializer(serializers.Serializer[Any]):
    text = serializers.CharField(trim_whitespace=False)


def given(kind: type[serializers.BaseSerializer[Any]], request: Request) -> Any:
    asked = kind(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked.validated_data


def named(user: User) -> dict[str, Any]:
    return {"id": user.pk, "name": user.display_name}


def thread_json(thread: Comment) -> dict[str, Any]:
    """A thread with its comments, the first one first."""
    return {
        "id": thread.pk,
        "image": thread.image_id,
        "layer": thread.layer_id and str(thread.layer_id),
        "annotation": thread.annotation and str(thread.annotation),
        "x": thread.x,
        "y": thread.y,
        "resolved_at": thread.resolved_at,
        "resolved_by": named(thread.resolved_by) if thread.resolved_by else None,
        "comments": [
            {"id": one.pk, "author": named(one.author), "text": one.text, "made_at": one.made_at}
            for one in [thread, *thread.replies.all()]
        ],
    }


def reach_image(request: Request, act: str, image: int) -> Image:
    images = Image.objects.visible_to(person(request)).select_related("project")
    return reach(images, person(request), act, pk=image)


def reach_thread(request: Request, act: str, comment: int) -> Comment:
    threads = Comment.objects.visible_to(person(request)).filter(root=None)
    threads = with_replies(threads.select_related("image__project", "layer"), person(request))
    return reach(threads, person(request), act, project="image.project", pk=comment)


class ImageComments(APIView):
    """The threads of an image. POST begins one, about a cell (layer, annotation), a place (x, y), or the image."""

    def get(self, request: Request, image: int) -> Response:
        found = reach_image(request, "see", image)
        threads = Comment.objects.visible_to(person(request)).filter(image=found, root=None)
        return Response(
            {"threads": [thread_json(thread) for thread in with_replies(threads.order_by("pk"), person(request))]}
        )

    def post(self, request: Request, image: int) -> Response:
        found = reach_image(request, "comment", image)
        asked = given(ThreadSerializer, request)
        layer = None
        if asked["layer"] is not None:
            layers = Layer.objects.visible_to(person(request)).filter(image=found)
            layer = layers.filter(pk=asked["layer"]).first()
            if layer is None:
                raise Invalid("this image has no such layer", field="layer")
        pin = Pin(layer, asked["annotation"], asked["x"], asked["y"])
        made = services.begin_thread(image=found, author=person(request), text=asked["text"], pin=pin)
        return Response(thread_json(made), status=201)


def with_replies(threads: QuerySet[Comment], user: User) -> QuerySet[Comment]:
    """Threads with those of their replies that `user` may read; three queries."""
    replies = Comment.objects.visible_to(user).select_related("author").order_by("pk")
    return threads.select_related("author", "resolved_by").prefetch_related(Prefetch("replies", queryset=replies))


class CommentList(APIView):
    """The threads of a project, the newest first: ?open=1 only those that are not resolved; ?before= an id."""

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        threads = Comment.objects.visible_to(person(request)).filter(image__project=found, root=None)
        if "open" in request.query_params:
            threads = threads.filter(resolved_at__isnull=True)
        if "before" in request.query_params:
            threads = threads.filter(pk__lt=required_number(request.query_params["before"], "before"))
        rows = list(with_replies(threads.order_by("-pk"), person(request))[: MOST_SHOWN + 1])
        return Response(
            {"threads": [thread_json(thread) for thread in rows[:MOST_SHOWN]], "more": len(rows) > MOST_SHOWN}
        )


class CommentReply(APIView):
    def post(self, request: Request, comment: int) -> Response:
        thread = reach_thread(request, "comment", comment)
        services.reply(thread=thread, author=person(request), text=given(ReplySerializer, request)["text"])
        return Response(thread_json(reach_thread(request, "see", comment)), status=201)


class CommentResolve(APIView):
    def post(self, request: Request, comment: int) -> Response:
        thread = reach_thread(request, "comment", comment)
        services.resolve(thread=thread, by=person(request))
        return Response(thread_json(reach_thread(request, "see", comment)))


class CommentReopen(APIView):
    def post(self, request: Request, comment: int) -> Response:
        thread = reach_thread(request, "comment", comment)
        services.reopen(thread=thread)
        return Response(thread_json(reach_thread(request, "see", comment)))


class CommentSeen(APIView):
    """I have read the comments of this image."""

    def post(self, request: Request, image: int) -> Response:
        found = reach_image(request, "see", image)
        return Response({"seen": services.see_mentions(image=found, user=person(request))})
