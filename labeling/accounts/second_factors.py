"""Second factors: who must have one, what a session may do without it, and how an administrator removes lost ones.

Codes, passkeys and recovery codes are those of allauth.mfa. An app or a passkey is a factor; recovery codes stand in
for one that is not at hand.
"""

from collections.abc import Callable
from typing import Any, Final

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect
from rest_framework.authentication import get_authorization_header

from labeling.accounts.models import SitePolicy, User
from labeling.accounts.services import site_policy
from labeling.accounts.sessions import end_sessions
from labeling.audit.current_request import current_request
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.problems import plain_problem

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
WITHOUT_FACTOR: Final = "without_second_factor"  # in a session: it may only add one
# Where somebody may go who must add a factor first.
OPEN_ADDRESSES = ("/accounts/", "/i18n/", "/static/")
# Among these what leads on without the session: a new token opens the whole API, the file of one's data leaves.
CLOSED_ADDRESSES = ("/accounts/mine/tokens/", "/accounts/mine/data/")


def has_factor(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


def must_have_factor(user: User) -> bool:
    """Whether the site asks for a second factor of this person."""
    required = site_policy().second_factor
    if required == SitePolicy.SecondFactor.EVERYBODY:
        return True
    return required == SitePolicy.SecondFactor.ADMINISTRATORS and user.is_staff


def people_without_factor(required: str) -> list[User]:
    """Those who have none although `required` (SitePolicy.SecondFactor) asks for one."""
    people = User.objects.filter(is_active=True).exclude(authenticator__type__in=FACTORS)
    if required == SitePolicy.SecondFactor.ADMINISTRATORS:
        people = people.filter(is_staff=True)
    elif required == SitePolicy.SecondFactor.NOBODY:
        people = people.none()
    return list(people)


@transaction.atomic
def require_second_factor(required: str, *, own_key: str) -> None:
    """Who must have one. Sessions of people who have none end, but the one with `own_key`: at their next sign-in they
    add a factor before anything else. `required` was checked by change_policy()."""
    for person in people_without_factor(required):
        end_sessions(user=person, own_key=own_key)


@transaction.atomic
def remove_factors(*, user: User) -> int:
    """An administrator removes all factors of somebody who has lost them; their sessions end. -> how many factors."""
    removed = 0
    for factor in Authenticator.objects.filter(user=user):
        removed += factor.type in FACTORS
        factor.delete()
    if removed:
        end_sessions(user=user, own_key="")
    return removed


def recently_confirmed(request: HttpRequest) -> bool:
    """Whether the person has just said once more who they are, by password, code or passkey."""
    return not is_reauthentication_required(request, app="allauth.socialaccount")


def may_unlink(user: User) -> bool:
    """Whether somebody still gets in without the identity provider: a passkey that needs a user name does not do."""
    if user.has_usable_password():
        return True
    passkeys = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN)
    return any(passkey.wrap().is_passwordless for passkey in passkeys)


# -- what a session may do before the factor is there


class RequireSecondFactor:
    """Middleware: a session that lacks a required factor reaches the pages of the account and nothing else.

    Whether it lacks one is decided at sign-in and kept in the session, so that a request asks the database for nothing.
    Tokens of programs have no session and are not concerned.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.session.get(WITHOUT_FACTOR) or _is_open(request.path_info) or _comes_by_token(request):
            return self.get_response(request)
        if request.path_info.startswith("/api/"):
            detail = _("This site requires a second factor. Add one on the page Your account, then try again.")
            return plain_problem(status=403, code="second_factor_required", detail=detail)
        there = redirect("mfa_index")
        return HttpResponseClientRedirect(there.url) if request.headers.get("HX-Request") else there


def _is_open(path: str) -> bool:
    return path.startswith(OPEN_ADDRESSES) and path not in CLOSED_ADDRESSES


def _comes_by_token(request: HttpRequest) -> bool:
    """Whether the API looks at a token and nothing else. Pages, and the API with another kind of Authorization, take
    the session."""
    words = get_authorization_header(request).lower().split()  # type: ignore[arg-type]  # it reads META alone
    return request.path_info.startswith("/api/") and words[:1] == [b"token"]


@receiver(user_logged_in, dispatch_uid="labeling.accounts.second_factor")
def mark_session(sender: Any, request: HttpRequest, user: User, **_more: Any) -> None:
    if settings.OIDC is not None and settings.OIDC.checks_factor and _came_by_provider(request, user):
        return
    if must_have_factor(user) and not has_factor(user):
        request.session[WITHOUT_FACTOR] = True


def _came_by_provider(request: HttpRequest, user: User) -> bool:
    """Whether the last step of this person's own sign-in was the provider."""
    records = get_authentication_records(request, user)
    return bool(records) and records[-1].get("method") == "socialaccount"


# -- what the audit log holds of factors and linked accounts, whichever way they change

ADDED = {
    Authenticator.Type.TOTP: Act.SECOND_FACTOR_ADDED,
    Authenticator.Type.WEBAUTHN: Act.PASSKEY_ADDED,
    Authenticator.Type.RECOVERY_CODES: Act.RECOVERY_CODES_CREATED,
}
REMOVED = {Authenticator.Type.TOTP: Act.SECOND_FACTOR_REMOVED, Authenticator.Type.WEBAUTHN: Act.PASSKEY_REMOVED}


@receiver(post_save, sender=Authenticator, dispatch_uid="labeling.accounts.factor_added")
def write_added_down(sender: Any, instance: Authenticator, created: bool, **_more: Any) -> None:
    if not created:
        return
    record(ADDED[Authenticator.Type(instance.type)], subject=instance.user.get_username())
    request = current_request()
    if request is not None and instance.type in FACTORS and request.user == instance.user:
        request.session.pop(WITHOUT_FACTOR, None)


@receiver(post_delete, sender=Authenticator, dispatch_uid="labeling.accounts.factor_removed")
def write_removed_down(sender: Any, instance: Authenticator, **_more: Any) -> None:
    act = REMOVED.get(Authenticator.Type(instance.type))
    if act is not None:
        record(act, subject=instance.user.get_username())


@receiver(post_save, sender=SocialAccount, dispatch_uid="labeling.accounts.linked")
def write_link_down(sender: Any, instance: SocialAccount, created: bool, **_more: Any) -> None:
    if created:
        record(Act.ACCOUNT_LINKED, subject=instance.user.get_username(), provider=instance.provider)


@receiver(post_delete, sender=SocialAccount, dispatch_uid="labeling.accounts.unlinked")
def write_unlink_down(sender: Any, instance: SocialAccount, **_more: Any) -> None:
    record(Act.ACCOUNT_UNLINKED, subject=instance.user.get_username(), provider=instance.provider)
