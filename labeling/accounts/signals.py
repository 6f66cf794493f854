"""What happens whenever somebody signs in or out, by whichever way."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from labeling.accounts.sessions import begin_session
from labeling.audit.models import Act
from labeling.audit.services import record


@receiver(user_logged_in, dispatch_uid="labeling.accounts.came")
def mark_as_come(sender: Any, user: Any, **_more: Any) -> None:
    """An invited person has come: from now on colleagues see their name instead of the one that was typed."""
    user.memberships.exclude(invited_as="").update(invited_as="")


@receiver(user_logged_in, dispatch_uid="labeling.accounts.signed_in")
def write_sign_in_down(sender: Any, request: HttpRequest, user: Any, **_more: Any) -> None:
    begin_session(request)
    record(Act.SIGNED_IN, by=user, subject=user.get_username())


@receiver(user_logged_out, dispatch_uid="labeling.accounts.signed_out")
def write_sign_out_down(sender: Any, user: Any, **_more: Any) -> None:
    if user is not None:
        record(Act.SIGNED_OUT, by=user, subject=user.get_username())
