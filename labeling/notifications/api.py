"""One's own notifications over HTTP."""

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.contract import contract
from labeling.notifications import services
from labeling.notifications.contract import (
    ChoiceAnswer,
    ChoicesAnswer,
    ChoicesBody,
    NotificationAnswer,
    NotificationListing,
    SeenNotifications,
    notification_answer,
)
from labeling.notifications.models import Kind, Notification
from labeling.notifications.services import Choice
from labeling.paging import Page, page
from labeling.projects.access import person


class Notifications(APIView):
    """What happened that concerns me, the newest first."""

    @contract(query=NotificationListing, answer=Page[NotificationAnswer])
    def get(self, request: Request, *, query: NotificationListing) -> Page[NotificationAnswer]:
        rows = Notification.objects.visible_to(person(request)).select_related("actor", "image", "project")
        if query.unseen is not None:
            rows = rows.filter(seen_at__isnull=query.unseen == "true")
        return page(rows, request, query, ordering=query.ordering, answer=notification_answer)


class NotificationsSeen(APIView):
    """I have seen all that there are."""

    @contract(answer=SeenNotifications, scope="annotate")
    def post(self, request: Request) -> SeenNotifications:
        return SeenNotifications(seen=services.see_all(person=person(request)))


class NotificationChoices(APIView):
    """What I hear of, and by which way. PUT changes the kinds that it names."""

    @contract(answer=ChoicesAnswer)
    def get(self, request: Request) -> ChoicesAnswer:
        return choices_answer(request)

    @contract(body=ChoicesBody, answer=ChoicesAnswer)
    def put(self, request: Request, *, body: ChoicesBody) -> ChoicesAnswer:
        chosen = {Kind(one.kind): Choice(one.in_app, one.by_mail) for one in body.choices}
        services.choose(person=person(request), choices=chosen)
        return choices_answer(request)


def choices_answer(request: Request) -> ChoicesAnswer:
    own = services.own_choices(person(request))
    return ChoicesAnswer(
        choices=[ChoiceAnswer(kind=kind, in_app=one.in_app, by_mail=one.by_mail) for kind, one in own.items()]
    )
