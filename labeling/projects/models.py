"""Projects, who takes part in them, and the classes they sort cells into."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.errors import Archived

if TYPE_CHECKING:
    from labeling.accounts.models import User


class Role(models.TextChoices):
    """The one role vocabulary. A study participant is an enrolment, not a role."""

    OWNER = "owner", "owner"
    MANAGER = "manager", "manager"
    REVIEWER = "reviewer", "reviewer"
    ANNOTATOR = "annotator", "annotator"
    VIEWER = "viewer", "viewer"


# What each role may do. Views name an act, never a role, so that this table is the whole truth.
MAY: dict[str, frozenset[str]] = {
    "see": frozenset(Role.values),
    "comment": frozenset(Role.values),
    "annotate": frozenset({Role.OWNER, Role.MANAGER, Role.REVIEWER, Role.ANNOTATOR}),
    "review": frozenset({Role.OWNER, Role.MANAGER, Role.REVIEWER}),  # to accept what others read, or send it back
    "export": frozenset({Role.OWNER, Role.MANAGER, Role.REVIEWER}),
    "oversee": frozenset({Role.OWNER, Role.MANAGER}),  # to read what "manage" changes: settings, studies
    "manage": frozenset({Role.OWNER, Role.MANAGER}),  # images, classes, rounds, people
    "originals": frozenset({Role.OWNER, Role.MANAGER}),  # to fetch files as they came, which may name patients
    "own": frozenset({Role.OWNER}),  # other owners, settings that concern privacy
    "archive": frozenset({Role.OWNER, Role.MANAGER}),  # and restore
}
# The acts that change a project. An archived one declines them, whoever asks (labeling/projects/access.py).
CHANGES = frozenset({"comment", "annotate", "review", "manage", "own"})


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: "User") -> "ProjectQuerySet":
        """The projects of which `user` is a member: every request reaches its objects through it."""
        return self.filter(memberships__user=user) if user.is_active else self.none()

    def for_change(self, pk: int) -> "Project":
        """The project, its row locked until the transaction ends: whoever archives it waits, or has been first.

        Raises Archived.
        """
        project = self.select_for_update().get(pk=pk)
        project.decline_if_archived()
        return project


class Project(models.Model):
    """One body of work: images, the people who annotate them, and the rounds that retrain on them."""

    class Layering(models.TextChoices):
        SHARED = "shared", "one shared working layer per image"
        PER_ANNOTATOR = "per_annotator", "one layer per annotator, who do not see each other's"

    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    layering = models.CharField(max_length=20, choices=Layering, default=Layering.SHARED)
    records_activity = models.BooleanField(
        "record activity",
        default=False,
        help_text="Record pointer, key and focus events of annotators, so that working time can be computed. "
        "People are told of it when they enter.",
    )
    keeps_originals = models.BooleanField(
        "keep originals",
        default=True,
        help_text="Keep each file as it came. Without it an image cannot be read again.",
    )
    attributes = models.JSONField(
        default=list, help_text="what is said of a cell besides its class, in order: [[name, [value, ...]], ...]"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, help_text="since when nothing in it is changed; empty: it is in use")
    archived_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(archived_at__isnull=False) | Q(archived_by__isnull=True), name="project_archived_by_whom"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def declared_attributes(self) -> dict[str, list[str]]:
        """Name -> its values, in order."""
        return {name: list(values) for name, values in self.attributes}

    def role_of(self, user: "User") -> str | None:
        """The role of `user` here, or None for a stranger."""
        return self.memberships.filter(user=user).values_list("role", flat=True).first()

    def decline_if_archived(self) -> None:
        """Raises Archived."""
        if self.archived_at is not None:
            raise Archived(
                _("this project is archived; until an owner or manager restores it, nothing in it is changed"),
                project=self.pk,
            )


class Membership(models.Model):
    """That a person takes part in a project, and as what."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)
    invited_as = models.CharField(
        max_length=150,
        blank=True,
        default="",
        help_text="the name that was typed, until this person signs in the next time; then empty",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="member_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.project}"

    @property
    def shown_name(self) -> str:
        """How the project's people see this member. Before the first sign-in it is the name that was typed, so that
        adding a name does not tell whether an account with it exists."""
        return self.invited_as or self.user.display_name


class Invitation(models.Model):
    """A link by which one person joins a project in a role. It works once, until it expires or is revoked.

    Only a hash of the link's token is stored: whoever reads the database cannot join with it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=20, choices=Role)
    note = models.CharField(max_length=150, blank=True, help_text="whom it is for, as whoever invited wrote it")
    token_sha256 = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invitation_role_known"),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True, used_by__isnull=True)
                | Q(used_at__isnull=False, used_by__isnull=False),
                name="invitation_used_by_whom",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation to project {self.project_id} as {self.role}"

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def is_open(self) -> bool:
        """Whether somebody may still join with it, as far as the row tells."""
        return self.used_at is None and self.revoked_at is None and not self.has_expired


class LabelClass(models.Model):
    """A class that cells are sorted into, with its colour and its key 1-9."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="classes")
    name = models.CharField(max_length=100)
    color = models.CharField(max_length=7, validators=[RegexValidator(r"^#[0-9a-f]{6}$")])
    position = models.PositiveSmallIntegerField(help_text="1 is the first; the first nine have the keys 1-9")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="class_named_once"),
            models.UniqueConstraint(fields=["project", "position"], name="class_position_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> int | None:
        return self.position if self.position <= 9 else None


# Okabe and Ito's palette, told apart by colour-blind people too; vermillion and blue come first as they differ
# most from hematoxylin and eosin.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#f0e442", "#999999", "#000000")
