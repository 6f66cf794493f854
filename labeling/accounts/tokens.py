"""API tokens, with the limit on attempts that every way in has."""

from typing import Any

from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from labeling.accounts import throttle
from labeling.accounts.models import SignInAttempt


class LimitedTokenAuthentication(TokenAuthentication):
    """A token that exists costs nothing more; one that does not counts against the address that sent it."""

    def authenticate(self, request: Request) -> Any:
        try:
            return super().authenticate(request)
        except AuthenticationFailed:
            try:
                throttle.note_failure(request=request._request, door=SignInAttempt.Door.TOKEN)
            except throttle.TooManyAttempts as declined:
                raise Throttled(wait=declined.seconds) from None
            raise
