"""Personal tokens: how programs come in, as whom, for what and until when.

A person makes and revokes them on their account page; no address of the API does, so that a token makes no token.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from labeling.accounts import throttle
from labeling.accounts.models import PersonalToken, SignInAttempt, User
from labeling.accounts.rates import count_request
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid, LabelingError
from labeling.prepared import Prepared

PREFIX = "bxw_"  # by which scanners of repositories find a token that was committed by mistake
MOST_DAYS = 366
MOST_OPEN = 50
USE_IS_NOTED_EVERY = timedelta(minutes=10)  # a write for each request would cost more than the request
TOKEN = Prepared(lambda sha256: PersonalToken.objects.filter(secret_sha256=sha256).select_related("user")[:1])


@dataclass(frozen=True)
class NewToken:
    """A token with its secret, which is shown once and stored nowhere."""

    token: PersonalToken
    secret: str


@transaction.atomic
def create_token(*, user: User, name: str, scope: str, days: int) -> NewToken:
    """A token of `user` that expires after `days`. Raises Invalid, and LabelingError for one too many."""
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise Invalid(_("a token needs a name of at most 100 characters, on one line"), field="name")
    if scope not in PersonalToken.Scope.values:
        raise Invalid(f"scope must be one of {', '.join(PersonalToken.Scope.values)}", field="scope")
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(_("a token lasts 1 to {n} days").format(n=MOST_DAYS), field="days")
    now = timezone.now()
    User.objects.select_for_update().get(pk=user.pk)  # two requests at once are counted one after the other
    if user.personal_tokens.filter(revoked_at=None, expires_at__gt=now).count() >= MOST_OPEN:
        raise LabelingError(_("you have {n} tokens; revoke one that you no longer use").format(n=MOST_OPEN))
    secret = PREFIX + secrets.token_urlsafe(32)
    token = PersonalToken.objects.create(
        user=user, name=name, scope=scope, secret_sha256=hash_of(secret), expires_at=now + timedelta(days=days)
    )
    record(Act.TOKEN_CREATED, subject=name, of=user.get_username(), scope=scope, days=days)
    return NewToken(token, secret)


@transaction.atomic
def revoke_token(*, token: PersonalToken) -> None:
    """From here on nobody comes in with it. Once is enough."""
    ended = PersonalToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    if ended:
        record(Act.TOKEN_REVOKED, subject=token.name, of=token.user.get_username())


def hash_of(secret: str) -> str:
    """As it is stored: 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def open_token(secret_sha256: str) -> PersonalToken | None:
    """The token with this hash, while somebody comes in with it; its `user` is loaded."""
    token: PersonalToken | None = TOKEN.first(secret_sha256)
    return token if token is not None and token.is_open and token.user.is_active else None


def note_use(token: PersonalToken) -> None:
    """Remember that it was used, to USE_IS_NOTED_EVERY."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - USE_IS_NOTED_EVERY:
        PersonalToken.objects.filter(pk=token.pk).update(last_used_at=now)


class PersonalTokenAuthentication(TokenAuthentication):
    """The header `Authorization: Token bxw_...`. A secret that nobody has counts against the address that sent it."""

    def authenticate(self, request: Request) -> Any:
        try:
            found = super().authenticate(request)
        except AuthenticationFailed as error:
            if error.get_codes() in ("token_expired", "token_revoked", "account_closed"):
                raise  # only who had the secret hears this: it is no guess, and must not close the door to others
            try:
                throttle.note_failure(request=request._request, door=SignInAttempt.Door.TOKEN)
            except throttle.TooManyAttempts as declined:
                raise Throttled(wait=declined.seconds) from None
            raise
        if found is not None:
            count_request(request._request, found[1])
        return found

    def authenticate_credentials(self, key: str) -> tuple[User, PersonalToken]:
        token: PersonalToken | None = TOKEN.first(hash_of(key))
        if token is None:
            raise AuthenticationFailed(_("This token is unknown. Make one on the page Your account."), "token_unknown")
        if not token.user.is_active:
            raise AuthenticationFailed(_("The account of this token is closed."), "account_closed")
        if token.revoked_at is not None:
            raise AuthenticationFailed(
                _("This token was revoked. Make another one on the page Your account."), "token_revoked"
            )
        if token.has_expired:
            raise AuthenticationFailed(
                _("This token has expired. Make another one on the page Your account."), "token_expired"
            )
        note_use(token)
        return token.user, token
