"""Invitations over HTTP."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.projects import invitations
from labeling.projects.access import person, reach
from labeling.projects.models import Invitation, Project, Role


class InviteSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=Role.values)
    notes = serializers.ListField(
        child=serializers.CharField(allow_blank=True, max_length=150), default=lambda: [""], max_length=100
    )
    days = serializers.IntegerField(default=invitations.DAYS)


def invitation_json(made: Invitation) -> dict[str, Any]:
    return {
        "id": made.pk,
        "role": made.role,
        "note": made.note,
        "made_by": {"id": made.made_by_id, "name": made.made_by.display_name},
        "made_at": made.made_at,
        "expires_at": made.expires_at,
        "used_at": made.used_at,
        "used_by": made.used_by and {"id": made.used_by_id, "name": made.used_by.display_name},
        "revoked_at": made.revoked_at,
        "is_open": made.is_open,
    }


class InvitationList(APIView):
    """The invitations of a project, without their links. POST {"role", "notes": [...], "days"} makes one link a note;
    the links stand in the answer and nowhere else."""

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "oversee", project="", pk=project)
        rows = found.invitations.select_related("made_by", "used_by")[:500]
        return Response({"invitations": [invitation_json(row) for row in rows]})

    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        asked = InviteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = invitations.invite(project=found, by=person(request), **asked.validated_data)
        rows = []
        for one in made:
            link = request.build_absolute_uri(reverse("invitation-join", args=[one.token]))
            rows.append(invitation_json(one.invitation) | {"link": link})
        return Response({"invitations": rows}, status=201)


class InvitationRevoke(APIView):
    def post(self, request: Request, invitation: int) -> Response:
        rows = Invitation.objects.filter(project__in=Project.objects.visible_to(person(request)))
        found = reach(rows.select_related("project", "made_by", "used_by"), person(request), "manage", pk=invitation)
        revoked = invitations.revoke(invitation=found)
        return Response(invitation_json(revoked))
