"""What a search finds by name: projects, images and people, as far as somebody sees them."""

from typing import Annotated, Literal

from django.db.models import Q
from django.urls import reverse
from pydantic import Field
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.models import User
from labeling.contract import Answer, Query, contract
from labeling.images.models import Image
from labeling.projects.access import person
from labeling.projects.models import MAY, Membership, Project

MOST_FOUND = 20  # of each kind
LONGEST = 100  # of what is searched for, characters


class Found(Answer):
    """`where`: the project that it belongs to, "" of a project. `url`: of its page on this server."""

    kind: Literal["project", "image", "person"]
    name: str
    where: str
    url: str


class SearchQuery(Query):
    """Part of a name."""

    q: Annotated[str, Field(min_length=1, max_length=LONGEST)]


class SearchAnswer(Answer):
    """At most 20 of each kind, by name."""

    found: list[Found]


class Search(APIView):
    """Projects, images and people by a part of their name."""

    @contract(query=SearchQuery, answer=SearchAnswer)
    def get(self, request: Request, *, query: SearchQuery) -> SearchAnswer:
        return SearchAnswer(found=search(person(request), query.q.strip()))


def search(user: User, text: str) -> list[Found]:
    if not text:  # nothing but spaces was asked for
        return []
    return [*found_projects(user, text), *found_images(user, text), *found_people(user, text)]


def found_projects(user: User, text: str) -> list[Found]:
    projects = Project.objects.visible_to(user).filter(is_sheet=False, name__icontains=text).order_by("name")
    rows = projects[:MOST_FOUND]
    return [Found(kind="project", name=row.name, where="", url=reverse("project", args=[row.pk])) for row in rows]


def found_images(user: User, text: str) -> list[Found]:
    images = Image.objects.visible_to(user).filter(project__is_sheet=False, name__icontains=text)
    rows = images.select_related("project").order_by("name")[:MOST_FOUND]
    return [
        Found(kind="image", name=row.name, where=row.project.name, url=reverse("image", args=[row.pk])) for row in rows
    ]


def found_people(user: User, text: str) -> list[Found]:
    """Members of one's projects, as the page of their team names them: where annotators read apart, only those who lead
    find anybody but themselves (projects/access.py, sees_everybody)."""
    projects = Project.objects.visible_to(user).filter(is_sheet=False)
    led = Project.objects.filter(memberships__user=user, memberships__role__in=MAY["export"])
    is_seen = Q(user=user) | Q(project__layering=Project.Layering.SHARED) | Q(project__in=led.values("pk"))
    by_account = Q(user__username__icontains=text) | Q(user__first_name__icontains=text)
    by_account |= Q(user__last_name__icontains=text)
    is_shown = Q(invited_as="") & by_account | Q(invited_as__icontains=text)
    members = Membership.objects.filter(is_shown & is_seen, project__in=projects).select_related("user", "project")
    rows = members.order_by("user__username", "project__name")[:MOST_FOUND]
    return [
        Found(
            kind="person",
            name=row.shown_name,
            where=row.project.name,
            url=reverse("project-team", args=[row.project_id]),
        )
        for row in rows
    ]
