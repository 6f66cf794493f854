"""The tokens of invitation links: two kinds that cannot be told apart by looking at them."""

from django.contrib.auth.tokens import PasswordResetTokenGenerator

from labeling.accounts.models import User


class _Tokens(PasswordResetTokenGenerator):
    """Void once the person has signed in or has another password, and after PASSWORD_RESET_TIMEOUT."""

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.key_salt = f"labeling.accounts.invitations.{purpose}"


password_links = _Tokens("sets a password")
sign_in_links = _Tokens("asks to sign in")
reset_links = _Tokens("sets a new password")


class InvitationTokens:
    """Both kinds, as the view of a link checks them."""

    def check_token(self, user: User | None, token: str | None) -> bool:
        return password_links.check_token(user, token) or sign_in_links.check_token(user, token)


def sets_password(user: User | None, token: str | None) -> bool:
    """Whether a valid link is one that sets a password."""
    return password_links.check_token(user, token)
