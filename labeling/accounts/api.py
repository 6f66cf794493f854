"""Who asks, over HTTP."""

from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.models import PersonalToken, Theme, User
from labeling.accounts.services import change_theme, may_create_projects
from labeling.contract import Answer, Body, OneOf, contract


class TokenAnswer(Answer):
    """The token of this request. Its secret is said nowhere."""

    name: str
    scope: Annotated[str, OneOf(PersonalToken.Scope)]
    expires_at: datetime


class MeAnswer(Answer):
    """`token` is null for a browser; `server` is the version that runs."""

    id: int
    username: str
    name: str
    may_create_projects: bool
    token: TokenAnswer | None
    server: str


class Me(APIView):
    """Who you are here, by which token, and which version answers."""

    @contract(answer=MeAnswer)
    def get(self, request: Request) -> MeAnswer:
        user, token = request.user, request.auth
        assert isinstance(user, User)
        return MeAnswer(
            id=user.pk,
            username=user.get_username(),
            name=user.display_name,
            may_create_projects=may_create_projects(user),
            token=TokenAnswer.model_validate(token) if isinstance(token, PersonalToken) else None,
            server=server_version(),
        )


class ThemeBody(Body):
    theme: Annotated[str, OneOf(Theme)]


class ThemeAnswer(Answer):
    """`theme`: of pages and workspace, on every computer of this person."""

    theme: Annotated[str, OneOf(Theme)]


class MyTheme(APIView):
    """Light, dark or as the system."""

    @contract(body=ThemeBody, answer=ThemeAnswer)
    def post(self, request: Request, *, body: ThemeBody) -> ThemeAnswer:
        assert isinstance(request.user, User)
        change_theme(request.user, Theme(body.theme))
        return ThemeAnswer(theme=body.theme)


def server_version() -> str:
    """Of the installed distribution; an image that only holds the source says "source"."""
    try:
        return version("boxwise")
    except PackageNotFoundError:
        return "source"
