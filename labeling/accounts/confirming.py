"""Asking once more who somebody is, before something that a stranger at an open browser must not do.

Who has a password types it. Who came through an identity provider alone has none: their sign-in must be new, and the
provider can renew it (accounts/single_sign_on.py).
"""

import time

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from labeling.accounts import throttle
from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.sessions import BEGAN


class NotConfirmed(Exception):
    """The password was wrong, too many were wrong, or the sign-in is too old. `status` of the answer; str(error) is a
    sentence."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def confirm(request: HttpRequest, given: str) -> None:
    """Whether whoever is signed in is the person of the account: by the password `given`, or by a new sign-in where
    the account has no password. A wrong password counts like one at sign-in.

    Raises NotConfirmed.
    """
    user = request.user
    assert isinstance(user, User)
    if not user.has_usable_password():
        _decline_old_sign_in(request)
        return
    try:
        attempt = throttle.begin(request=request, door=SignInAttempt.Door.PAGE, name=user.get_username())
    except throttle.TooManyAttempts as declined:
        raise NotConfirmed(throttle.wait_sentence(declined.seconds), 429) from None
    if not user.check_password(given):
        throttle.fail(attempt)
        raise NotConfirmed(_("This is not your password. Check for capitals and try again."), 422)
    throttle.succeed(attempt)


def signed_in_recently(request: HttpRequest) -> bool:
    """Whether this session began within ACCOUNT_REAUTHENTICATION_TIMEOUT."""
    age = time.time() - request.session.get(BEGAN, 0)
    return bool(age <= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def _decline_old_sign_in(request: HttpRequest) -> None:
    """Raises NotConfirmed."""
    if not signed_in_recently(request):
        raise NotConfirmed(_("You have no password here, and your sign-in is too old. Sign in again, then retry."), 422)
