"""Jobs: long work that a person asked for, watches, can cancel, and whose result can be fetched for a while."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q

from labeling.leases import WORKERS, Backoff, Leased
from labeling.projects.models import MAY, Project

if TYPE_CHECKING:
    from labeling.accounts.models import User


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: "User") -> "JobQuerySet":
        """One's own jobs, and all jobs of the projects that one oversees."""
        mine = self.filter(project__in=Project.objects.visible_to(user))
        overseen = Project.objects.filter(memberships__user=user, memberships__role__in=MAY["oversee"])
        return mine.filter(Q(owner=user) | Q(project__in=overseen.values("pk")))


def uploads_storage() -> Storage:
    """Where files wait to be read, as they came: they may name patients, so they lie with the originals."""
    return storages["originals"]


class Job(Leased, Backoff):
    """One piece of long work. Owned by a worker through a lease on this row, as stages are (labeling/leases.py).

    `request` says what was asked for, `facts` what came out; the handler of the kind (handlers.py) knows their form.
    A job of several files has an item for each. The result and the files of items are removed after `expires_at`.
    """

    class Kind(models.TextChoices):
        EXPORT = "export", "export"
        READ = "read", "reading of files"
        IMPORT = "import", "import of annotations"
        FIELDS = "fields", "cutting of fields"
        PROPOSE = "propose", "proposing of cells"
        AGREEMENT = "agreement", "agreement of readers"
        CONSENSUS = "consensus", "consensus of readings"
        CERTIFICATE = "certificate", "acceptance on a certificate"
        CLASS_MERGE = "class_merge", "merge of classes"
        VECTORS = "vectors", "comparing of cells"
        CELL_MAP = "cell_map", "map of cells"
        COPY = "copy", "copy of images"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"
        EXPIRED = "expired", "expired"

    ACTIVE = (State.WAITING, State.RUNNING)
    MAX_ATTEMPTS = WORKERS.attempts
    # Kind -> the acts (projects/models.py) of who may see a job of it, and of who may stop or continue it.
    SEEN_BY: ClassVar[Mapping[str, str]] = {
        Kind.EXPORT: "export",
        Kind.READ: "oversee",
        Kind.IMPORT: "oversee",
        Kind.FIELDS: "oversee",
        Kind.PROPOSE: "oversee",
        Kind.AGREEMENT: "see",
        Kind.CONSENSUS: "review",
        Kind.CERTIFICATE: "oversee",
        Kind.CLASS_MERGE: "oversee",
        Kind.VECTORS: "annotate",
        Kind.CELL_MAP: "annotate",
        Kind.COPY: "oversee",
    }
    CHANGED_BY: ClassVar[Mapping[str, str]] = {
        Kind.EXPORT: "export",
        Kind.READ: "manage",
        Kind.IMPORT: "manage",
        Kind.FIELDS: "manage",
        Kind.PROPOSE: "manage",
        Kind.AGREEMENT: "see",
        Kind.CONSENSUS: "review",
        Kind.CERTIFICATE: "manage",
        Kind.CLASS_MERGE: "manage",
        Kind.VECTORS: "annotate",
        Kind.CELL_MAP: "annotate",
        Kind.COPY: "manage",
    }

    kind = models.CharField(max_length=20, choices=Kind)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="jobs")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs")
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    queue = models.CharField(max_length=20, default="files", help_text="whose workers do it")
    request = models.JSONField()
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    result = models.FileField(upload_to="jobs/", blank=True)
    result_name = models.CharField(max_length=255, blank=True)
    result_type = models.CharField(max_length=100, blank=True)
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["project", "kind"], name="jobs_of_project")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def percent(self) -> int:
        return int(100 * self.done / self.total) if self.total else 0


class JobItem(models.Model):
    """One file of a job, with a state of its own: what becomes of it never depends on the others.

    `file` is the file as it came, until it has been read or the job expires. `choice` is what somebody has chosen for
    it, which goes before what the job asks for all. `facts` say what came of it, for the handler of the kind; `error`
    is a sentence where the facts hold none.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "reading"
        DONE = "done", "done"
        CHOICE = "choice", "needs a choice"
        DECLINED = "declined", "declined"
        CANCELLED = "cancelled", "cancelled"

    OPEN = (State.WAITING, State.RUNNING)
    AGAIN = (State.DECLINED, State.CANCELLED)  # may be tried again as they are

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField(help_text="order in the job, from 1")
    name = models.CharField(max_length=255)
    size = models.BigIntegerField(help_text="bytes")
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    file = models.FileField(storage=uploads_storage, upload_to="uploads/", blank=True)
    choice = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="job_item_position_once")]

    def __str__(self) -> str:
        return self.name
