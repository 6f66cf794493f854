"""Projects over HTTP."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.access import person, reach
from labeling.projects.models import LabelClass, Membership, Project


class LabelClassSerializer(serializers.ModelSerializer[LabelClass]):
    class Meta:
        model = LabelClass
        fields = ["id", "name", "color", "key"]


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    name = serializers.CharField(source="user.display_name")

    class Meta:
        model = Membership
        fields = ["user", "name", "role"]


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
