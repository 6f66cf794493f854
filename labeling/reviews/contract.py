"""Comments as the API says them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from labeling.assignments.contract import PersonAnswer, person_answer, person_or_none
from labeling.contract import Answer, Body, Text
from labeling.paging import Listing
from labeling.reviews.models import Comment


class CommentAnswer(Answer):
    id: int
    author: PersonAnswer
    text: str
    made_at: datetime


class ThreadAnswer(Answer):
    """A thread with its comments, the first one first. x, y: image pixels, null for the whole image."""

    id: int
    image: int
    layer: UUID | None
    annotation: UUID | None
    x: float | None
    y: float | None
    resolved_at: datetime | None
    resolved_by: PersonAnswer | None
    comments: list[CommentAnswer]


class ThreadsAnswer(Answer):
    threads: list[ThreadAnswer]


class SeenAnswer(Answer):
    seen: int


class ThreadBody(Body):
    """About a cell (layer and annotation), a place (x, y), or the image."""

    text: Text
    layer: UUID | None = None
    annotation: UUID | None = None
    x: float | None = None
    y: float | None = None


class ReplyBody(Body):
    text: Text


class ThreadListing(Listing):
    ordering: Literal["id", "-id"] = "-id"
    open: Literal["true", "false"] | None = None


def thread_answer(thread: Comment) -> ThreadAnswer:
    return ThreadAnswer(
        id=thread.pk,
        image=thread.image_id,
        layer=thread.layer_id,
        annotation=thread.annotation,
        x=thread.x,
        y=thread.y,
        resolved_at=thread.resolved_at,
        resolved_by=person_or_none(thread.resolved_by),
        comments=[_comment_answer(one) for one in [thread, *thread.replies.all()]],
    )


def _comment_answer(comment: Comment) -> CommentAnswer:
    author = person_answer(comment.author)
    return CommentAnswer(id=comment.pk, author=author, text=comment.text, made_at=comment.made_at)
