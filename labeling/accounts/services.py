"""Accounts: how they are made, what people change of their own, and what administrators let people do."""

import secrets

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from labeling.accounts.models import SitePolicy, User
from labeling.accounts.names import is_reserved, lookalike_key
from labeling.errors import Invalid

NAMES_LOCK = 0x626F7877  # one number for all who make accounts: two look-alikes at once must not both succeed


def change_account(*, user: User, email: str, mails_round_ends: bool, language: str) -> User:
    """Where mail reaches a person, whether it should, and in which language. Raises Invalid for an unknown language."""
    if language not in dict(settings.LANGUAGES):
        raise Invalid(f"language must be one of {', '.join(dict(settings.LANGUAGES))}", field="language")
    user.email, user.mails_round_ends, user.language = email.strip(), mails_round_ends, language
    user.save(update_fields=["email", "mails_round_ends", "language"])
    return user


# -- names


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


# -- what people may do on this site


def site_policy() -> SitePolicy:
    """The one row, or the defaults while nobody has changed anything."""
    return SitePolicy.objects.filter(pk=1).first() or SitePolicy(pk=1)


def change_policy(*, projects: str, people: str) -> SitePolicy:
    """Who creates projects, and who brings new people in. Raises Invalid."""
    if projects not in SitePolicy.Projects.values:
        raise Invalid(f"projects must be one of {', '.join(SitePolicy.Projects.values)}", field="projects")
    if people not in SitePolicy.People.values:
        raise Invalid(f"people must be one of {', '.join(SitePolicy.People.values)}", field="people")
    policy, _made = SitePolicy.objects.update_or_create(pk=1, defaults={"projects": projects, "people": people})
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
