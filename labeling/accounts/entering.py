"""Signing somebody in who has shown who they are, whichever way: the only place that begins a session."""

from allauth.account.utils import perform_login
from django.http import HttpRequest, HttpResponse

from labeling.accounts.models import User


def enter(request: HttpRequest, user: User, *, then: str) -> HttpResponse:
    """Begin a session and go to the address `then`, or ask for the second factor of the person first.

    Passwords, links and invitations all come through here, so that none of them goes round a second factor.
    `request.user` says whether the person is signed in afterwards.
    """
    answer: HttpResponse = perform_login(request, user, redirect_url=then)
    return answer


def is_in(request: HttpRequest, user: User) -> bool:
    """Whether enter() signed the person in; otherwise it asked for the second factor."""
    return bool(request.user.is_authenticated and request.user.pk == user.pk)
