"""How somebody came in, remembered so that a request that lasts can ask again whether it still holds."""

from dataclasses import dataclass
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from rest_framework.authtoken.models import Token
from rest_framework.request import Request

from labeling.accounts.models import User


@dataclass(frozen=True)
class Credentials:
    """A session or a token; both empty where there was neither."""

    session: str = ""
    token: str = ""

    def user(self) -> User | None:
        """Who it belongs to now; None once the session has ended, the token is gone, the password is another one, or
        the account is closed."""
        if self.token:
            found = Token.objects.filter(key=self.token, user__is_active=True).select_related("user").first()
            return found.user if found else None
        if not self.session:
            return None
        engine = import_module(settings.SESSION_ENGINE)
        request = HttpRequest()
        request.session = engine.SessionStore(self.session)
        user = get_user(request)  # compares the hash of the password that is kept in the session
        return user if isinstance(user, User) and user.is_active else None


def credentials_of(request: Request) -> Credentials:
    """What a request came in with."""
    if isinstance(request.auth, Token):
        return Credentials(token=request.auth.key)
    return Credentials(session=request.session.session_key or "")
