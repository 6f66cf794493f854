"""Invitations: links by which people join a project in a role. One link is for one person, once, for some days."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.accounts.services import create_account, decline_lookalike, may_bring_people
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.projects.models import MAY, Invitation, Membership, Project, Role
from labeling.projects.services import NotAllowed

MOST_AT_ONCE = 100
MOST_DAYS = 60
DAYS = 7


class InvitationVoid(LabelingError):
    """The link is not one of ours, or it was used or revoked, or it has expired, or whoever made it lost the right."""

    code = "invitation_void"
    status = 410


@dataclass(frozen=True)
class NewInvitation:
    """An invitation with its token, which is shown once and stored nowhere."""

    invitation: Invitation
    token: str


@transaction.atomic
def invite(
    *, project: Project, role: str, by: User, notes: Sequence[str] = ("",), days: int = DAYS
) -> list[NewInvitation]:
    """One link for each note; a note says whom the link is for. Only an owner invites owners.

    Raises Invalid, NotAllowed, Archived.
    """
    Project.objects.for_change(project.pk)
    if role not in Role.values:
        raise Invalid(f"role must be one of {', '.join(Role.values)}", field="role")
    if role == Role.OWNER and project.role_of(by) != Role.OWNER:
        raise NotAllowed(_("only an owner can add an owner"))
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(_("an invitation lasts 1 to {n} days").format(n=MOST_DAYS), field="days")
    if not 1 <= len(notes) <= MOST_AT_ONCE:
        raise Invalid(_("invite 1 to {n} people at a time").format(n=MOST_AT_ONCE), field="notes")
    expires_at = timezone.now() + timedelta(days=days)
    made = []
    for note in notes:
        note = note.strip()
        if len(note) > 150 or not note.isprintable():
            raise Invalid(_("a note has at most 150 characters, on one line"), field="notes")
        token = secrets.token_urlsafe(32)
        invitation = Invitation.objects.create(
            project=project, role=role, note=note, token_sha256=hash_of(token), made_by=by, expires_at=expires_at
        )
        record(Act.INVITATION_CREATED, project=project, by=by, subject=note, role=role, invitation=invitation.pk)
        made.append(NewInvitation(invitation, token))
    return made


@transaction.atomic
def revoke(*, invitation: Invitation) -> Invitation:
    """The link is void from here on. Raises WrongState for one that was used: remove the member instead."""
    invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if invitation.used_at is not None:
        raise WrongState(_("this invitation was used; remove the member instead"))
    if invitation.revoked_at is None:
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        record(Act.INVITATION_REVOKED, project=invitation.project, subject=invitation.note, invitation=invitation.pk)
    return invitation


def invitation_of(token: str) -> Invitation:
    """The invitation of a link that works now. Raises InvitationVoid with the reason."""
    found = Invitation.objects.select_related("project", "made_by").filter(token_sha256=hash_of(token)).first()
    if found is None:
        raise InvitationVoid(_("this link is not complete, or it was never made here; ask for a new one"))
    decline_void(found)
    return found


def decline_void(invitation: Invitation) -> None:
    """Raises InvitationVoid."""
    if invitation.used_at is not None:
        raise InvitationVoid(_("this link was used already, and it works once; if that was you, sign in"))
    if invitation.revoked_at is not None:
        raise InvitationVoid(_("this link was revoked; ask whoever sent it for a new one"))
    if invitation.expires_at <= timezone.now():
        raise InvitationVoid(_("this link has expired; ask whoever sent it for a new one"))
    # Whoever holds a link learns nothing of a deleted project, as nobody but its owners does.
    is_open = invitation.made_by.is_active and invitation.project.deleted_at is None
    role = invitation.project.role_of(invitation.made_by) if is_open else None
    makes_owners = role == Role.OWNER
    if role not in MAY["manage"] or (invitation.role == Role.OWNER and not makes_owners):
        raise InvitationVoid(_("whoever made this link may no longer invite people to the project; ask for a new one"))


@transaction.atomic
def join(*, token: str, user: User) -> Membership:
    """Take part by a link. Raises InvitationVoid, Archived, WrongState for a member, who keeps the link for another."""
    invitation = _lock(token)
    project = Project.objects.for_change(invitation.project_id)
    if project.memberships.filter(user=user).exists():
        raise WrongState(_("you take part in {name} already").format(name=project.name))
    invitation.used_by, invitation.used_at = user, timezone.now()
    invitation.save(update_fields=["used_by", "used_at"])
    record(
        Act.INVITATION_USED, project=project, by=user, subject=user.get_username(), role=invitation.role,
        invitation=invitation.pk,
    )  # fmt: skip
    return Membership.objects.create(project=project, user=user, role=invitation.role)


@transaction.atomic
def join_as_new(*, token: str, username: str, full_name: str, password: str) -> User:
    """Make an account and take part. Raises InvitationVoid, Invalid with the field, NotAllowed where only
    administrators bring new people in."""
    invitation = _lock(token)
    if not may_bring_people(invitation.made_by):
        raise NotAllowed(_("only administrators invite new people; ask one for an account, then open this link again"))
    user = create_account(username.strip())
    decline_lookalike(full_name, user=user)
    first, _space, last = full_name.strip().rpartition(" ")
    user.first_name, user.last_name = first, last
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from None
    user.set_password(password)
    user.save(update_fields=["first_name", "last_name", "password"])
    join(token=token, user=user)
    return user


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _lock(token: str) -> Invitation:
    """Two people who open the same link at once: the second one finds it used."""
    found = invitation_of(token)
    locked = Invitation.objects.select_for_update(of=("self",)).select_related("project", "made_by").get(pk=found.pk)
    decline_void(locked)
    return locked
