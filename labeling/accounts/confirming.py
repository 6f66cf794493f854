"""Asking for the password again before something that a stranger at an open browser must not do."""

from django.http import HttpRequest
from django.utils.translation import gettext as _

from labeling.accounts import throttle
from labeling.accounts.models import SignInAttempt, User


class PasswordNotConfirmed(Exception):
    """It was wrong, or too many were wrong. `status` of the answer; str(error) is a sentence."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def confirm_password(request: HttpRequest, given: str) -> None:
    """Compare with the password of whoever is signed in. A wrong one counts like one at sign-in.

    Raises PasswordNotConfirmed.
    """
    user = request.user
    assert isinstance(user, User)
    try:
        attempt = throttle.begin(request=request, door=SignInAttempt.Door.PAGE, name=user.get_username())
    except throttle.TooManyAttempts as declined:
        raise PasswordNotConfirmed(throttle.wait_sentence(declined.seconds), 429) from None
    if not user.check_password(given):
        throttle.fail(attempt)
        raise PasswordNotConfirmed(_("This is not your password. Check for capitals and try again."), 422)
    throttle.succeed(attempt)
