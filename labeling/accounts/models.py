"""People, what the site lets them do, and the attempts to come in."""

from collections.abc import Collection
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.utils import timezone

from labeling.accounts.names import lookalike_key
from labeling.audit.current_request import current_request
from labeling.audit.models import Act
from labeling.audit.services import record, signed_in_at


class Theme(models.TextChoices):
    SYSTEM = "system", "as the system"
    LIGHT = "light", "light"
    DARK = "dark", "dark"


class User(AbstractUser):
    """Somebody who can sign in. What they may do in a project hangs on their memberships, never on the account."""

    mails_round_ends = models.BooleanField(default=True, help_text="by projects that they manage and that send mail")
    language = models.CharField(max_length=20, blank=True, help_text="of their mail, a code; empty: the site's own")
    theme = models.CharField(
        max_length=10, choices=Theme, blank=True, help_text="of pages and workspace; empty: as each browser keeps it"
    )
    creates_projects = models.BooleanField(
        default=False, help_text="whether they may create projects where that is a right (SitePolicy.projects)"
    )
    sees_first_steps = models.BooleanField(
        default=True, help_text="whether the demo project shows its first steps; closed once, they stay closed"
    )
    anonymised_at = models.DateTimeField(
        null=True, blank=True, help_text="when names, address and ways in were removed (accounts/leaving.py)"
    )
    name_key = models.CharField(
        max_length=400, default="", editable=False, db_index=True, help_text="equal for user names that look alike"
    )

    AUDITED: ClassVar = ("email", "is_active", "is_staff", "is_superuser", "creates_projects")  # columns

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Also writes down in the audit log what concerns security, whichever page or command saves."""
        self.name_key = lookalike_key(self.username)
        if kwargs.get("update_fields") is not None and "username" in kwargs["update_fields"]:
            kwargs["update_fields"] = {*kwargs["update_fields"], "name_key"}
        existed = self.pk is not None
        # set_password() leaves it there until super().save().
        new_password = getattr(self, "_password", None) is not None
        before = self._audited_before(kwargs.get("update_fields"))
        super().save(*args, **kwargs)
        self._write_down(before, existed=existed, new_password=new_password)
        if existed and (new_password or not self.is_active):
            self.personal_tokens.filter(revoked_at=None).update(revoked_at=timezone.now())

    def _audited_before(self, saved: Collection[str] | None) -> dict[str, object]:
        """What the database holds of the columns that are about to be saved and that the audit log knows."""
        columns = set(self.AUDITED)
        if saved is not None:
            columns &= set(saved)
        if self.pk is None or not columns:
            return {}
        return User.objects.filter(pk=self.pk).values(*columns).first() or {}

    def _write_down(self, before: dict[str, object], *, existed: bool, new_password: bool) -> None:
        name = self.get_username()
        if not existed:
            record(Act.ACCOUNT_CREATED, subject=name, administrator=self.is_staff)
            return
        if new_password:
            own = signed_in_at(current_request()) == self
            record(Act.PASSWORD_CHANGED if own else Act.PASSWORD_RESET, subject=name)
        for column, was in before.items():
            now = getattr(self, column)
            if was == now:
                continue
            if column == "is_active":
                record(Act.ACCOUNT_OPENED if now else Act.ACCOUNT_CLOSED, subject=name)
            elif column == "email":
                record(Act.EMAIL_CHANGED, subject=name)
            else:
                record(Act.RIGHT_CHANGED, subject=name, right=column, granted=now)

    @property
    def display_name(self) -> str:
        """How colleagues see this person."""
        return self.get_full_name() or self.get_username()


class SitePolicy(models.Model):
    """What people may do on this site beyond their projects. One row; administrators change it."""

    class Projects(models.TextChoices):
        """Who may create projects."""

        ADMINISTRATORS = "administrators", "administrators only"
        GRANTED = "granted", "administrators and people who were given the right"
        EVERYBODY = "everybody", "everybody who can sign in"

    class People(models.TextChoices):
        """Who may invite new people."""

        ADMINISTRATORS = "administrators", "administrators only"
        MANAGERS = "managers", "administrators, and owners and managers of a project by invitation"

    class SecondFactor(models.TextChoices):
        """Who must have a second factor (labeling/accounts/second_factors.py)."""

        NOBODY = "nobody", "nobody; everybody may have one"
        ADMINISTRATORS = "administrators", "administrators"
        EVERYBODY = "everybody", "everybody"

    projects = models.CharField(max_length=20, choices=Projects, default=Projects.GRANTED)
    people = models.CharField(max_length=20, choices=People, default=People.MANAGERS)
    second_factor = models.CharField(max_length=20, choices=SecondFactor, default=SecondFactor.NOBODY)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_site_policy")]

    def __str__(self) -> str:
        return f"projects: {self.projects}, people: {self.people}"


class PersonalToken(models.Model):
    """A secret by which a program acts for one person, within a scope and until a day.

    The secret is shown once and stored as its SHA-256. It has 256 random bits, so that there is nothing to guess and a
    slow hash, as for passwords, would only make every request slow. A new password and a closed account revoke every
    token of the person (User.save).
    """

    class Scope(models.TextChoices):
        """What a token is for; each contains the one before. Beyond the rights of its person it never goes."""

        READ = "read", "read: see and download, change nothing"
        ANNOTATE = "annotate", "annotate: also draw, decide, comment, export"
        MANAGE = "manage", "manage: everything that you may do in your projects"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="personal_tokens")
    name = models.CharField(max_length=100, help_text="what it is for, in the words of its person")
    scope = models.CharField(max_length=20, choices=Scope)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, help_text="to ten minutes")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope__in=["read", "annotate", "manage"]), name="personal_token_scope_known"
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("made_at")), name="personal_token_expires_later"
            ),
        ]

    def __str__(self) -> str:
        return f"token {self.name!r} of {self.user_id}"

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def is_open(self) -> bool:
        """Whether somebody still comes in with it, as far as the row tells."""
        return self.revoked_at is None and not self.has_expired


class AnsweredRequest(models.Model):
    """That a request with an Idempotency-Key was answered, and how, for a day (accounts/repeats.py)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    path = models.TextField()
    sent_sha256 = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    status = models.PositiveSmallIntegerField(default=0)
    answer = models.TextField(default="")
    headers = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="request_answered_once")]

    def __str__(self) -> str:
        return f"{self.path} answered {self.status}"


class SignInAttempt(models.Model):
    """One attempt to come in. Rows are added and never changed, except for their own outcome while it is found out.

    A row begins as failed, so that a process that dies in between leaves a failure behind.
    """

    class Door(models.TextChoices):
        PAGE = "page", "sign-in page"
        INVITATION = "invitation", "invitation link"
        TOKEN = "token", "API token"
        FACTOR = "factor", "second factor"
        PASSKEY = "passkey", "passkey"
        PROVIDER = "provider", "identity provider"

    at = models.DateTimeField(auto_now_add=True)
    door = models.CharField(max_length=20, choices=Door)
    name = models.CharField(max_length=150, blank=True, help_text="as typed, cut, without control characters")
    name_key = models.CharField(max_length=64, blank=True, help_text="hash of the name that the limit counts")
    address = models.CharField(max_length=45, blank=True, help_text="of the network that the limit counts")
    succeeded = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["name_key", "at"], name="attempts_of_a_name"),
            models.Index(fields=["address", "at"], name="attempts_of_an_address"),
        ]

    def __str__(self) -> str:
        outcome = "signed in" if self.succeeded else "failed"
        return f"{self.get_door_display()}: {self.name!r} from {self.address} {outcome}"
