"""Uploads that arrive in parts and go on after a cut."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from labeling.jobs.models import Job, uploads_storage
from labeling.projects.models import Project

if TYPE_CHECKING:
    from datetime import datetime

    from labeling.accounts.models import User

KEPT_FOR = timedelta(days=7)  # after the last part


class UploadQuerySet(models.QuerySet["ResumableUpload"]):
    def visible_to(self, user: "User") -> "UploadQuerySet":
        """One's own: nobody goes on with the file of somebody else."""
        return self.filter(owner=user, project__in=Project.objects.visible_to(user))


class ResumableUpload(models.Model):
    """A file that is sent in parts (tus protocol, resumable/api.py), until `offset` of its `size` bytes are there.

    file      its name in uploads_storage; "" once a job has it
    facts     what is said of the file: UploadRequest
    modified  when the file was last changed on the sender's machine, in the sender's words: to find the upload again
    sha256    of the whole file: as the sender has named it, and in any case once it is whole
    job       that reads the file, once it is whole
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="resumable_uploads")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="resumable_uploads")
    name = models.CharField(max_length=255)
    size = models.BigIntegerField(help_text="bytes")
    offset = models.BigIntegerField(default=0, help_text="bytes that have arrived")
    file = models.FileField(storage=uploads_storage, blank=True)
    facts = models.JSONField(default=dict)
    modified = models.CharField(max_length=40, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, null=True, related_name="resumable_uploads")
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(default=timezone.now, help_text="when its last part arrived")

    objects: ClassVar[UploadQuerySet] = UploadQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(offset__gte=0, offset__lte=F("size")), name="resumable_upload_offset_in_file"
            ),
        ]
        indexes = [models.Index(fields=["touched_at"], name="resumable_upload_age")]

    def __str__(self) -> str:
        return self.name

    @property
    def expires_at(self) -> "datetime":
        return self.touched_at + KEPT_FOR

    @property
    def is_whole(self) -> bool:
        return self.job_id is not None
