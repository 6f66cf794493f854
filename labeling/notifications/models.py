"""Notifications, and what each person wants to hear of and by which way."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from labeling.annotations.blinding import keeps_apart
from labeling.images.models import Image
from labeling.projects.models import Project

if TYPE_CHECKING:
    from labeling.accounts.models import User


class Kind(models.TextChoices):
    ASSIGNED = "assigned", gettext_noop("images were assigned to me")
    SENT_BACK = "sent_back", gettext_noop("an image was sent back to me")
    MENTIONED = "mentioned", gettext_noop("I am mentioned in a comment")
    ROUND_ENDED = "round_ended", gettext_noop("a round of a project that I lead ended")
    RETENTION_ENDS = "retention_ends", gettext_noop("the data of a project that I lead are to go soon")


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, user: "User") -> "NotificationQuerySet":
        """The person's own, of their projects. A mention on an image whose blinded readings are open again is unseen
        until they are closed, as the comment is."""
        here = self.filter(person=user, project__in=Project.objects.visible_to(user))
        here = here.filter(Q(image__isnull=True) | Q(image__deleted_at__isnull=True))
        return here.exclude(Q(kind=Kind.MENTIONED, image__isnull=False) & keeps_apart(user, "image"))


class Notification(models.Model):
    """That something happened which concerns one person.

    count    of images, where several were assigned at once
    subject  what it is about, where that is no image: the number of a round, a day
    path     where it leads, on this server
    """

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=20, choices=Kind)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, null=True, related_name="+")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    count = models.PositiveIntegerField(default=1)
    subject = models.CharField(max_length=100, blank=True)
    path = models.CharField(max_length=300)
    made_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True)
    by_mail = models.BooleanField(default=False, help_text="whether it belongs into the next digest")
    mailed_at = models.DateTimeField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["person", "-id"], name="notifications_of_person"),
            models.Index(fields=["person"], condition=Q(seen_at__isnull=True), name="notifications_unseen"),
            models.Index(
                fields=["made_at"],
                condition=Q(by_mail=True, mailed_at__isnull=True, seen_at__isnull=True),
                name="notifications_to_mail",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.person_id}"


class NotificationChoice(models.Model):
    """What somebody wants of one kind. Without a row: in the app, and not by mail but of RETENTION_ENDS."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_choices")
    kind = models.CharField(max_length=20, choices=Kind)
    in_app = models.BooleanField(default=True)
    by_mail = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind"], name="notification_choice_once")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.person_id}"
