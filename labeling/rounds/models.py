"""Rounds: frozen snapshots, content-addressed stages and what they publish (docs/design.md, idea 3)."""

import uuid
from typing import TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from inference.documents import publication as published
from inference.documents import snapshot as frozen
from inference.documents.base import Document
from inference.documents.configuration import RoundConfiguration
from inference.documents.stage_reports import Figures, Usage
from labeling.annotations.models import Layer
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.leases import WORKERS, Backoff, Leased
from labeling.projects.models import Project

FactsOfKind = TypeVar("FactsOfKind", bound=Document)


class Snapshot(models.Model):
    """What a round learns from, frozen: images, log positions, boxes, regions, splits. Same content, same row.

    `content` is canonical JSON in storage (inference/documents/snapshot.py says what is in it), `sha256` its hash.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="snapshots")
    sha256 = models.CharField(max_length=64)
    content = models.FileField(upload_to="snapshots/")
    summary = models.JSONField(help_text="counts for people: images, boxes, regions, per split")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "sha256"], name="snapshot_once")]

    def __str__(self) -> str:
        return self.sha256[:12]

    @property
    def counts(self) -> frozen.SnapshotSummary:
        return frozen.SnapshotSummary.stored(self.summary)

    def document(self) -> frozen.Snapshot:
        """What is in the file. Raises FileNotFoundError, pydantic.ValidationError."""
        with self.content.open("rb") as file:
            return frozen.Snapshot.read(file.read())


class Round(models.Model):
    """One pass of the loop: snapshot in, published proposals out."""

    class State(models.TextChoices):
        PLANNED = "planned", "queued"  # starts when the project's rounds before it have ended
        QUEUED = "queued", "waiting for a worker"
        RUNNING = "running", "running"
        CANCELLED = "cancelled", "cancelled"
        FAILED = "failed", "failed"
        PUBLISHED = "published", "published"

    MOVES = {  # every legal one; a cancelled or failed round is started again by Retry
        State.PLANNED: {State.QUEUED, State.CANCELLED},
        State.QUEUED: {State.RUNNING, State.CANCELLED, State.FAILED},
        State.RUNNING: {State.CANCELLED, State.FAILED, State.PUBLISHED},
        State.CANCELLED: {State.QUEUED},
        State.FAILED: {State.QUEUED},
        State.PUBLISHED: set(),
    }
    ACTIVE = (State.QUEUED, State.RUNNING)

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=20, choices=State, default=State.QUEUED)
    preset = models.CharField(max_length=40)
    configuration = models.JSONField(help_text="every parameter of every stage, as it was at the start")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="rounds")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    cancel_requested = models.BooleanField(default=False)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="round_number_once"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(state__in=["queued", "running"]), name="one_active_round"
            ),
        ]

    def __str__(self) -> str:
        return f"round {self.number}"

    @property
    def parameters(self) -> RoundConfiguration:
        """The configuration as a document; bounds are not judged, since a round of before keeps its settings."""
        return RoundConfiguration.stored(self.configuration)

    def get_absolute_url(self) -> str:
        """Its page. The address holds the number that people see, within the project; ids are for the API."""
        return reverse("round", args=[self.project_id, self.number])


class ReferenceSet(models.Model):
    """The images whose reference masks judge the masks of a project's rounds, as they were when somebody locked them.

    `images` holds {"image", "patient", "sha256"} of each, the hash of its reference masks. Rows are never changed; the
    one of the highest number holds (reference.py).
    """

    class Origin(models.TextChoices):
        SCRATCH = "scratch", "drawn from scratch, without proposals"
        PUBLISHED = "published", "came with the data set"
        EXACT = "exact", "exact: the images are synthetic"
        CONSENSUS = "consensus", "consensus of several readers"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="reference_sets")
    number = models.PositiveIntegerField()
    images = models.JSONField()
    origin = models.CharField(max_length=20, choices=Origin)
    readers = models.PositiveSmallIntegerField(default=1, help_text="people who read each image independently")
    note = models.CharField(max_length=200, blank=True)
    locked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    locked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="reference_set_numbered_once")]

    def __str__(self) -> str:
        return f"reference set {self.number}"


class Artifact(models.Model):
    """What a stage made, named by what it was made from: same key, same content, never made twice."""

    key = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=40)
    file = models.FileField(upload_to="artifacts/")
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    facts = models.JSONField(default=dict, help_text="small results worth showing: metrics, counts, times")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.key[:12]}"

    def facts_as(self, kind: type[FactsOfKind]) -> FactsOfKind:
        """The facts as the document of this artifact's kind (inference/documents/stage_reports.py)."""
        return kind.stored(self.facts)


class Stage(Leased, Backoff):
    """One step of a round. Its key is the hash of its inputs, its parameters and its own version number.

    Who owns running work is decided by the lease on this row, not by the broker: a worker renews `lease_until`
    while it works; recovery starts again what lost its lease, `MAX_ATTEMPTS` times at most. A worker that lacks
    what the stage needs hands it back: then it waits with a reason until `again_at` (leases.Backoff).
    """

    class Kind(models.TextChoices):
        METHOD = "method", "Training of the method"
        PSEUDO_MASKS = "pseudo_masks", "Masks from people's boxes"
        DETECTOR = "detector", "Detector"
        SEGMENTER = "segmenter", "Segmenter"
        PREDICTION = "prediction", "Prediction"
        FUSION = "fusion", "Exact fusion"
        INSTANCES = "instances", "Instances"
        EVALUATION = "evaluation", "Evaluation"
        PUBLICATION = "publication", "Publication"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        REUSED = "reused", "reused"
        CANCELLED = "cancelled", "cancelled"
        FAILED = "failed", "failed"

    MAX_ATTEMPTS = WORKERS.attempts

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="stages")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=20, choices=Kind)
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    queue = models.CharField(max_length=20, default="cpu")
    key = models.CharField(max_length=64, blank=True)
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, null=True, related_name="stages")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)
    usage = models.JSONField(default=dict, help_text="of processor and memory, as the worker told it last")
    queued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["round", "kind"], name="stage_once_per_round")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.round}"

    @property
    def used(self) -> Usage:
        """What its worker told last; empty of a stage that was used again or has not begun."""
        return Usage.stored(self.usage)


class Portion(Leased):
    """Some images of a stage that is spread over many workers; whoever is free takes the next portion.

    Owned as a stage is: by a lease on this row (execution/portions.py). `file` holds its finished units, for the worker
    that gathers them, which may stand on another machine.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"

    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="portions")
    number = models.PositiveIntegerField()
    images = models.JSONField(help_text="ids, in order")
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    queued_at = models.DateTimeField(null=True)
    done = models.PositiveIntegerField(default=0)
    usage = models.JSONField(default=dict)
    file = models.FileField(upload_to="portions/", blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["stage", "number"], name="portion_once_per_stage")]

    def __str__(self) -> str:
        return f"portion {self.number} of {self.stage}"

    @property
    def used(self) -> Usage:
        return Usage.stored(self.usage)


class StageLine(models.Model):
    """One line of a stage's log: plain words, or numbers worth a curve (epoch, loss)."""

    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="lines")
    at = models.DateTimeField(auto_now_add=True)
    text = models.TextField(blank=True)
    values = models.JSONField(default=dict)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text


class Publication(models.Model):
    """That the proposals of a round, or of a job without a round, for an image stand on a layer; annotations themselves
    know nothing of rounds.

    `certificate` is the proof of the fusion's optimality (inference/fusion). What a job proposed is round 0: it can be
    withdrawn, and keeps its layer all the same, so that later rounds can be compared with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    round = models.ForeignKey(Round, on_delete=models.CASCADE, null=True, related_name="publications")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, null=True, related_name="publications")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="publications")
    layer = models.OneToOneField(Layer, on_delete=models.CASCADE, related_name="publication")
    certificate = models.JSONField()
    model_names = models.JSONField(help_text="of the detector, segmenter and prompter")
    facts = models.JSONField(default=dict)
    published_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True, help_text="since when nobody sees what this job proposed")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "image"], name="published_once"),
            models.UniqueConstraint(fields=["job", "image"], name="published_once_by_job"),
            models.CheckConstraint(
                condition=Q(round__isnull=False, job__isnull=True) | Q(round__isnull=True, job__isnull=False),
                name="publication_comes_from_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} on {self.image}"

    @property
    def source(self) -> Round | Job:
        """What proposed it."""
        source = self.round or self.job
        assert source is not None  # publication_comes_from_one
        return source

    @property
    def round_number(self) -> int:
        """0 of what was proposed without a round."""
        return self.round.number if self.round is not None else 0

    @property
    def proof(self) -> published.Certificate | None:
        """None of what was published without a fusion."""
        return published.Certificate.stored(self.certificate) if self.certificate else None

    @property
    def statements(self) -> published.PublicationFacts:
        """What the round says of the image."""
        return published.PublicationFacts.stored(self.facts)


class RoundPolicy(models.Model):
    """What a project has decided about its rounds; without a row, the defaults hold."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="round_policy", primary_key=True)
    promotes_itself = models.BooleanField(
        default=True, help_text="a finished round's proposals become current at once; else when somebody promotes it"
    )
    data_licence = models.CharField(max_length=200, blank=True, help_text="of the images and labels, for model cards")
    notify_by_mail = models.BooleanField(
        default=False, help_text="owners and managers, when a round is published or fails"
    )
    webhook_url = models.CharField(max_length=500, blank=True, help_text="told of every round that ends")
    webhook_secret = models.CharField(max_length=100, blank=True, help_text="the key of the webhook's signature")

    def __str__(self) -> str:
        return f"round policy of {self.project}"


class Promotion(models.Model):
    """That a round's proposals became the current ones. Append-only: the last row of a project is what holds, and
    rolling back is one more row."""

    class Reason(models.TextChoices):
        FINISHED = "finished", "the round finished"
        PROMOTED = "promoted", "promoted"
        ROLLED_BACK = "rolled_back", "rolled back"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="promotions")
    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="promotions")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=20, choices=Reason)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.round}: {self.get_reason_display()}"


class WeightsImport(models.Model):
    """Weights that somebody brought along: as they came, until a worker has found what they are (weights/importing.py).

    What fits becomes model versions, and the file goes; what does not leaves its reason here.
    """

    class State(models.TextChoices):
        CHECKING = "checking", "being checked"
        READY = "ready", "ready"
        DECLINED = "declined", "declined"

    MAX_ATTEMPTS = 3

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="weights_imports")
    name = models.CharField(max_length=255, help_text="of the file, as it came")
    file = models.FileField(upload_to="imports/", blank=True)
    size = models.PositiveBigIntegerField()
    data_licence = models.CharField(max_length=200, help_text="of the data that the weights have learned from")
    note = models.CharField(max_length=200, blank=True)
    card = models.TextField(blank=True, help_text="the README.md that came with it")
    state = models.CharField(max_length=20, choices=State, default=State.CHECKING)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    imported_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    imported_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class ModelVersion(models.Model):
    """Weights of a project: what they are, where they are from and how good they were.

    A method that is trained as a whole is one version; its parts are none. `number` counts the versions of one kind.
    The weights are the artifact (its sha256 and size): safetensors, or the zip of a method's bundle.
    `round` is the first that made or used them: a later round on equal inputs uses the same version. Imported weights
    have none: no round made them, and what they learned from is not here.
    """

    class Kind(models.TextChoices):
        DETECTOR = "detector", "detector"
        SEGMENTER = "segmenter", "segmenter"
        METHOD = "method", "method"
        PROMPTER = "prompter", "prompter"

    class Origin(models.TextChoices):
        TRAINED = "trained", "trained here"
        IMPORTED = "imported", "imported"
        SHIPPED = "shipped", "came with Boxwise"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="model_versions")
    kind = models.CharField(max_length=20, choices=Kind)
    number = models.PositiveIntegerField()
    origin = models.CharField(max_length=20, choices=Origin, default=Origin.TRAINED)
    model = models.CharField(max_length=40, help_text="the name of its architecture in configurations")
    architecture = models.CharField(max_length=100, help_text="with its version, and what its training began from")
    class_names = models.JSONField(default=list, help_text="of a detector that knows several, in its own order")
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="model_versions")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    round = models.ForeignKey(Round, on_delete=models.CASCADE, null=True, related_name="model_versions")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, null=True, related_name="model_versions")
    source = models.ForeignKey(WeightsImport, on_delete=models.CASCADE, null=True, related_name="versions")
    metrics = models.JSONField(default=dict, help_text="of the evaluation of the round that made it")
    data_licence = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["kind", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "number"], name="model_version_numbered_once"),
            models.UniqueConstraint(fields=["project", "artifact"], name="model_version_once"),
            models.CheckConstraint(
                condition=Q(origin="imported", source__isnull=False, round__isnull=True, snapshot__isnull=True)
                | Q(origin="shipped", source__isnull=True, round__isnull=False, snapshot__isnull=True)
                | Q(origin="trained", source__isnull=True, round__isnull=False, snapshot__isnull=False),
                name="model_version_comes_from_somewhere",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"

    @property
    def figures(self) -> Figures:
        """Of the evaluation of the round that made it; empty before that has ended."""
        return Figures.stored(self.metrics)


class Tuning(models.Model):
    """A table of settings tried on a finished round's cached masks, on its validation images alone."""

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    round = models.OneToOneField(Round, on_delete=models.CASCADE, related_name="tuning")
    state = models.CharField(max_length=20, choices=State, default=State.QUEUED)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField(auto_now=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"tuning of {self.round}"

    @property
    def table(self) -> published.TuningResult | None:
        """What was tried; None before it has ended."""
        return published.TuningResult.stored(self.result) if self.result else None


class Delivery(models.Model):
    """That somebody is to be told that a round has ended, or that a project wants to know whether it would arrive.

    `content` is what is said, as it was then: a later try says the same. It is not tried before `due_at`, which a
    worker moves ahead while it tries; recovery asks again for what nobody has tried by then (notices/delivery.py).
    """

    class Channel(models.TextChoices):
        MAIL = "mail", "mail"
        WEBHOOK = "webhook", "webhook"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENT = "sent", "sent"
        FAILED = "failed", "given up"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="deliveries")
    round = models.ForeignKey(Round, on_delete=models.CASCADE, null=True, related_name="deliveries")
    ended_at = models.DateTimeField(null=True, help_text="which end of the round: after Retry it ends once more")
    event = models.CharField(max_length=40, help_text="round.published, round.failed, round.cancelled or test")
    channel = models.CharField(max_length=20, choices=Channel)
    to = models.CharField(max_length=500, help_text="the address, as it was then")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    content = models.JSONField()
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    answer = models.TextField(blank=True, help_text="what the receiver said last, or why there is no answer")
    due_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="waiting"), name="delivery_due")]
        constraints = [models.UniqueConstraint(fields=["round", "ended_at", "channel", "to"], name="delivery_once")]

    def __str__(self) -> str:
        return f"{self.event} by {self.channel}"

    @property
    def outcome(self) -> str:
        """The end of the round as a word: published, failed, cancelled."""
        return self.event.removeprefix("round.")
