"""Invitations over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from django.urls import reverse
from pydantic import Field
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.contract import Answer, Body, ShortText, contract
from labeling.paging import Listing, Page, page
from labeling.projects import invitations
from labeling.projects.access import person, reach, reach_project
from labeling.projects.contract import RoleName
from labeling.projects.models import Invitation, Project


class InvitationAnswer(Answer):
    id: int
    role: RoleName
    note: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_by: str | None
    revoked_at: datetime | None
    is_open: bool


class NewInvitationAnswer(InvitationAnswer):
    """`link` stands here and nowhere else."""

    link: str


class InvitationListing(Listing):
    """`open`: whether the link still works."""

    ordering: Literal["-id", "id"] = "-id"
    role: RoleName | None = None
    open: Literal["true", "false"] | None = None


class InviteBody(Body):
    """One link for each note; a note says whom the link is for."""

    role: RoleName
    notes: Annotated[list[ShortText], Field(max_length=invitations.MOST_AT_ONCE)] = [""]
    days: int = invitations.DAYS


def invitation_answer(made: Invitation) -> InvitationAnswer:
    return InvitationAnswer(
        id=made.pk,
        role=made.role,  # type: ignore[arg-type]
        note=made.note,
        made_by=made.made_by.display_name,
        made_at=made.made_at,
        expires_at=made.expires_at,
        used_at=made.used_at,
        used_by=made.used_by.display_name if made.used_by else None,
        revoked_at=made.revoked_at,
        is_open=made.is_open,
    )


class InvitationList(APIView):
    """The invitations of a project, without their links. POST makes some."""

    @contract(query=InvitationListing, answer=Page[InvitationAnswer])
    def get(self, request: Request, project: int, *, query: InvitationListing) -> Page[InvitationAnswer]:
        found = reach_project(request, "oversee", project)
        rows = found.invitations.select_related("made_by", "used_by")
        if query.role is not None:
            rows = rows.filter(role=query.role)
        if query.open is not None:
            rows = rows.filter(Invitation.opens()) if query.open == "true" else rows.exclude(Invitation.opens())
        return page(rows, request, query, ordering=query.ordering, answer=invitation_answer)

    @contract(body=InviteBody, answer=list[NewInvitationAnswer], status=201)
    def post(self, request: Request, project: int, *, body: InviteBody) -> list[NewInvitationAnswer]:
        found = reach_project(request, "manage", project)
        made = invitations.invite(project=found, by=person(request), role=body.role, notes=body.notes, days=body.days)
        answers = []
        for one in made:
            link = request.build_absolute_uri(reverse("invitation-join", args=[one.token]))
            answers.append(NewInvitationAnswer(**dict(invitation_answer(one.invitation)), link=link))
        return answers


class InvitationRevoke(APIView):
    @contract(answer=InvitationAnswer)
    def post(self, request: Request, invitation: int) -> InvitationAnswer:
        rows = Invitation.objects.filter(project__in=Project.objects.visible_to(person(request)))
        found = reach(rows.select_related("project", "made_by", "used_by"), person(request), "manage", pk=invitation)
        return invitation_answer(invitations.revoke(invitation=found))
