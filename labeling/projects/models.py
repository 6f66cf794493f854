"""Projects, who takes part in them, and the classes they sort cells into."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.errors import Archived
from labeling.prepared import Prepared

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
    "withdraw": frozenset({Role.OWNER, Role.MANAGER}),  # a patient, from an archived project too
    "copy": frozenset({Role.OWNER, Role.MANAGER}),  # into a project of one's own; an archived one too
    "copy_images": frozenset({Role.OWNER}),  # with them: the copy has other owners
    "delete": frozenset({Role.OWNER}),  # an archived project too
}
# The acts that change a project. An archived one declines them, whoever asks (labeling/projects/access.py).
CHANGES = frozenset({"comment", "annotate", "review", "manage", "own"})


LONGEST_SKILL = 60  # as a tag of an image (images/models.py)
REMINDS = 30  # days before the declared end of keeping


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: "User") -> "ProjectQuerySet":
        """The projects of which `user` is a member: every request reaches its objects through it. A deleted project is
        seen by its owners alone."""
        if not user.is_active:
            return self.none()
        is_open = Q(deleted_at__isnull=True) | Q(memberships__role=Role.OWNER)
        return self.filter(is_open, memberships__user=user)

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
    deidentifies = models.BooleanField(
        "de-identify files",
        default=True,
        help_text="Keep of each file the pixels and what shows them, and no file as it came.",
    )
    name_pattern = models.CharField(
        max_length=300, blank=True, help_text="of file names: what its {patient} takes is replaced by a pseudonym"
    )
    attributes = models.JSONField(
        default=list, help_text="what is said of a cell besides its class, in order: [[name, [value, ...]], ...]"
    )
    model_channels = models.JSONField(
        default=list,
        help_text="of slides with several channels: names of those that models see; []: all that are shown",
    )
    test_sealed_at = models.DateTimeField(
        null=True, help_text="since the first round: from then on who moves into or out of test is asked for a reason"
    )
    approval = models.CharField(
        "approval number", max_length=200, blank=True, help_text="of the ethics committee or board that allows this"
    )
    data_use = models.TextField("data-use terms", blank=True, help_text="what the data may be used for, and by whom")
    retention_until = models.DateField(
        "kept until", null=True, blank=True, help_text="the day after which the data should go; nothing goes by itself"
    )
    retention_reminded = models.SmallIntegerField(
        null=True, help_text="days before the end of keeping of which its leads were reminded last; null: not yet"
    )
    permitted_centres = models.JSONField(
        default=list, blank=True, help_text="names of centres whose tissue may come in; []: of all"
    )
    quota_bytes = models.BigIntegerField(null=True, help_text="of its files; null: the server's (STORAGE_QUOTA)")
    is_sheet = models.BooleanField(
        default=False, help_text="a copy of one field for one person: it has no page of its own, and no list names it"
    )
    sheet_of = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        related_name="sheets",
        help_text="of a sheet: the project of the field. It is archived and deleted with that",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, help_text="since when nothing in it is changed; empty: it is in use")
    archived_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    deleted_at = models.DateTimeField(
        null=True, help_text="since when owners alone see it and can restore it; after the grace period it is removed"
    )
    deleted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(archived_at__isnull=False) | Q(archived_by__isnull=True), name="project_archived_by_whom"
            ),
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=True) | Q(archived_at__isnull=False), name="project_deleted_is_archived"
            ),
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=False) | Q(deleted_by__isnull=True), name="project_deleted_by_whom"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def declared_attributes(self) -> dict[str, list[str]]:
        """Name -> its values, in order."""
        return {name: list(values) for name, values in self.attributes}

    @property
    def retention_days_left(self) -> int | None:
        """Until the declared end of keeping, below 0 after it; None while it is further away than REMINDS."""
        if self.retention_until is None:
            return None
        left = (self.retention_until - timezone.localdate()).days
        return left if left <= REMINDS else None

    @property
    def removed_at(self) -> datetime | None:
        """Of a deleted project: when its grace period ends, so that nobody restores it any more."""
        if self.deleted_at is None:
            return None
        return self.deleted_at + timedelta(days=settings.IMAGE_GRACE_DAYS)

    @property
    def was_in_use(self) -> bool:
        """Of a deleted project: whether it was archived by the deletion itself, and not before."""
        return self.deleted_at is not None and self.archived_at == self.deleted_at

    def role_of(self, user: "User") -> str | None:
        """The role of `user` here, or None for a stranger."""
        found = ROLE.first(self.pk, user.pk)
        return found[0] if found else None

    def decline_if_archived(self) -> None:
        """Raises Archived."""
        if self.deleted_at is not None:
            words = _("this project is deleted; until an owner restores it, nothing in it is changed")
            raise Archived(words, project=self.pk)
        if self.archived_at is not None:
            raise Archived(
                _("this project is archived; until an owner or manager restores it, nothing in it is changed"),
                project=self.pk,
            )


class Seniority(models.TextChoices):
    """How far somebody is in their training; what somebody may do in a project is their role."""

    STUDENT = "student", gettext_noop("student")
    RESIDENT = "resident", gettext_noop("resident")
    PATHOLOGIST = "pathologist", gettext_noop("pathologist")


class Membership(models.Model):
    """That a person takes part in a project, and as what. `centre` is where they work: a workflow may keep the cases of
    their own centre from them."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)
    seniority = models.CharField(max_length=20, choices=Seniority, blank=True, default="")
    centre = models.ForeignKey("labeling.Centre", on_delete=models.SET_NULL, null=True, related_name="+")
    skills = ArrayField(
        models.CharField(max_length=LONGEST_SKILL),
        default=list,
        help_text="tags of images that this person reads; a workflow may give images by them",
    )
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
            models.CheckConstraint(
                condition=Q(seniority__in=["", *Seniority.values]), name="membership_seniority_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.project}"

    @property
    def shown_name(self) -> str:
        """How the project's people see this member. Before the first sign-in it is the name that was typed, so that
        adding a name does not tell whether an account with it exists."""
        return self.invited_as or self.user.display_name


ROLE = Prepared(lambda project, user: Membership.objects.filter(project=project, user=user).values_list("role")[:1])


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

    @staticmethod
    def opens() -> Q:
        """is_open, for a query."""
        return Q(used_at__isnull=True, revoked_at__isnull=True, expires_at__gt=timezone.now())


class LabelClassQuerySet(models.QuerySet["LabelClass"]):
    def current(self) -> "LabelClassQuerySet":
        """Without those that were merged into another class: no cell has them."""
        return self.filter(merged_into__isnull=True)

    def in_use(self) -> "LabelClassQuerySet":
        """What people choose from: neither merged nor retired."""
        return self.filter(retired_at__isnull=True)


class LabelClass(models.Model):
    """A class that cells are sorted into, with its colour and its key 1-9.

    A class may have a parent. A parent is a class as any other: a cell is labelled at the level that one is sure of.
    A retired class is not offered any more; cells keep it. A class that was merged into another one is retired, and
    whatever still arrives with it gets the other one (projects/classes.py).
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="classes")
    name = models.CharField(max_length=100)
    color = models.CharField(max_length=7, validators=[RegexValidator(r"^#[0-9a-f]{6}$")])
    position = models.PositiveSmallIntegerField(
        help_text="1 is the first; the first nine have the keys 1-9; retired classes stand last"
    )
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="children", help_text="the wider class it belongs to"
    )
    retired_at = models.DateTimeField(null=True, help_text="since when nobody is offered it; null: it is in use")
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="merged",
        help_text="the class that its cells have now",
    )
    copied_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="of a class on a sheet: the class of the project, whose name may change",
    )

    objects = LabelClassQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="class_named_once"),
            models.UniqueConstraint(fields=["project", "position"], name="class_position_once"),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")), name="class_is_not_its_own_parent"
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | (Q(retired_at__isnull=False) & ~Q(merged_into=F("id"))),
                name="class_merged_is_retired",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> int | None:
        return self.position if self.position <= 9 and self.retired_at is None else None


# Okabe and Ito's palette, told apart by colour-blind people too; vermillion and blue come first as they differ
# most from hematoxylin and eosin.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#f0e442", "#999999", "#000000")
