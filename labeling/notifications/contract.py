"""Notifications as the API says them."""

from datetime import datetime
from typing import Annotated, Literal

from labeling.contract import Answer, Body, OneOf
from labeling.notifications.models import Kind, Notification
from labeling.notifications.services import words_of
from labeling.paging import Listing

KindName = Annotated[str, OneOf(Kind)]


class NotificationListing(Listing):
    ordering: Literal["-id"] = "-id"
    unseen: Literal["true", "false"] | None = None


class NotificationAnswer(Answer):
    """`path` is where it leads; `seen_at` null: it is new."""

    id: int
    kind: KindName
    project: int
    image: int | None
    text: str
    path: str
    made_at: datetime
    seen_at: datetime | None


class SeenNotifications(Answer):
    seen: int


class NotificationChoiceBody(Body):
    """`by_mail`: once an hour at most, what is new. It counts only where `in_app` is true."""

    kind: KindName
    in_app: bool
    by_mail: bool = False


class ChoicesBody(Body):
    choices: list[NotificationChoiceBody]


class ChoiceAnswer(Answer):
    kind: KindName
    in_app: bool
    by_mail: bool


class ChoicesAnswer(Answer):
    choices: list[ChoiceAnswer]


def notification_answer(notification: Notification) -> NotificationAnswer:
    return NotificationAnswer(
        id=notification.pk,
        kind=notification.kind,
        project=notification.project_id,
        image=notification.image_id,
        text=words_of(notification),
        path=notification.path,
        made_at=notification.made_at,
        seen_at=notification.seen_at,
    )
