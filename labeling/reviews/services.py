"""Writing comments: begin a thread, reply, resolve, reopen. One function a write."""

import re
import uuid
from dataclasses import dataclass

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations import feed
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import has_own_layers
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.notifications.models import Kind
from labeling.notifications.services import notify
from labeling.projects.models import Project
from labeling.reviews.models import MOST_CHARACTERS, Comment, Mention

MENTION = re.compile(r"(?<![\w@])@([\w.+-]+)")


@dataclass(frozen=True)
class Pin:
    """What a thread is about: a cell of a layer, a place in image pixels, or neither: the whole image."""

    layer: Layer | None = None
    annotation: uuid.UUID | None = None
    x: float | None = None
    y: float | None = None


@transaction.atomic
def begin_thread(*, image: Image, author: User, text: str, pin: Pin) -> Comment:
    """The first comment of a thread. The place of a cell is kept, so that the thread outlives the cell.

    Raises Invalid with the field, Archived.
    """
    _decline_where_nobody_comments(image.project)
    placed = _placed(image, pin)
    comment = Comment.objects.create(
        image=image,
        author=author,
        text=_text(text),
        layer=placed.layer,
        annotation=placed.annotation,
        x=placed.x,
        y=placed.y,
    )
    _mention(comment)
    _announce(comment)
    return comment


@transaction.atomic
def reply(*, thread: Comment, author: User, text: str) -> Comment:
    """Another comment in a thread. Raises WrongState for a resolved one, which is reopened first; Invalid, Archived."""
    _decline_where_nobody_comments(thread.image.project)
    thread = _lock(thread)
    if thread.resolved_at is not None:
        raise WrongState(_("this thread is resolved; reopen it to go on"))
    comment = Comment.objects.create(image_id=thread.image_id, root=thread, author=author, text=_text(text))
    _mention(comment)
    _announce(thread)
    return comment


@transaction.atomic
def resolve(*, thread: Comment, by: User) -> Comment:
    """Nothing is open in this thread any more. Twice is once."""
    _decline_where_nobody_comments(thread.image.project)
    thread = _lock(thread)
    if thread.resolved_at is None:
        thread.resolved_at, thread.resolved_by = timezone.now(), by
        thread.save(update_fields=["resolved_at", "resolved_by"])
        _announce(thread)
    return thread


@transaction.atomic
def reopen(*, thread: Comment) -> Comment:
    _decline_where_nobody_comments(thread.image.project)
    thread = _lock(thread)
    if thread.resolved_at is not None:
        thread.resolved_at = thread.resolved_by = None
        thread.save(update_fields=["resolved_at", "resolved_by"])
        _announce(thread)
    return thread


def see_mentions(*, image: Image, user: User) -> int:
    """`user` has opened the comments of an image: what mentions them there is no news any more. -> how many."""
    unseen = Mention.objects.filter(comment__image=image, person=user, seen_at__isnull=True)
    return unseen.update(seen_at=timezone.now())


def _decline_where_nobody_comments(project: Project) -> None:
    """Raises Archived, or WrongState on the sheet of a study: a remark there could tell a reader what others see."""
    project.decline_if_archived()
    if project.is_sheet:
        raise WrongState(_("fields of a study have no comments"))


def _text(text: str) -> str:
    text = text.strip()
    if not text or len(text) > MOST_CHARACTERS or "\x00" in text:
        raise Invalid(_("a comment has 1 to {n} characters").format(n=MOST_CHARACTERS), field="text")
    return text


def _placed(image: Image, pin: Pin) -> Pin:
    """A pin that fits the image. Raises Invalid with the field."""
    if (pin.x is None) != (pin.y is None):
        raise Invalid("a place has x and y", field="x")
    if pin.x is not None and pin.y is not None and not (0 <= pin.x <= image.width and 0 <= pin.y <= image.height):
        raise Invalid(f"the place lies outside the image of {image.width} x {image.height} pixels", field="x")
    if pin.annotation is None:
        return Pin(layer=pin.layer, x=pin.x, y=pin.y)
    cell = Annotation.objects.filter(layer=pin.layer, uid=pin.annotation).first() if pin.layer else None
    if cell is None:
        raise Invalid("this layer has no such cell", field="annotation")
    return Pin(pin.layer, pin.annotation, (cell.x0 + cell.x1) / 2, (cell.y0 + cell.y1) / 2)


def _lock(thread: Comment) -> Comment:
    return Comment.objects.select_for_update(of=("self",)).select_related("image__project", "layer").get(pk=thread.pk)


def _mention(comment: Comment) -> None:
    """@name of somebody who may read the comment. Other words that begin with @ are words."""
    names = {name.rstrip(".") for name in MENTION.findall(comment.text)}
    if not names:
        return
    members = User.objects.filter(memberships__project=comment.image.project_id, username__in=names)
    for user in members.exclude(pk=comment.author_id):
        if Comment.objects.visible_to(user).filter(pk=comment.pk).exists():
            Mention.objects.get_or_create(comment=comment, person=user)
            _tell(comment, user)


def _tell(comment: Comment, user: User) -> None:
    path = f"{reverse('image', args=[comment.image_id])}#comment-{comment.root_id or comment.pk}"
    image, project = comment.image, comment.image.project
    notify(kind=Kind.MENTIONED, people=[user], project=project, actor=comment.author, image=image, path=path)


def _announce(thread: Comment) -> None:
    """After the commit: who looks at the image now and may read the thread asks for the comments again."""
    layers = Layer.objects.filter(image_id=thread.image_id, kind=Layer.Kind.WORKING)
    if has_own_layers(thread.image):
        own = thread.layer.annotator_id if thread.layer else thread.author_id
        layers = layers.filter(annotator=own)
    for key in layers.values_list("pk", flat=True):
        transaction.on_commit(lambda key=key: feed.tell(key, {"comments": thread.image_id}))  # type: ignore[misc]
