"""What a project decides about its rounds, and what a round said while it worked, over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from django.db import transaction
from pydantic import Field
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.annotations.attributes import as_text, declare_attributes
from labeling.contract import Answer, Body, JsonObject, OneOf, Query, QueryWhole, Reply, ShortText, Text, contract
from labeling.editions import require_match, tagged
from labeling.projects.access import person, reach, reach_project
from labeling.projects.contract import AttributeAnswer
from labeling.projects.models import Project
from labeling.rounds.models import Round, RoundPolicy, Stage, StageLine
from labeling.rounds.notices.announcements import change_notices, renew_secret
from labeling.rounds.notices.delivery import send_test
from labeling.rounds.weights.promotion import change_policy, policy_of

MOST_LINES = 1000
ENDED = (Round.State.PUBLISHED, Round.State.FAILED, Round.State.CANCELLED)


class EventsQuery(Query):
    """`after` is the id of the last line that you have."""

    after: QueryWhole = 0


class LineAnswer(Answer):
    """`values` are numbers of that moment, as an epoch and its loss."""

    id: int
    at: datetime
    stage: Annotated[str, OneOf(Stage.Kind)]
    text: str
    values: JsonObject


class EventsAnswer(Answer):
    """`last` is what `after` should be the next time; `more`: there is more already; `ended`: nothing follows."""

    round: int
    state: Annotated[str, OneOf(Round.State)]
    ended: bool
    lines: list[LineAnswer]
    last: int
    more: bool


class PolicyBody(Body):
    """`promotes_itself`: a finished round's proposals become current at once."""

    promotes_itself: bool
    data_licence: ShortText = ""


class PolicyAnswer(Answer):
    promotes_itself: bool
    data_licence: str


class NoticesBody(Body):
    """An empty `webhook_url`: there is none."""

    notify_by_mail: bool
    webhook_url: Annotated[Text, Field(max_length=500)] = ""


class NoticesAnswer(Answer):
    """`webhook_secret` is the key of the webhook's signature; empty without one, and for who only oversees."""

    notify_by_mail: bool
    webhook_url: str
    webhook_secret: str


class TestedAnswer(Answer):
    """How many messages are on their way."""

    sent: int


class AttributeBody(Body):
    name: ShortText
    values: list[ShortText]


class AttributesBody(Body):
    attributes: Annotated[list[AttributeBody], Field(max_length=100)]


class AttributesAnswer(Answer):
    attributes: list[AttributeAnswer]


def _locked(request: Request, project: int) -> Project:
    return Project.objects.for_change(reach_project(request, "manage", project).pk)


class RoundEvents(APIView):
    """What a round said while it worked, oldest first. Ask again with `after` until it has `ended`."""

    @contract(query=EventsQuery, answer=EventsAnswer)
    def get(self, request: Request, round: int, *, query: EventsQuery) -> EventsAnswer:
        rounds = Round.objects.filter(project__in=Project.objects.visible_to(person(request)))
        found = reach(rounds.select_related("project"), person(request), "see", pk=round)
        # The state is read before the lines: a round that has ended by then has said everything.
        lines = StageLine.objects.filter(stage__round=found, pk__gt=query.after).select_related("stage")
        given = list(lines.order_by("pk")[: MOST_LINES + 1])
        shown = given[:MOST_LINES]
        answers = [
            LineAnswer(id=one.pk, at=one.at, stage=one.stage.kind, text=one.text, values=one.values) for one in shown
        ]
        return EventsAnswer(
            round=found.pk,
            state=found.state,
            ended=found.state in ENDED,
            lines=answers,
            last=shown[-1].pk if shown else query.after,
            more=len(given) > len(shown),
        )


def policy_answer(policy: RoundPolicy) -> PolicyAnswer:
    return PolicyAnswer(promotes_itself=policy.promotes_itself, data_licence=policy.data_licence)


class Policy(APIView):
    @contract(answer=PolicyAnswer)
    def get(self, request: Request, project: int) -> Reply:
        return tagged(policy_answer(policy_of(reach_project(request, "see", project))))

    @contract(body=PolicyBody, answer=PolicyAnswer)
    @transaction.atomic
    def put(self, request: Request, project: int, *, body: PolicyBody) -> Reply:
        found = _locked(request, project)
        require_match(request, policy_answer(policy_of(found)))
        return tagged(policy_answer(change_policy(project=found, **body.model_dump())))


def notices_answer(policy: RoundPolicy, *, manages: bool = True) -> NoticesAnswer:
    return NoticesAnswer(
        notify_by_mail=policy.notify_by_mail,
        webhook_url=policy.webhook_url,
        webhook_secret=policy.webhook_secret if manages and policy.webhook_url else "",
    )


class Notices(APIView):
    """Who is told when a round ends: mail to those who lead, and a webhook."""

    @contract(answer=NoticesAnswer)
    def get(self, request: Request, project: int) -> Reply:
        return tagged(
            notices_answer(policy_of(reach_project(request, "oversee", project)), manages=_may_write(request))
        )

    @contract(body=NoticesBody, answer=NoticesAnswer)
    @transaction.atomic
    def put(self, request: Request, project: int, *, body: NoticesBody) -> Reply:
        found = _locked(request, project)
        require_match(request, notices_answer(policy_of(found)))
        return tagged(notices_answer(change_notices(project=found, **body.model_dump())))


def _may_write(request: Request) -> bool:
    """A token that only reads hears no secret by which others' messages could be forged."""
    scope: Any = getattr(request.auth, "scope", "manage")
    return bool(scope == "manage")


class NoticesSecret(APIView):
    """Another key of the webhook's signature."""

    @contract(answer=NoticesAnswer)
    def post(self, request: Request, project: int) -> NoticesAnswer:
        return notices_answer(renew_secret(project=reach_project(request, "manage", project)))


class NoticesTest(APIView):
    """A test by every way that the project has."""

    @contract(answer=TestedAnswer, status=202)
    def post(self, request: Request, project: int) -> TestedAnswer:
        found = reach_project(request, "manage", project)
        return TestedAnswer(sent=len(send_test(project=found, by=person(request))))


def attributes_answer(project: Project) -> AttributesAnswer:
    return AttributesAnswer(
        attributes=[AttributeAnswer(name=name, values=values) for name, values in project.attributes]
    )


class Attributes(APIView):
    """What is said of a cell besides its class."""

    @contract(answer=AttributesAnswer)
    def get(self, request: Request, project: int) -> Reply:
        return tagged(attributes_answer(reach_project(request, "see", project)))

    @contract(body=AttributesBody, answer=AttributesAnswer)
    @transaction.atomic
    def put(self, request: Request, project: int, *, body: AttributesBody) -> Reply:
        """The whole list. What cells have already must stay in it."""
        found = _locked(request, project)
        require_match(request, attributes_answer(found))
        declare_attributes(project=found, text=as_text((one.name, one.values) for one in body.attributes))
        return tagged(attributes_answer(found))
