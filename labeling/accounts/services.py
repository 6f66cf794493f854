"""Accounts: how they are made, what people change of their own, and what administrators let people do."""

import secrets
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from labeling.accounts.invitations import reset_links
from labeling.accounts.models import SitePolicy, Theme, User
from labeling.accounts.names import is_reserved, lookalike_key
from labeling.accounts.sessions import end_sessions
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid, WrongState

NAMES_LOCK = 0x626F7877  # one number for all who make accounts: two look-alikes at once must not both succeed


def change_address(*, user: User, email: str) -> None:
    """Where mail reaches a person. With a mail server only what they have confirmed there (accounts/mails.py)."""
    user.email = email.strip()
    user.save(update_fields=["email"])


def change_account(*, user: User, email: str, mails_round_ends: bool, language: str) -> User:
    """Where mail reaches a person, whether it should, and in which language. Raises Invalid for an unknown language."""
    if language not in dict(settings.LANGUAGES):
        raise Invalid(f"language must be one of {', '.join(dict(settings.LANGUAGES))}", field="language")
    user.email, user.mails_round_ends, user.language = email.strip(), mails_round_ends, language
    user.save(update_fields=["email", "mails_round_ends", "language"])
    return user


def change_theme(user: User, theme: Theme) -> None:
    """Light, dark or as the system, on every computer of a person."""
    user.theme = theme
    user.save(update_fields=["theme"])


# -- names


def close_first_steps(user: User) -> None:
    """The demo project shows its first steps to this person no more."""
    user.sees_first_steps = False
    user.save(update_fields=["sees_first_steps"])


def account_for(username: str) -> User | None:
    """The account that is meant by a typed user name: the very name, or one that looks like it.

    Raises Invalid for a name that no account can have, and for one that speaks for the site.
    """
    if not username or len(username) > 150:
        raise Invalid(_("a member needs a name to sign in with"), field="username")
    try:
        User.username_validator(username)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="username") from None
    exact = User.objects.filter(username=username).first()
    if exact is not None:
        return exact
    if is_reserved(username):
        raise Invalid(
            _("“{name}” stands for this site itself; choose another name").format(name=username), field="username"
        )
    return User.objects.filter(name_key=lookalike_key(username)).order_by("pk").first()


@transaction.atomic
def create_account(username: str) -> User:
    """An account that nobody can sign in to yet: an invitation sets its password.

    The name was judged by account_for(); what was taken meanwhile is refused here. Raises Invalid.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NAMES_LOCK])
    if account_for(username) is not None:
        raise Invalid(_("this name was taken a moment ago; try again"), field="username")
    user = User(username=username)
    user.set_password(secrets.token_urlsafe(32))  # nobody knows it
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="username") from None
    user.save()
    return user


@transaction.atomic
def account_of_provider(claims: Mapping[str, Any]) -> User:
    """A new account for an identity that a provider states, where OIDC_CREATES_ACCOUNTS allows it. It has no password.

    The address is kept only where the provider has verified it. Raises WrongState where there is no new account, or
    one with this name or address exists: such an account is linked by its owner, never by the provider's word.
    """
    if settings.OIDC is None or not settings.OIDC.creates_accounts:
        raise WrongState(_("this server makes no accounts for identities of the provider"))
    address = str(claims.get("email") or "").strip()
    if address and User.objects.filter(email__iexact=address).exists():
        raise WrongState(_("an account with this address exists"))
    user = create_account(str(claims.get("preferred_username") or ""))
    user.set_unusable_password()
    if claims.get("email_verified") is True:
        user.email = address
    user.first_name = _short_name(claims.get("given_name"))
    user.last_name = _short_name(claims.get("family_name"))
    try:
        decline_lookalike(user.get_full_name(), user=user)
    except Invalid:
        user.first_name = user.last_name = ""  # colleagues see the user name, which looks like nobody else's
    user.save()
    return user


def _short_name(name: object) -> str:
    """As a column of names takes it."""
    return "".join(character for character in str(name or "") if character.isprintable())[:150]


def decline_lookalike(full_name: str, *, user: User) -> None:
    """Raises Invalid for a full name that speaks for the site, or that looks like another person's name."""
    if is_reserved(full_name):
        raise Invalid(_("this name stands for this site itself; enter your own"), field="full_name")
    key = lookalike_key(full_name)
    others = User.objects.exclude(pk=user.pk)
    is_used = others.filter(name_key=key).exists()
    if not is_used:
        names = others.exclude(first_name="", last_name="").values_list("first_name", "last_name")
        is_used = key in {lookalike_key(f"{first} {last}") for first, last in names}
    if is_used:
        raise Invalid(
            _("a colleague here has a name that looks like this one; add something that tells you apart"),
            field="full_name",
        )


# -- closing accounts, and ways back in


@transaction.atomic
def close_account(*, user: User, by: User) -> None:
    """Nobody comes in with the account any more; its work, its memberships and its data in studies stay.

    Sessions and tokens end. Raises WrongState for one's own account and for the last administrator.
    """
    administrators = list(User.objects.select_for_update().filter(is_staff=True, is_active=True))
    if user == by:
        raise WrongState(_("you cannot close your own account; another administrator can"))
    if administrators == [user]:
        raise WrongState(_("a site keeps at least one administrator"))
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_sessions(user=user, own_key="")


def open_account(*, user: User) -> None:
    """A closed account is open again, with the password that it had; its tokens stay revoked.

    Raises WrongState for one that was anonymised: nobody is behind it any more.
    """
    if user.anonymised_at:
        raise WrongState(_("this account was anonymised; invite the person anew"))
    user.is_active = True
    user.save(update_fields=["is_active"])


def reset_link(*, user: User) -> str:
    """The path of a link by which somebody sets a new password, once, within PASSWORD_RESET_TIMEOUT.

    Raises WrongState for a closed account.
    """
    if not user.is_active:
        raise WrongState(_("this account is closed; open it first"))
    record(Act.RESET_LINK_CREATED, subject=user.get_username())
    keys = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": reset_links.make_token(user)}
    return reverse("reset-password", kwargs=keys)


# -- what people may do on this site


def site_policy() -> SitePolicy:
    """The one row, or the defaults while nobody has changed anything."""
    return SitePolicy.objects.filter(pk=1).first() or SitePolicy(pk=1)


@transaction.atomic
def change_policy(*, projects: str, people: str, second_factor: str = "") -> SitePolicy:
    """Who may create projects, who brings new people in, and who must have a second factor (empty: as before).

    Raises Invalid.
    """
    before = site_policy()
    second_factor = second_factor or before.second_factor
    if projects not in SitePolicy.Projects.values:
        raise Invalid(f"projects must be one of {', '.join(SitePolicy.Projects.values)}", field="projects")
    if people not in SitePolicy.People.values:
        raise Invalid(f"people must be one of {', '.join(SitePolicy.People.values)}", field="people")
    if second_factor not in SitePolicy.SecondFactor.values:
        allowed = ", ".join(SitePolicy.SecondFactor.values)
        raise Invalid(f"second_factor must be one of {allowed}", field="second_factor")
    chosen = {"projects": projects, "people": people, "second_factor": second_factor}
    policy, _made = SitePolicy.objects.update_or_create(pk=1, defaults=chosen)
    for name in chosen:
        was, now = getattr(before, name), getattr(policy, name)
        if was != now:
            record(Act.POLICY_CHANGED, subject=name, before=was, after=now)
    return policy


def grant_projects(*, user: User, granted: bool) -> None:
    """Give or take the right to create projects."""
    user.creates_projects = granted
    user.save(update_fields=["creates_projects"])


def may_create_projects(user: User) -> bool:
    """Whether somebody may create a project now."""
    if user.is_staff:
        return True
    allowed = site_policy().projects
    if allowed == SitePolicy.Projects.GRANTED:
        return user.creates_projects
    return bool(allowed == SitePolicy.Projects.EVERYBODY)


def may_bring_people(user: User) -> bool:
    """Whether somebody who manages a project may make accounts by inviting."""
    return user.is_staff or site_policy().people == SitePolicy.People.MANAGERS
