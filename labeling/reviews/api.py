"""Comments over HTTP."""

from django.db.models import Prefetch, QuerySet
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.models import User
from labeling.accounts.repeats import once
from labeling.annotations.models import Layer
from labeling.contract import contract
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.paging import Page, page
from labeling.projects.access import person, reach, reach_project
from labeling.reviews import services
from labeling.reviews.contract import (
    ReplyBody,
    SeenAnswer,
    ThreadAnswer,
    ThreadBody,
    ThreadListing,
    ThreadsAnswer,
    thread_answer,
)
from labeling.reviews.models import Comment
from labeling.reviews.services import Pin


def reach_image(request: Request, act: str, image: int) -> Image:
    images = Image.objects.visible_to(person(request)).select_related("project")
    return reach(images, person(request), act, pk=image)


def reach_thread(request: Request, act: str, comment: int) -> Comment:
    threads = Comment.objects.visible_to(person(request)).filter(root=None).select_related("image__project", "layer")
    return reach(with_replies(threads, person(request)), person(request), act, project="image.project", pk=comment)


def with_replies(threads: QuerySet[Comment], user: User) -> QuerySet[Comment]:
    """Threads with those of their replies that `user` may read; three queries."""
    replies = Comment.objects.visible_to(user).select_related("author").order_by("pk")
    return threads.select_related("author", "resolved_by").prefetch_related(Prefetch("replies", queryset=replies))


class ImageComments(APIView):
    """The threads of an image. POST begins one."""

    @contract(answer=ThreadsAnswer)
    def get(self, request: Request, image: int) -> ThreadsAnswer:
        found = reach_image(request, "see", image)
        threads = Comment.objects.visible_to(person(request)).filter(image=found, root=None).order_by("pk")
        return ThreadsAnswer(threads=[thread_answer(one) for one in with_replies(threads, person(request))])

    @once
    @contract(body=ThreadBody, answer=ThreadAnswer, status=201, scope="annotate")
    def post(self, request: Request, image: int, *, body: ThreadBody) -> ThreadAnswer:
        found = reach_image(request, "comment", image)
        layer = None
        if body.layer is not None:
            layers = Layer.objects.visible_to(person(request)).filter(image=found)
            layer = layers.filter(pk=body.layer).first()
            if layer is None:
                raise Invalid("this image has no such layer", field="layer")
        pin = Pin(layer, body.annotation, body.x, body.y)
        made = services.begin_thread(image=found, author=person(request), text=body.text, pin=pin)
        return thread_answer(made)


class CommentList(APIView):
    """The threads of a project."""

    @contract(query=ThreadListing, answer=Page[ThreadAnswer])
    def get(self, request: Request, project: int, *, query: ThreadListing) -> Page[ThreadAnswer]:
        found = reach_project(request, "see", project)
        threads = Comment.objects.visible_to(person(request)).filter(image__project=found, root=None)
        if query.open is not None:
            threads = threads.filter(resolved_at__isnull=query.open == "true")
        rows = with_replies(threads, person(request))
        return page(rows, request, query, ordering=query.ordering, answer=thread_answer)


class CommentReply(APIView):
    @once
    @contract(body=ReplyBody, answer=ThreadAnswer, status=201, scope="annotate")
    def post(self, request: Request, comment: int, *, body: ReplyBody) -> ThreadAnswer:
        thread = reach_thread(request, "comment", comment)
        services.reply(thread=thread, author=person(request), text=body.text)
        return thread_answer(reach_thread(request, "see", comment))


class CommentResolve(APIView):
    @contract(answer=ThreadAnswer, scope="annotate")
    def post(self, request: Request, comment: int) -> ThreadAnswer:
        thread = reach_thread(request, "comment", comment)
        services.resolve(thread=thread, by=person(request))
        return thread_answer(reach_thread(request, "see", comment))


class CommentReopen(APIView):
    @contract(answer=ThreadAnswer, scope="annotate")
    def post(self, request: Request, comment: int) -> ThreadAnswer:
        thread = reach_thread(request, "comment", comment)
        services.reopen(thread=thread)
        return thread_answer(reach_thread(request, "see", comment))


class CommentSeen(APIView):
    """I have read the comments of this image."""

    @contract(answer=SeenAnswer, scope="annotate")
    def post(self, request: Request, image: int) -> SeenAnswer:
        found = reach_image(request, "see", image)
        return SeenAnswer(seen=services.see_mentions(image=found, user=person(request)))
