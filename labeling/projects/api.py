"""Projects over HTTP."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.projects.access import person, reach
from labeling.projects.models import LabelClass, Membership, Project


class LabelClassSerializer(serializers.ModelSerializer[LabelClass]):
    class Meta:
        model = LabelClass
        fields = ["id", "name", "color", "key"]


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    user = serializers.SerializerMethodField()
    name = serializers.CharField(source="shown_name")

    class Meta:
        model = Membership
        fields = ["user", "name", "role"]

    def get_user(self, membership: Membership) -> int | None:
        """null before the first sign-in: the number of a new account is higher than that of an old one."""
        return None if membership.invited_as else membership.user_id


class ProjectSerializer(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = [
            "id", "name", "description", "layering", "records_activity", "keeps_originals", "created_at", "archived_at",
        ]  # fmt: skip


class ProjectList(APIView):
    def get(self, request: Request) -> Response:
        projects = Project.objects.visible_to(person(request)).order_by("pk")
        return Response(ProjectSerializer(projects, many=True).data)


class ProjectDetail(APIView):
    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        members = found.memberships.select_related("user").order_by("pk")
        return Response(
            {
                **ProjectSerializer(found).data,
                "role": found.role_of(person(request)),
                "classes": LabelClassSerializer(found.classes.all(), many=True).data,
                "members": MembershipSerializer(members, many=True).data,
            }
        )
