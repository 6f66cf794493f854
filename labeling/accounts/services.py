"""What people change of their own account."""

from django.conf import settings

from labeling.accounts.models import User
from labeling.errors import Invalid


def change_account(*, user: User, email: str, mails_round_ends: bool, language: str) -> User:
    """Where mail reaches a person, whether it should, and in which language. Raises Invalid for an unknown language."""
    if language not in dict(settings.LANGUAGES):
        raise Invalid(f"language must be one of {', '.join(dict(settings.LANGUAGES))}", field="language")
    user.email, user.mails_round_ends, user.language = email.strip(), mails_round_ends, language
    user.save(update_fields=["email", "mails_round_ends", "language"])
    return user
