"""How somebody came in, remembered so that a request that lasts can ask again whether it still holds."""

from dataclasses import dataclass
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from rest_framework.request import Request

from labeling.accounts.models import PersonalToken, User
from labeling.accounts.tokens import hash_of, open_token


@dataclass(frozen=True)
class Credentials:
    """A session or the hash of a token's secret; both empty where there was neither."""

    session: str = ""
    token_sha256: str = ""

    @classmethod
    def of_token(cls, secret: str) -> "Credentials":
        return cls(token_sha256=hash_of(secret))

    def user(self) -> User | None:
        """Who it belongs to now; None once the session or the token has ended, the password is another one, or the
        account is closed."""
        if self.token_sha256:
            found = open_token(self.token_sha256)
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
    if isinstance(request.auth, PersonalToken):
        return Credentials(token_sha256=request.auth.secret_sha256)
    return Credentials(session=request.session.session_key or "")
