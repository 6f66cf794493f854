"""People, what the site lets them do, and the attempts to come in."""

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models

from labeling.accounts.names import lookalike_key


class User(AbstractUser):
    """Somebody who can sign in. What they may do in a project hangs on their memberships, never on the account."""

    mails_round_ends = models.BooleanField(default=True, help_text="by projects that they manage and that send mail")
    language = models.CharField(max_length=20, blank=True, help_text="of their mail, a code; empty: the site's own")
    creates_projects = models.BooleanField(
        default=False, help_text="whether they may create projects where that is a right (SitePolicy.projects)"
    )
    name_key = models.CharField(
        max_length=400, default="", editable=False, db_index=True, help_text="equal for user names that look alike"
    )

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name_key = lookalike_key(self.username)
        if kwargs.get("update_fields") is not None and "username" in kwargs["update_fields"]:
            kwargs["update_fields"] = {*kwargs["update_fields"], "name_key"}
        super().save(*args, **kwargs)

    @property
    def display_name(self) -> str:
        """How colleagues see this person."""
        return self.get_full_name() or self.get_username()


class SitePolicy(models.Model):
    """What people may do on this site beyond their projects. One row; administrators change it."""

    class Projects(models.TextChoices):
        """Who creates projects."""

        ADMINISTRATORS = "administrators", "administrators only"
        GRANTED = "granted", "administrators and people who were given the right"
        EVERYBODY = "everybody", "everybody who can sign in"

    class People(models.TextChoices):
        """Who brings new people in."""

        ADMINISTRATORS = "administrators", "administrators only"
        MANAGERS = "managers", "administrators, and owners and managers of a project by invitation"

    projects = models.CharField(max_length=20, choices=Projects, default=Projects.GRANTED)
    people = models.CharField(max_length=20, choices=People, default=People.MANAGERS)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_site_policy")]

    def __str__(self) -> str:
        return f"projects: {self.projects}, people: {self.people}"


class SignInAttempt(models.Model):
    """One attempt to come in. Rows are added and never changed, except for their own outcome while it is found out.

    A row begins as failed, so that a process that dies in between leaves a failure behind.
    """

    class Door(models.TextChoices):
        PAGE = "page", "sign-in page"
        INVITATION = "invitation", "invitation link"
        TOKEN = "token", "API token"

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
