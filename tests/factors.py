"""Second factors and linked accounts of people, for tests."""

import time

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.socialaccount.models import SocialAccount

from labeling.accounts.models import User

STEP = 30  # seconds that a code is shown


def add_app(user: User) -> str:
    """An app with codes. -> its secret"""
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def code_of(secret: str, steps_ahead: int = 0) -> str:
    """What the app shows now, or some steps later."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // STEP + steps_ahead))


def add_passkey(user: User, *, signs_in_alone: bool = False) -> Authenticator:
    """A row of a passkey that no device holds. signs_in_alone: whether the browser said that it needs no user name."""
    data = {"name": "key", "credential": {"clientExtensionResults": {"credProps": {"rk": signs_in_alone}}}}
    return Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data=data)


def link(user: User, uid: str = "subject") -> SocialAccount:
    return SocialAccount.objects.create(user=user, provider="oidc", uid=uid)
