"""Second factors and passkeys: the pages of allauth.mfa in our own dress, with our lock-out at each of them.

Addresses carry allauth's names (mfa_...), since its flows look for them.
"""

from typing import Any

from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.views import ReauthenticateView
from allauth.mfa.base.views import AuthenticateView, IndexView
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateCodeView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    LoginWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _

from labeling.accounts import throttle
from labeling.accounts.models import SignInAttempt
from labeling.accounts.second_factors import must_have_factor


class CountsAttempts:
    """A form that lets somebody in: a wrong answer counts as at the sign-in page, and too many are not heard."""

    door = SignInAttempt.Door.FACTOR
    request: HttpRequest
    let_in = False

    def name_of_account(self) -> str:
        """The name that the limit counts; empty where only the address is known."""
        name: str = self.request.user.get_username()
        return name

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            attempt = throttle.begin(request=request, door=self.door, name=self.name_of_account())
        except throttle.TooManyAttempts as declined:
            # A page of its own: the form would look at what was sent, and tell whether it was right.
            return too_many_attempts(request, declined.seconds)
        answer: HttpResponse = super().post(request, *args, **kwargs)  # type: ignore[misc]
        if self.let_in:
            throttle.succeed(attempt)
        else:
            throttle.fail(attempt)
        return answer

    def form_valid(self, form: Any) -> HttpResponse:
        self.let_in = True
        answer: HttpResponse = super().form_valid(form)  # type: ignore[misc]
        return answer


def too_many_attempts(request: HttpRequest, seconds: int) -> HttpResponse:
    sentence = throttle.wait_sentence(seconds)
    answer = render(request, "site/wait.html", {"sentence": sentence}, status=429)
    answer["Retry-After"] = str(seconds)
    return answer


# -- at sign-in


class SecondFactor(CountsAttempts, AuthenticateView):
    """After the password: a code, a recovery code or a passkey."""

    template_name = "site/second_factor.html"

    def name_of_account(self) -> str:
        name: str = self.stage.login.user.get_username()
        return name


class PasskeySignIn(CountsAttempts, LoginWebAuthnView):
    """A passkey instead of name, password and code. GET with Accept: application/json answers the challenge."""

    door = SignInAttempt.Door.PASSKEY

    def name_of_account(self) -> str:
        return ""  # what the browser sends may name anybody


# -- who are you, once more


class ConfirmByPassword(CountsAttempts, ReauthenticateView):
    """Who has neither a password nor a factor is sent to the identity provider, or to sign in again."""

    template_name = "site/confirm.html"
    door = SignInAttempt.Door.PAGE

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not get_reauthentication_flows(request.user):
            return render(request, "site/confirm_by_provider.html", confirming_context(request))
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer


def confirming_context(request: HttpRequest) -> dict[str, object]:
    """Where the provider leads back to; allauth follows an address of this site alone."""
    return {
        "identity_provider": settings.OIDC,
        "linked": SocialAccount.objects.filter(user=request.user) if settings.OIDC else [],
        "there": request.GET.get("next") or reverse("account"),
    }


class ConfirmByCode(CountsAttempts, ReauthenticateCodeView):
    template_name = "site/confirm.html"


class ConfirmByPasskey(CountsAttempts, ReauthenticateWebAuthnView):
    template_name = "site/confirm.html"
    door = SignInAttempt.Door.PASSKEY

    def form_invalid(self, form: Any) -> HttpResponse:
        messages.error(self.request, _("This passkey is not one of yours. Try another one."))
        return redirect("mfa_index")


# -- one's own factors


class Factors(IndexView):
    """Which factors somebody has."""

    template_name = "site/factors.html"

    def get_context_data(self, **kwargs: Any) -> Any:
        return super().get_context_data(**kwargs) | {"is_required": must_have_factor(self.request.user)}


class AddApp(ActivateTOTPView):
    template_name = "site/factor_app.html"


class RemoveApp(DeactivateTOTPView):
    template_name = "site/factor_remove.html"


class AddPasskey(AddWebAuthnView):
    template_name = "site/passkey_add.html"


class RemovePasskey(RemoveWebAuthnView):
    template_name = "site/factor_remove.html"
    success_url = reverse_lazy("mfa_index")
    pk_url_kwarg = "factor"

    def form_valid(self, form: Any) -> HttpResponse:
        """allauth asks for an app only whether it may go; a passkey may be the last factor as well."""
        from allauth.mfa.adapter import get_adapter

        if not get_adapter().can_delete_authenticator(self.get_object()):
            messages.error(self.request, _("This site requires a second factor. Add another one first."))
            return redirect("mfa_index")
        return super().form_valid(form)


class RecoveryCodes(ViewRecoveryCodesView):
    template_name = "site/recovery_codes.html"


class NewRecoveryCodes(GenerateRecoveryCodesView):
    template_name = "site/recovery_codes_new.html"
