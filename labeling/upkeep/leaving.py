"""Anonymising an account: the person goes, their work stays under a pseudonym."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import AnsweredRequest, SignInAttempt, User
from labeling.accounts.services import close_account
from labeling.accounts.throttle import name_key
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import WrongState
from labeling.notifications.models import Notification, NotificationChoice
from labeling.projects.models import Invitation, Membership, Role
from labeling.projects.services import lock_owners
from labeling.rounds.models import Delivery
from labeling.studies.models import Study


def pseudonym_of(user: User) -> str:
    """The user name of an anonymised account; its number stands in the log of operations already."""
    return f"person-{user.pk}"


@transaction.atomic
def anonymise_account(*, user: User, by: User) -> str:
    """Remove who somebody is: names, address, password, sessions, tokens, factors, linked accounts, notices, mail that
    was sent, attempts to sign in. What they drew, decided and wrote stays, under a pseudonym. -> the pseudonym

    The audit log keeps names for AUDIT_DAYS: the database lets nobody change it. Raises WrongState for one's own
    account, the last administrator, a reader of a running study (they withdraw first, or the study is locked), and the
    only owner of a project.
    """
    owned = list(Membership.objects.filter(user=user, role=Role.OWNER).values_list("project", flat=True))
    owners = lock_owners(owned)  # before the account: of two who go at once, one waits here and holds nothing
    user = User.objects.select_for_update().get(pk=user.pk)
    if user.anonymised_at:
        return user.get_username()
    _decline_reader(user)
    _decline_only_owner(user, owners)
    if user.is_active:
        close_account(user=user, by=by)
        user.refresh_from_db()
    former = user.get_username()
    user.username = pseudonym_of(user)
    user.first_name = user.last_name = user.email = user.language = ""
    user.is_staff = user.is_superuser = user.creates_projects = user.mails_round_ends = False
    user.password = make_password(None)
    user.last_login = None
    user.anonymised_at = timezone.now()
    user.save()
    _remove_rows_of(user, former)
    record(Act.ACCOUNT_ANONYMISED, subject=user.get_username(), by=by)
    return user.get_username()


def _decline_reader(user: User) -> None:
    running = user.participations.filter(study__state=Study.State.RUNNING, withdrawn_at=None)
    studies = ", ".join(running.values_list("study__name", flat=True))
    if studies:
        words = _("this person reads in a running study ({studies}); they withdraw there first, or the study is locked")
        raise WrongState(words.format(studies=studies))


def _decline_only_owner(user: User, owners: dict[int, set[int]]) -> None:
    alone = []
    for owned in Membership.objects.filter(user=user, role=Role.OWNER).select_related("project"):
        if not owners.get(owned.project_id, set()) - {owned.pk}:
            alone.append(owned.project.name)
    if alone:
        raise WrongState(
            _("this person is the only owner of {projects}; make somebody else an owner first").format(
                projects=", ".join(alone)
            )
        )


def _remove_rows_of(user: User, former: str) -> None:
    """Everything that names the person or serves them alone."""
    user.personal_tokens.all().delete()
    for model in (Authenticator, SocialAccount, EmailAddress, AnsweredRequest):
        model.objects.filter(user=user).delete()
    for model in (Notification, NotificationChoice, Delivery):
        model.objects.filter(person=user).delete()
    user.memberships.update(invited_as="")
    Invitation.objects.filter(used_by=user).update(note="")
    SignInAttempt.objects.filter(name_key=name_key(former)).delete()
