"""People."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Somebody who can sign in. What they may do hangs on their memberships, never on the account."""

    mails_round_ends = models.BooleanField(default=True, help_text="by projects that they manage and that send mail")
    language = models.CharField(max_length=20, blank=True, help_text="of their mail, a code; empty: the site's own")

    @property
    def display_name(self) -> str:
        """How colleagues see this person."""
        return self.get_full_name() or self.get_username()
