"""What happens whenever somebody signs in, by whichever way."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver


@receiver(user_logged_in, dispatch_uid="labeling.accounts.came")
def mark_as_come(sender: Any, user: Any, **_more: Any) -> None:
    """An invited person has come: from now on colleagues see their name instead of the one that was typed."""
    user.memberships.exclude(invited_as="").update(invited_as="")
