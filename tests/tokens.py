"""Tokens of people, for tests and measurements."""

from labeling.accounts.models import User
from labeling.accounts.tokens import create_token


def token_of(user: User, scope: str = "manage") -> str:
    """The secret of a new token."""
    return create_token(user=user, name="a test", scope=scope, days=1).secret


def token_headers(user: User, scope: str = "manage") -> dict[str, str]:
    return {"Authorization": f"Token {token_of(user, scope)}"}
