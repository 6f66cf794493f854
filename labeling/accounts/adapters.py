"""Where allauth asks this site: how people are greeted, where secrets are kept, whom an identity provider may bring."""

import base64
import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from labeling.accounts import throttle
from labeling.accounts.confirming import signed_in_recently
from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.second_factors import FACTORS, must_have_factor
from labeling.accounts.services import account_of_provider
from labeling.errors import LabelingError

logger = logging.getLogger("labeling.sign_in")


class AccountAdapter(DefaultAccountAdapter):
    """Nobody registers alone; addresses are counted as by the lock-out."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return throttle.network_of(request) or "unknown"

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        messages.error(request, _("This account is closed. Ask whoever runs this server to open it again."))
        return redirect("sign-in")

    def add_message(self, request: HttpRequest, level: int, *args: Any, **more: Any) -> None:
        """Its own words would repeat ours; errors, which name a cause, are shown."""
        if level >= messages.ERROR:
            super().add_message(request, level, *args, **more)

    def is_reauthentication_required(self, *, app: str, **more: Any) -> bool:
        """Before a factor or a linked account changes, the person says once more who they are.

        Who comes by an identity provider alone has nothing to say it with: their session must be new.
        """
        if app not in ("allauth.mfa", "allauth.socialaccount"):
            return False
        request = context.request
        if get_reauthentication_flows(request.user):
            return True
        return not signed_in_recently(request)

    def get_reauthentication_methods(self, user: User) -> Any:
        """Who has neither a password nor a factor is led to a page as well, which sends them to the provider."""
        methods = super().get_reauthentication_methods(user)
        if methods or not user.is_authenticated:
            return methods
        return [{"id": "sign_in_again", "description": "", "url": reverse("account_reauthenticate")}]


class FactorAdapter(DefaultMFAAdapter):
    """Secrets of second factors are encrypted with a key made from SECRET_KEY, which is not in the database."""

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The secret. One that was encrypted with another SECRET_KEY reads as a secret that no code fits."""
        try:
            return _fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            logger.warning("a second factor was stored with another SECRET_KEY; an administrator can remove it")
            return base64.b32encode(Fernet.generate_key()).decode()

    def get_totp_label(self, user: User) -> str:
        return user.get_username()

    def _get_user_identifier(self, user: User) -> str:
        return user.get_username()

    def _get_site_name(self) -> str:
        return "Boxwise"

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """The last factor stays where the site requires one."""
        if authenticator.type not in FACTORS or not must_have_factor(authenticator.user):
            return True
        others = Authenticator.objects.filter(user=authenticator.user, type__in=FACTORS).exclude(pk=authenticator.pk)
        return others.exists()


def _fernet() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(str(key))) for key in keys])


def _derived(secret: str) -> bytes:
    """A key of its own for this purpose. -> 32 bytes, base64"""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"boxwise second factors").derive(secret.encode())
    return base64.urlsafe_b64encode(key)


class ProviderAdapter(DefaultSocialAccountAdapter):
    """An identity provider signs in accounts that their owners have linked with it; new ones where a setting allows.

    An address of the provider never opens an account that exists: whoever controls an address there would control it.
    """

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """An identity that nobody has linked gets an account here, or is declined. Who confirms that it is them comes
        back as the same person."""
        if sociallogin.state.get("confirms") and sociallogin.user != request.user:
            logger.warning("identity provider: somebody else came back to confirm for %r", request.user)
            raise ImmediateHttpResponse(_declined(request))
        if sociallogin.is_existing or sociallogin.state.get("process") == "connect":
            return
        claims = sociallogin.account.extra_data["id_token"]
        try:
            user = account_of_provider(claims)
        except LabelingError as error:
            logger.warning("identity provider: no account for subject %r: %s", claims["sub"], error)
            raise ImmediateHttpResponse(_declined(request)) from None
        sociallogin.connect(request, user)

    def on_authentication_error(self, request: HttpRequest, provider: Any, **more: Any) -> None:
        """Whatever was wrong with the answer stands in the server's log; the person is told what to do."""
        logger.warning("identity provider: %s %r", more.get("error"), more.get("exception"))
        raise ImmediateHttpResponse(_declined(request))

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("account")


def _declined(request: HttpRequest) -> HttpResponse:
    """One sentence for every reason, so that it tells nothing about accounts."""
    try:
        throttle.note_failure(request=request, door=SignInAttempt.Door.PROVIDER)
        sentence = _(
            "You were not signed in. If you have an account here, sign in with your password and link the two on the "
            "page Your account; otherwise ask whoever runs this server."
        )
    except throttle.TooManyAttempts as declined:
        sentence = throttle.wait_sentence(declined.seconds)
    messages.error(request, sentence)
    return redirect("sign-in")
