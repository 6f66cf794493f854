"""The two logs and what is derived from them (docs/design.md, ideas 1 and 2).

Operations say what changed, activity says what hands and eyes did. `Annotation` is the current state, written in the
same transaction as the operation that made it; replay.py rebuilds it from the log alone.
"""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Func, IntegerField, Q
from django.db.models.functions import Cast
from django.db.models.lookups import Exact

from labeling.annotations.blinding import keeps_apart
from labeling.images.models import Image
from labeling.projects.models import LabelClass, Project

if TYPE_CHECKING:
    from labeling.accounts.models import User


class LayerQuerySet(models.QuerySet["Layer"]):
    def visible_to(self, user: "User") -> "LayerQuerySet":
        """Layers of the user's projects; where every annotator has a layer, annotators see only their own. What was
        imported is seen by those who lead: it may be another reader's work on the very fields of a study.

        Until the blinded readings of an image are closed everybody sees their own layer, and the proposals where the
        workflow shows them to readers, and nothing else (annotations/blinding.py).
        """
        from labeling.projects.models import MAY

        here = self.filter(image__project__in=Project.objects.visible_to(user))
        leads = Project.objects.filter(memberships__user=user, memberships__role__in=MAY["export"])
        shared = Q(annotator__isnull=True) & ~Q(kind__in=[Layer.Kind.IMPORT, Layer.Kind.CONSENSUS])
        of_everybody = [Layer.Kind.WORKING, Layer.Kind.CONSENSUS]
        in_shared_project = Q(kind__in=of_everybody, image__project__layering=Project.Layering.SHARED)
        own = Q(annotator=user)
        proposals = Q(kind=Layer.Kind.PREDICTION, image__project__workflow__shows_proposals=True)
        seen = here.filter(shared | own | in_shared_project | Q(image__project__in=leads.values("pk")))
        return seen.filter(~keeps_apart(user, "image") | own | proposals)


class Layer(models.Model):
    """A sheet of annotations over one image.

    A working layer is written through the log, by everyone (annotator is null) or by one annotator. Prediction, import
    and consensus layers are immutable: loaded in bulk, never changed.
    """

    class Kind(models.TextChoices):
        WORKING = "working", "working"
        PREDICTION = "prediction", "prediction"
        CONSENSUS = "consensus", "consensus"
        IMPORT = "import", "import"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="layers")
    kind = models.CharField(max_length=20, choices=Kind)
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="layers"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LayerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["image", "annotator"],
                condition=Q(kind="working"),
                nulls_distinct=False,
                name="working_layer_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} layer of {self.image}"


class LayerHead(models.Model):
    """How far the log of a layer goes. Narrow and apart, because every write locks it.

    The lock makes the sequence gapless and in commit order; a PostgreSQL sequence is neither.
    """

    layer = models.OneToOneField(Layer, on_delete=models.CASCADE, primary_key=True, related_name="head")
    seq = models.PositiveBigIntegerField(default=0)
    frozen_at = models.DateTimeField(null=True, help_text="since when nothing is written here: the image is done")

    def __str__(self) -> str:
        return f"{self.layer_id} at {self.seq}"


class Annotation(models.Model):
    """One cell or region of a layer, as the log left it.

    `uid` is made in the browser (or by the loader of an immutable layer) and is unique in the layer. The box is what a
    person drew or the tight box of a mask: floats, image pixels, half-open. The mask, if any, is an integer box and a
    packed bit run relative to it (inference/masks.py). A cell whose box has no extent is a point: a person said where
    it is and not how large. A deleted annotation stays as a row, so that its deletion can be undone. `derived_from` is
    the uid of the annotation in another layer that this one came from: of a proposal the person's cell whose box
    prompted it, of an accepted or rejected cell the proposal.
    """

    class Kind(models.TextChoices):
        CELL = "cell", "cell"
        REGION = "region", "region"

    class Status(models.TextChoices):
        CONFIRMED = "confirmed", "confirmed"  # a person says: this is a cell (on a prediction layer: the model says so)
        REJECTED = "rejected", "rejected"  # a person says no to the proposal derived_from
        CANNOT_TELL = "cannot_tell", "cannot tell"  # nobody shall learn from it
        EXHAUSTIVE = "exhaustive", "fully annotated"  # region: every cell inside is annotated
        IGNORE = "ignore", "ignore"  # region: artefact, out of focus

    class Reason(models.TextChoices):
        NONE = "", "no reason given"
        NOT_A_CELL = "not_a_cell", "not a cell"
        BOUNDARY = "boundary", "boundary wrong"
        DUPLICATE = "duplicate", "duplicate"
        MERGED = "merged", "several cells merged"
        CANNOT_TELL = "cannot_tell", "cannot tell"

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="annotations")
    uid = models.UUIDField()
    kind = models.CharField(max_length=10, choices=Kind)
    status = models.CharField(max_length=20, choices=Status)
    reason = models.CharField(max_length=20, choices=Reason, blank=True)
    label_class = models.ForeignKey(LabelClass, on_delete=models.PROTECT, null=True, blank=True)
    x0, y0, x1, y1 = (models.FloatField() for _ in range(4))
    mask_x = models.IntegerField(null=True)
    mask_y = models.IntegerField(null=True)
    mask_width = models.IntegerField(null=True)
    mask_height = models.IntegerField(null=True)
    mask_bits = models.BinaryField(null=True)
    derived_from = models.UUIDField(null=True)
    attributes = models.JSONField(null=True, help_text="what else is said of the cell, name -> value; null for nothing")
    parent = models.UUIDField(null=True, help_text="uid of the cell that this one lies in: of a nucleus its cell")
    provenance = models.JSONField(default=dict)
    score = models.FloatField(null=True, help_text="of a proposal: how doubtful, 0..1; the highest is looked at first")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="who gave the cell its status; whoever moved it since has not decided it",
    )
    disputed = models.BooleanField(
        default=False, db_default=False, help_text="an opinion differs from the status (annotations/opinions.py)"
    )
    version = models.PositiveIntegerField(default=1)
    last_op = models.UUIDField(null=True)
    deleted = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["layer", "uid"], name="annotation_once_per_layer"),
            models.UniqueConstraint(
                fields=["layer", "derived_from"],
                condition=Q(deleted=False, derived_from__isnull=False),
                name="decided_once_per_layer",
            ),
            models.CheckConstraint(condition=Q(x0__gte=0, y0__gte=0), name="annotation_starts_in_image"),
            models.CheckConstraint(
                condition=Q(x0__lt=F("x1"), y0__lt=F("y1"))
                | Q(x0=F("x1"), y0=F("y1"), kind="cell", mask_bits__isnull=True),
                name="annotation_has_area_or_is_point",
            ),
            models.CheckConstraint(
                condition=Q(kind="cell", status__in=["confirmed", "rejected", "cannot_tell"])
                | Q(kind="region", status__in=["exhaustive", "ignore"]),
                name="annotation_status_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(
                    mask_x__isnull=True,
                    mask_y__isnull=True,
                    mask_width__isnull=True,
                    mask_height__isnull=True,
                    mask_bits__isnull=True,
                )
                | Q(mask_x__gte=0, mask_y__gte=0, mask_width__gt=0, mask_height__gt=0, mask_bits__isnull=False),
                name="annotation_mask_whole_or_absent",
            ),
            models.CheckConstraint(
                condition=Q(mask_bits__isnull=True)
                | Exact(  # type: ignore[arg-type]
                    Func(F("mask_bits"), function="octet_length", output_field=IntegerField()),
                    Cast((F("mask_width") * F("mask_height") + 7) / 8, IntegerField()),
                ),
                name="annotation_mask_bits_fit_box",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uid}"


class Operation(models.Model):
    """One act of one person: the header of the log. Append-only; nothing updates or deletes a row.

    begun/committed are the person's clocks: wall time, and the browser's monotonic clock in milliseconds, which is the
    only one whose differences mean anything. `activity_first..activity_last` number the activity events it rests on.
    `view` says how the picture was shown, by the browser (contract.ViewIn); null: unknown.
    """

    class Action(models.TextChoices):
        DRAW = "draw", "draw"
        MOVE = "move", "move"
        RESIZE = "resize", "resize"
        RESHAPE = "reshape", "reshape"
        CLASSIFY = "classify", "classify"
        DELETE = "delete", "delete"
        ACCEPT = "accept", "accept"
        REJECT = "reject", "reject"
        EDIT = "edit", "edit"
        REGION = "region", "region"
        CANNOT_TELL = "cannot_tell", "cannot tell"
        UNDO = "undo", "undo"
        REDO = "redo", "redo"
        BULK = "bulk", "bulk"
        OPINION = "opinion", "opinion"
        OVERRULE = "overrule", "overrule"
        RESTORE = "restore", "restore"

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="operations")
    seq = models.PositiveBigIntegerField()
    op_id = models.UUIDField()
    action = models.CharField(max_length=20, choices=Action)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="operations")
    tool = models.CharField(max_length=40, blank=True)
    session = models.UUIDField()
    begun_at = models.DateTimeField()
    committed_at = models.DateTimeField()
    begun_ms = models.FloatField()
    committed_ms = models.FloatField()
    activity_first = models.PositiveIntegerField(null=True)
    activity_last = models.PositiveIntegerField(null=True)
    undoes = models.UUIDField(null=True)
    view = models.JSONField(null=True)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["layer", "seq"], name="operation_seq_once"),
            models.UniqueConstraint(fields=["layer", "op_id"], name="operation_once"),
            models.CheckConstraint(condition=Q(seq__gt=0), name="operation_seq_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.op_id}"


class Effect(models.Model):
    """What an operation did to one annotation: its state before and after, null for absent. Append-only.

    `version` counts the effects on the annotation, from 1; unique, so no two writers can both have been the next.
    """

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="effects")
    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="effects")
    version = models.PositiveIntegerField()
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["annotation", "version"], name="effect_version_once"),
            models.UniqueConstraint(fields=["operation", "annotation"], name="effect_once_per_operation"),
        ]

    def __str__(self) -> str:
        return f"{self.annotation_id} version {self.version}"


class OpinionEffect(models.Model):
    """What an operation did to its author's opinion of one cell: before and after, null for none. Append-only.

    Apart from Effect, because an opinion is no version of the cell: who edits the cell at the same moment has seen
    all of it.
    """

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="opinion_effects")
    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="opinion_effects")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["operation", "annotation"], name="opinion_effect_once_per_operation"),
        ]

    def __str__(self) -> str:
        return f"opinion of {self.annotation_id} by operation {self.operation_id}"


class Opinion(models.Model):
    """What a second person says of a cell that somebody else has decided, as the log left it. One a cell and person.

    An opinion changes neither the cell's shape nor its status. A withdrawn one keeps its row with an empty verdict, so
    that the withdrawal can be undone.
    """

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", "accepted"
        REJECTED = "rejected", "rejected"
        UNSURE = "unsure", "unsure"

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="opinions")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True)
    label_class = models.ForeignKey(LabelClass, on_delete=models.PROTECT, null=True)
    reason = models.CharField(max_length=20, choices=Annotation.Reason, blank=True)
    given_at = models.DateTimeField(help_text="when its author committed it, by the author's clock")
    last_op = models.UUIDField()
    settled_by = models.UUIDField(
        null=True, help_text="the overrule that settled it: it no longer makes the cell disputed"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotation", "author"], name="opinion_once_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.verdict or 'withdrawn'} by {self.author_id} on {self.annotation_id}"


class Settlement(models.Model):
    """That an overrule settled somebody's opinion of a cell. Append-only, a part of the log as OpinionEffect is."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="settlements")
    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="settlements")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="whose opinion it was"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operation", "annotation", "author"], name="settled_once_per_operation")
        ]

    def __str__(self) -> str:
        return f"opinion of {self.author_id} settled by operation {self.operation_id}"


class LateOperation(models.Model):
    """An operation that came for a frozen layer, as it was sent. It changes nothing until somebody applies it."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", "waiting"
        APPLIED = "applied", "applied"
        DISCARDED = "discarded", "discarded"

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="late_operations")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    op_id = models.UUIDField()
    content = models.TextField(help_text="JSON as it was sent; text, since jsonb does not take every character")
    received_at = models.DateTimeField(auto_now_add=True)
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.WAITING)
    answer = models.CharField(max_length=20, blank=True, help_text="the log's verdict, once it was applied")
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["layer", "op_id"], name="late_operation_once")]

    def __str__(self) -> str:
        return f"late {self.op_id}: {self.outcome}"


class ActivityBatch(models.Model):
    """A run of raw activity events of one browser session, compressed. Append-only.

    Events are numbered without gaps within a session: this row holds first .. first + count - 1. Active time is always
    computed from them with a declared idle cut-off. ActivitySummary keeps what was computed, and can be rebuilt.
    """

    session = models.UUIDField()
    first = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="activity")
    wall_ms = models.FloatField(help_text="wall clock of the browser, ms since 1970, at mono_ms")
    mono_ms = models.FloatField(help_text="monotonic clock of the browser, ms, when wall_ms was read")
    events = models.BinaryField(help_text="zlib of the JSON list [[t_ms, kind, data?], ...]")
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["session", "first"]
        constraints = [
            models.UniqueConstraint(fields=["session", "first"], name="activity_once"),
            models.CheckConstraint(condition=Q(count__gt=0), name="activity_not_empty"),
        ]
        indexes = [
            models.Index(fields=["image", "user"], name="activity_by_image"),
            models.Index(fields=["image", "session"], name="activity_by_image_session"),
        ]

    def __str__(self) -> str:
        return f"{self.session} {self.first}+{self.count}"


class ActivitySummary(models.Model):
    """What the events of one session on one image come to, so that a page need not unpack them.

    Derived from ActivityBatch by labeling/annotations/active_time.py, never a source: `boxwise manage
    activity_summaries` rebuilds all rows. Times are ms of the browser's monotonic clock.
    """

    session = models.UUIDField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="activity_summaries")
    version = models.PositiveSmallIntegerField(help_text="active_time.VERSION of the code that computed this row")
    idle_after_s = models.FloatField(help_text="the idle cut-off of `spans`, seconds")
    begin_ms = models.FloatField()
    last_ms = models.FloatField()
    next = models.PositiveIntegerField(help_text="the number that the next event should have")
    marks = models.JSONField(help_text="the events that decide about active time: [[t_ms, kind, since], ...]")
    spans = models.JSONField(help_text="when the person worked: [[begin_ms, end_ms], ...]")
    anchors = models.JSONField(help_text="where the clock lies on the calendar: [[begin_ms, wall_ms, server_ms], ...]")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "image"], name="activity_summary_once")]
        indexes = [models.Index(fields=["image", "user"], name="activity_summary_by_image")]

    def __str__(self) -> str:
        return f"summary of {self.session}"
