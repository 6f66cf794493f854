"""People."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """Somebody who can sign in. What they may do hangs on their memberships, never on the account."""

    @property
    def display_name(self) -> str:
        """How colleagues see this person."""
        return self.get_full_name() or self.get_username()
