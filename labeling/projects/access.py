"""Access: how a request reaches an object, and whether the role of its user allows the act.

A stranger gets 404, never 403: that something exists is already a secret. A member whose role does not reach gets 403.
"""

from typing import TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from rest_framework.request import Request

from labeling.accounts.models import User
from labeling.projects.models import CHANGES, MAY, Membership, Project

M = TypeVar("M", bound=Model)


def person(request: HttpRequest | Request) -> User:
    """Who is signed in. Raises PermissionDenied for nobody: views ask for a signed-in person before they come here."""
    if not isinstance(request.user, User):
        raise PermissionDenied("sign in first")
    return request.user


def reach(queryset: QuerySet[M], user: User, act: str, *, project: str = "project", **lookup: object) -> M:
    """The object of `queryset` (already narrowed by visible_to) that `lookup` names, for somebody who may `act`.

    project  attribute path from the object to its project, "" when it is the project
    Raises Http404 for what the user cannot see, PermissionDenied when the role does not reach, Archived for an act that
    changes a project which is archived.
    """
    return allowed(get_object_or_404(queryset, **lookup), user, act, project=project)


def reach_project(request: HttpRequest | Request, act: str, project: int, *, sheets: bool = True) -> Project:
    """The project with this key, for somebody who may `act` in it. Raises what person and reach raise.

    sheets  whether it may be the sheet of one person, which has no pages of its own
    """
    user = person(request)
    projects = Project.objects.visible_to(user)
    if not sheets:
        projects = projects.filter(is_sheet=False)
    return reach(projects, user, act, project="", pk=project)


def allowed(found: M, user: User, act: str, *, project: str = "project") -> M:
    """An object that the user sees, for somebody who may `act`: the second half of reach, with the same errors."""
    owner: object = found
    for name in project.split(".") if project else []:
        owner = getattr(owner, name)
    assert isinstance(owner, Project)
    if owner.role_of(user) not in MAY[act]:
        raise PermissionDenied("your role in this project does not allow this")
    if act in CHANGES:
        owner.decline_if_archived()
    return found


def sees_everybody(project: Project, user: User) -> bool:
    """Whether `user` may know what each of the others has read, drawn or said in a project.

    Where annotators read apart (Project.Layering.PER_ANNOTATOR) only those who lead do. The layers and the comments of
    others follow the same rule, as filters of rows: LayerQuerySet.visible_to, CommentQuerySet.visible_to.
    """
    return project.layering == Project.Layering.SHARED or project.role_of(user) in MAY["export"]


def members_seen_by(user: User, project: Project) -> QuerySet[Membership]:
    """The members of a project of whom `user` may know: themselves alone where they do not see everybody."""
    members = project.memberships.select_related("user")
    return members if sees_everybody(project, user) else members.filter(user=user)
