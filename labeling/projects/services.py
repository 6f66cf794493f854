"""Projects and their people."""

import secrets
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from labeling.accounts.invitations import password_links, sign_in_links
from labeling.accounts.models import User
from labeling.accounts.services import account_for, create_account, may_bring_people
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid, LabelingError
from labeling.projects.classes import add_class
from labeling.projects.models import LONGEST_SKILL, MAY, Membership, Project, Role, Seniority
from labeling.projects.name_patterns import checked_pattern

# Settings whose change the audit log tells.
AUDITED = ("name", "records_activity", "keeps_originals", "deidentifies", "name_pattern", "model_channels")
MOST_CHANNELS, LONGEST_CHANNEL = 16, 60
MOST_SKILLS = 20  # of one member


class NotAllowed(LabelingError):
    """The role of the one who asks does not reach this far."""

    code = "not_allowed"
    status = 403


@transaction.atomic
def create_project(
    *,
    owner: User,
    name: str,
    description: str = "",
    layering: str = Project.Layering.SHARED,
    records_activity: bool = False,
    classes: tuple[str, ...] = ("nucleus",),
) -> Project:
    """A project with its owner and its classes, coloured from the palette in order. Raises Invalid."""
    name = project_name(name)
    project = Project.objects.create(
        name=name, description=description, layering=layering, records_activity=records_activity
    )
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    record(Act.PROJECT_CREATED, project=project, by=owner, subject=name)
    for class_name in classes:
        add_class(project=project, name=class_name)
    return project


@transaction.atomic
def change_project(
    *,
    project: Project,
    by: User,
    name: str,
    description: str,
    records_activity: bool,
    keeps_originals: bool | None = None,
    deidentifies: bool | None = None,
    name_pattern: str | None = None,
    model_channels: Sequence[str] | None = None,
) -> Project:
    """New words on a project. Whether working time is recorded concerns privacy: only an owner changes it.

    keeps_originals  whether files that are added from now on are kept as they came; None leaves it
    deidentifies     whether files that are added from now on are de-identified
    name_pattern     of file names: what of them is replaced (projects/name_patterns.py)
    model_channels   of slides with several channels: names of those that models see; () for all that are shown

    Raises Invalid for an empty name, or a pattern or channels that cannot be used, NotAllowed.
    """
    name = project_name(name)
    if records_activity != project.records_activity and project.role_of(by) not in MAY["own"]:
        raise NotAllowed(_("only an owner decides whether working time is recorded"))
    before = {column: getattr(project, column) for column in AUDITED}
    project.name, project.description, project.records_activity = name, description, records_activity
    if keeps_originals is not None:
        project.keeps_originals = keeps_originals
    if deidentifies is not None:
        project.deidentifies = deidentifies
    if name_pattern is not None:
        project.name_pattern = checked_pattern(name_pattern)
    if model_channels is not None:
        project.model_channels = _checked_channels(model_channels)
    project.save(update_fields=["description", *AUDITED])
    for column, was in before.items():
        now = getattr(project, column)
        if was != now:
            record(Act.PROJECT_CHANGED, project=project, by=by, subject=column, before=was, after=now)
    return project


def _checked_channels(names: Sequence[str]) -> list[str]:
    """Without space around them and without repetition. Raises Invalid."""
    stripped = [name.strip() for name in names]
    found = list(dict.fromkeys(name for name in stripped if name))
    if len(found) > MOST_CHANNELS or any(len(name) > LONGEST_CHANNEL for name in found):
        words = _("at most {most} channels, with names of at most {longest} characters")
        raise Invalid(words.format(most=MOST_CHANNELS, longest=LONGEST_CHANNEL), field="model_channels")
    return found


def project_name(name: str) -> str:
    """Without space around it. Raises Invalid."""
    name = name.strip()
    if not name or len(name) > 200:
        raise Invalid(_("a project needs a name of at most 200 characters"), field="name")
    return name


@transaction.atomic
def add_member(*, project: Project, username: str, role: str, by: User) -> tuple[Membership, str | None]:
    """Let somebody take part; an account is made when there is none.

    -> the membership, and the path of a link at which the invited person comes in. There is no link for somebody whom
    `by` knows already: a member of another project of theirs. For everybody else all that is shown is the same,
    whether an account exists or not, so that nobody can try out names.
    Only an owner makes owners. Raises Invalid, NotAllowed.
    """
    username = username.strip()
    if role not in Role.values:
        raise Invalid(f"role must be one of {', '.join(Role.values)}", field="role")
    if role == Role.OWNER and project.role_of(by) != Role.OWNER:
        raise NotAllowed(_("only an owner can add an owner"))
    user = account_for(username)
    known = user is not None and is_known_to(user, by)
    if not known and not may_bring_people(by):
        raise NotAllowed(_("only administrators invite new people; ask one to add {name}").format(name=username))
    if user is None:
        user = create_account(username)
    if project.memberships.filter(user=user).exists():
        raise Invalid(_("{name} takes part already").format(name=username), field="username")
    invited_as = "" if known else username
    made = Membership.objects.create(project=project, user=user, role=role, invited_as=invited_as)
    record(Act.MEMBER_ADDED, project=project, by=by, subject=user.get_username(), role=role)
    return made, None if known else _invitation(made, by)


def is_known_to(user: User, by: User) -> bool:
    """Whether `by` has reason to know that an account exists: themselves, a colleague, or any as administrator."""
    own = Project.objects.filter(memberships__user=by)
    return by.is_staff or user == by or user.memberships.filter(project__in=own, invited_as="").exists()


def _invitation(membership: Membership, by: User) -> str:
    """The path that is shown to `by`. It sets a password once, within PASSWORD_RESET_TIMEOUT, where that harms nobody.

    Who holds such a link holds the account. So it sets the password only of somebody who has never signed in, and who
    takes part only in projects that `by` manages: else a manager elsewhere could take an invited account over.
    Everybody else gets a link that looks the same and asks them to sign in.
    """
    user = membership.user
    managed = Membership.objects.filter(user=by, role__in=MAY["manage"]).values("project")
    is_new = user.last_login is None and not user.is_staff
    is_ours = not user.memberships.exclude(project__in=managed).exists()
    tokens = password_links if is_new and is_ours else sign_in_links
    names = {
        "uidb64": urlsafe_base64_encode(force_bytes(membership.pk)),  # of an account it would tell how old it is
        "token": tokens.make_token(user),
    }
    return reverse("invitation", kwargs=names)


@transaction.atomic
def invite_again(*, membership: Membership, by: User) -> str:
    """The path of a new invitation for somebody who has not come yet and whose link is lost; the old link is void.

    Raises LabelingError for somebody who has come.
    """
    user = User.objects.select_for_update().get(pk=membership.user_id)
    came = user.last_login is not None or user.is_staff
    if came and not membership.invited_as:
        name = membership.shown_name
        raise LabelingError(_("{name} has signed in already and needs no invitation").format(name=name))
    managed = Membership.objects.filter(user=by, role__in=MAY["manage"]).values("project")
    if not came and not user.memberships.exclude(project__in=managed).exists():
        user.set_password(secrets.token_urlsafe(32))  # the token rests on the password: earlier links end here
        user.save(update_fields=["password"])
    membership.user = user
    record(Act.INVITATION_CREATED, project=membership.project, by=by, subject=membership.shown_name)
    return _invitation(membership, by)


def lock_owners(projects: Iterable[int]) -> dict[int, set[int]]:
    """Lock who owns these projects until the transaction ends. -> project -> memberships of owners who can sign in

    Whoever takes an owner away calls it first: two at once must not each see the other as the one who stays. A closed
    account owns nothing that it could decide.
    """
    owners = Membership.objects.filter(project__in=list(projects), role=Role.OWNER)
    list(owners.select_for_update(of=("self",)).order_by("pk"))  # a count would lock nothing
    active: dict[int, set[int]] = {}
    # Read after the lock, in a statement of its own: one that waited for it sees accounts as they were before.
    for project, membership in owners.filter(user__is_active=True).values_list("project", "pk"):
        active.setdefault(project, set()).add(membership)
    return active


@transaction.atomic
def remove_member(*, project: Project, membership: Membership, by: User) -> None:
    """End somebody's part. What they annotated stays theirs. The last owner stays; only an owner removes an owner."""
    staying = lock_owners([project.pk]).get(project.pk, set()) - {membership.pk}
    membership.refresh_from_db(fields=["role"])
    if membership.role == Role.OWNER:
        if project.role_of(by) != Role.OWNER:
            raise NotAllowed(_("only an owner can remove an owner"))
        if not staying:
            raise LabelingError(_("a project keeps at least one owner"))
    record(Act.MEMBER_REMOVED, project=project, by=by, subject=membership.user.get_username(), role=membership.role)
    membership.delete()


@transaction.atomic
def change_role(*, project: Project, membership: Membership, role: str, by: User) -> Membership:
    """Give a member another role. Only an owner makes or unmakes owners, and the last owner stays one.

    Raises Invalid for an unknown role, NotAllowed.
    """
    if role not in Role.values:
        raise Invalid(f"role must be one of {', '.join(Role.values)}", field="role")
    staying = lock_owners([project.pk]).get(project.pk, set()) - {membership.pk}
    membership.refresh_from_db()
    if Role.OWNER in (role, membership.role) and role != membership.role:
        if project.role_of(by) != Role.OWNER:
            raise NotAllowed(_("only an owner can make or unmake an owner"))
        if not staying and role != Role.OWNER:
            raise LabelingError(_("a project keeps at least one owner; make somebody else an owner first"))
    before = membership.role
    membership.role = role
    membership.save(update_fields=["role"])
    if before != role:
        name = membership.user.get_username()
        record(Act.ROLE_CHANGED, project=project, by=by, subject=name, before=before, after=role)
    return membership


@transaction.atomic
def describe_member(
    *, membership: Membership, seniority: str, centre: int | None, skills: Sequence[str] | None = None
) -> Membership:
    """What a person is besides their role: how far in their training, at which centre they work (its key), and which
    tags of images they read; None leaves these as they are.

    Raises Invalid, Archived.
    """
    project = Project.objects.for_change(membership.project_id)
    if seniority not in ("", *Seniority.values):
        raise Invalid(f"seniority must be empty or one of {', '.join(Seniority.values)}", field="seniority")
    if centre is not None and not project.centres.filter(pk=centre).exists():
        raise Invalid(_("choose a centre of this project"), field="centre")
    membership.seniority, membership.centre_id = seniority, centre
    if skills is not None:
        membership.skills = _clean_skills(skills)
    membership.save(update_fields=["seniority", "centre", "skills"])
    return membership


def _clean_skills(skills: Sequence[str]) -> list[str]:
    """Each once, without space around it, in their order. Raises Invalid."""
    kept = list(dict.fromkeys(skill.strip() for skill in skills if skill.strip()))
    if len(kept) > MOST_SKILLS or any(len(skill) > LONGEST_SKILL or "\x00" in skill for skill in kept):
        raise Invalid(
            _("at most {n} skills, each of at most {long} characters").format(n=MOST_SKILLS, long=LONGEST_SKILL),
            field="skills",
        )
    return kept
