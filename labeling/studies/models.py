"""Studies of annotation time: what was planned, who takes part, what each reader gets next."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _

from labeling.annotations.models import Layer
from labeling.errors import WrongState
from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.studies.protocol.documents import ArmDocument

if TYPE_CHECKING:
    from labeling.accounts.models import User


class Strata(models.TextChoices):
    """By what the sets of fields are made alike: the value of a field."""

    DENSITY = "density", "density: cells of the reference in a field's area"
    SIZE = "size", "size: the median area of its reference cells"
    AMBIGUITY = "ambiguity", "ambiguity: how doubtful its newest proposals are"
    CLASS = "class", "class: of the cell, or of most cells of the field"


class Unit(models.TextChoices):
    """What one item presents. Times of different units are never pooled."""

    FIELDS = "fields", "fields: throughput with search and missed cells"
    CELLS = "cells", "sampled single cells: handling, place given"
    TIME = "time", "time boxes: how far in a fixed time"


class StudyQuerySet(models.QuerySet["Study"]):
    def visible_to(self, user: "User") -> "StudyQuerySet":
        """Studies of the user's projects. A participant reaches a study by their enrolment instead."""
        return self.filter(project__in=Project.objects.visible_to(user))


class Study(models.Model):
    """One comparison of ways to annotate, on fields of one project.

    The protocol is a draft until it is frozen: `protocol` then holds everything that decides the result (hypothesis,
    rules of measurement, arms, fields, allocation, analysis), and `protocol_sha256` is the hash of its canonical JSON.
    """

    class Design(models.TextChoices):
        CROSSOVER = "crossover", "AB/BA crossover: every reader in both arms"
        WILLIAMS = "williams", "Williams square: every reader in every arm"
        PARALLEL = "parallel", "parallel: every reader in one arm"

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        RUNNING = "running", "running"
        LOCKED = "locked", "locked"

    MOVES = {State.DRAFT: {State.RUNNING}, State.RUNNING: {State.LOCKED}, State.LOCKED: set()}

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="studies")
    name = models.CharField(max_length=200)
    public_title = models.CharField(
        "title that readers see",
        max_length=200,
        help_text="readers are blinded to the arms, so the title names none of them",
    )
    design = models.CharField(max_length=20, choices=Design, default=Design.CROSSOVER)
    state = models.CharField(max_length=20, choices=State, default=State.DRAFT)
    seed = models.PositiveIntegerField(help_text="of every draw of the allocation")
    hypothesis = models.TextField()
    idle_after_s = models.FloatField("idle cut-off, s", default=30)
    washout_days = models.PositiveIntegerField(default=28)
    training_per_arm = models.PositiveIntegerField(default=1)
    repeats = models.PositiveIntegerField("repeated items", default=0)
    outlier_iqr = models.FloatField(
        null=True, blank=True, help_text="exclude fields whose log time per cell is further than this many IQR outside"
    )
    quality_measure = models.CharField(max_length=10, default="dice")
    quality_margin = models.FloatField(default=0.05)
    measured = models.PositiveIntegerField(
        "measured fields", null=True, blank=True, help_text="how many are drawn; empty: as many as can be shared"
    )
    strata = models.CharField("alike sets by", max_length=20, choices=Strata, default=Strata.DENSITY)
    exclusion_rules = models.TextField(blank=True)
    unit = models.CharField(max_length=10, choices=Unit, default=Unit.FIELDS)
    time_box_minutes = models.PositiveIntegerField(
        "time box, min", null=True, blank=True, help_text="after which the clock ends a field; of time boxes only"
    )
    gap_days = models.PositiveIntegerField(
        "days between two sittings", default=0, help_text="from the own boxes to the verification of their masks"
    )
    sitting_minutes = models.PositiveIntegerField(
        "longest sitting, min", null=True, blank=True, help_text="of work at a stretch; then a break; empty: no rule"
    )
    break_minutes = models.PositiveIntegerField("break, min", default=10)
    practice_quality = models.FloatField(
        "quality of practice", null=True, blank=True, help_text="Dice to be reached in practice; empty: no criterion"
    )
    size_justification = models.TextField("justification of the size", blank=True)
    consent_text = models.TextField(blank=True)
    controller = models.CharField("who is responsible for the data", max_length=200, blank=True)
    contact = models.CharField("contact of readers", max_length=200, blank=True)
    ethics_reference = models.CharField(max_length=200, blank=True)
    retention_until = models.DateField(null=True, blank=True)
    withdrawal_after_lock = models.CharField(
        max_length=10, choices=[("keep", "data stay in the analysis"), ("remove", "data are removed")], default="remove"
    )
    protocol = models.JSONField(null=True)
    protocol_sha256 = models.CharField(max_length=64, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    stamp_token = models.BinaryField(null=True, help_text="RFC 3161 token of the protocol's SHA-256, DER")
    stamped_at = models.DateTimeField(null=True, help_text="when, as the token says")
    stamped_by = models.CharField(max_length=200, blank=True, help_text="address of the time-stamping authority")
    frozen_at = models.DateTimeField(null=True)
    locked_at = models.DateTimeField(null=True)
    logs_interim_looks = models.BooleanField(
        default=True, help_text="results by arm are hidden until the lock, and every look before it is logged"
    )

    objects = StudyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "studies"
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="study_named_once"),
            models.CheckConstraint(condition=Q(idle_after_s__gt=0), name="study_cut_off_positive"),
            models.CheckConstraint(
                condition=Q(state="draft", protocol__isnull=True) | ~Q(state="draft") & ~Q(protocol_sha256=""),
                name="study_runs_frozen",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def move_to(self, state: str) -> None:  # the caller holds the row lock
        if state not in self.MOVES[self.State(self.state)]:
            raise WrongState(
                _("study {name} is {state} and cannot become {other}").format(
                    name=self.name, state=_(self.get_state_display()), other=_(self.State(state).label)
                )
            )
        self.state = state


class Arm(models.Model):
    """One way to annotate: the tools at hand, and whether proposals are shown. The first arm is the reference."""

    class Assistance(models.TextChoices):
        NONE = "none", "nothing is proposed"
        PROPOSALS = "proposals", "proposals are shown, to be accepted, rejected or edited"
        OWN_BOXES = "own_boxes", "two sittings: own boxes or points, then the masks made from them are verified"

    TOOLS = ("box", "polygon", "brush", "wand", "stamp", "extremes", "smart", "point")

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="arms")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)
    tools = models.JSONField(default=list, help_text="of Arm.TOOLS")
    assistance = models.CharField(max_length=20, choices=Assistance, default=Assistance.NONE)
    accepts_many = models.BooleanField(
        "accept many proposals at once",
        default=False,
        help_text="one key accepts all proposals in view; otherwise each proposal is decided on its own",
    )
    instructions = models.TextField(blank=True, help_text="shown to readers before the arm's first field")
    second_tools = models.JSONField(default=list, help_text="of Arm.TOOLS, at hand in the second sitting of own boxes")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["study", "position"], name="arm_position_once"),
            models.UniqueConstraint(fields=["study", "name"], name="arm_named_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def as_document(self) -> ArmDocument:
        return {
            "name": self.name,
            "tools": self.tools,
            "assistance": self.assistance,
            "accepts_many": self.accepts_many,
            "instructions": self.instructions,
            "second_tools": self.second_tools,
        }


class StudyField(models.Model):
    """What one item presents: an image with a reference made by neither arm, or a single cell of one with its context.

    `proposals` is the immutable layer shown in arms with proposals, as it was at the freezing. `cell` is the number of
    a sampled cell in the image's reference, `frame` what is shown with it (cells.Frame); null for a whole image.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="fields")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    stratum = models.CharField(max_length=40, blank=True)
    training = models.BooleanField(default=False)
    reference_cells = models.PositiveIntegerField()
    cell = models.PositiveIntegerField(null=True)
    frame = models.JSONField(null=True)
    proposals = models.ForeignKey(Layer, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "image"], condition=Q(cell__isnull=True), name="study_field_once"),
            models.UniqueConstraint(fields=["study", "image", "cell"], name="study_cell_once"),
            models.CheckConstraint(
                condition=Q(cell__isnull=True, frame__isnull=True) | Q(cell__isnull=False, frame__isnull=False),
                name="study_cell_has_frame",
            ),
            models.CheckConstraint(condition=Q(reference_cells__gt=0), name="study_field_has_cells"),
        ]

    def __str__(self) -> str:
        return f"{self.image} in {self.study}"


class Profession(models.TextChoices):
    """What a reader says they are, if they say so (table 1 of a report)."""

    PATHOLOGIST = "pathologist", "pathologist"
    RESIDENT = "resident", "resident in pathology"
    SCIENTIST = "scientist", "scientist"
    TECHNICIAN = "technician", "technician"
    STUDENT = "student", "student"
    OTHER = "other", "other"


class Participant(models.Model):
    """That somebody reads for a study. An enrolment, not a role: it gives no access to the project."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="participants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="participations")
    number = models.PositiveSmallIntegerField(help_text="from 1; the pseudonym in every table is P01, P02, ...")
    consented_at = models.DateTimeField(null=True)
    shares_times = models.BooleanField(
        default=False, help_text="agrees that clock times and reasons about this reader stand in the bundle"
    )
    profession = models.CharField(max_length=20, blank=True, choices=Profession, help_text="if the reader said so")
    experience_years = models.PositiveSmallIntegerField(null=True, help_text="in pathology, if the reader said so")
    device = models.JSONField(
        null=True, help_text="input latency and frame time, as the calibration page measured them"
    )
    retention_agreed = models.DateField(null=True, help_text="the last day this reader agreed to; no later one counts")
    withdrawn_at = models.DateTimeField(null=True)
    withdrawal_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "user"], name="participant_once"),
            models.UniqueConstraint(fields=["study", "number"], name="participant_number_once"),
        ]

    def __str__(self) -> str:
        return self.pseudonym

    @property
    def pseudonym(self) -> str:
        return f"P{self.number:02d}"

    @property
    def has_declined(self) -> bool:
        """Whether the reader did not agree to take part; nothing was recorded of them."""
        return self.withdrawn_at is not None and self.consented_at is None


class Item(models.Model):
    """One field to be read by one participant in one arm, in its place of the allocation.

    `sheet` is a project of its own with this one image, made when the item is opened: the participant is a member of it
    only while the item is open, so nothing else of the study is ever within reach, and nothing once it is done.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "planned"
        OPEN = "open", "open"
        DONE = "done", "done"
        SKIPPED = "skipped", "skipped: practice was good enough"

    class Part(models.TextChoices):
        WHOLE = "", "the whole of it"
        BOXES = "boxes", "first sitting: own boxes"
        VERIFY = "verify", "second sitting: the masks made from them"

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    sequence = models.CharField(max_length=20)
    period = models.PositiveSmallIntegerField()
    arm = models.ForeignKey(Arm, on_delete=models.PROTECT, related_name="items")
    field = models.ForeignKey(StudyField, on_delete=models.PROTECT, related_name="items")
    training = models.BooleanField(default=False)
    repeat = models.BooleanField(default=False, help_text="a second reading, of a flipped view")
    part = models.CharField(max_length=10, choices=Part, default=Part.WHOLE, blank=True)
    machine_s = models.FloatField(null=True, help_text="that the machine took for the masks of these boxes")
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    sheet = models.OneToOneField(Project, on_delete=models.PROTECT, null=True, related_name="study_item")
    opened_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    excluded = models.TextField(blank=True, help_text="why this item does not count; empty when it counts")

    class Meta:
        ordering = ["participant", "position"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "position"], name="item_position_once"),
            models.UniqueConstraint(
                fields=["participant"], condition=Q(state="open"), name="one_open_item_per_participant"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["planned", "skipped"], sheet__isnull=True)
                | ~Q(state__in=["planned", "skipped"]) & Q(sheet__isnull=False),
                name="item_has_sheet_once_opened",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} item {self.position}"

    @property
    def tools(self) -> list[str]:
        """What the reader has at hand here."""
        found: list[str] = self.arm.second_tools if self.part == Item.Part.VERIFY else self.arm.tools
        return found


class Sitting(models.Model):
    """One stretch at an item, from opening or resuming it to a pause, its end or a crash (then `end` is "lost")."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="sittings")
    begun_at = models.DateTimeField()
    closes_at = models.DateTimeField(null=True, help_text="when the clock ends the field; null: it does not")
    ended_at = models.DateTimeField(null=True)
    end = models.CharField(max_length=10, choices=[("pause", "paused"), ("done", "done"), ("lost", "lost")], blank=True)

    class Meta:
        ordering = ["begun_at"]
        constraints = [
            models.UniqueConstraint(fields=["item"], condition=Q(ended_at__isnull=True), name="one_sitting_at_a_time"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("begun_at")), name="sitting_ends_after_beginning"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item} from {self.begun_at}"


class Amendment(models.Model):
    """A change of a frozen protocol: what, why, when, by whom. Append-only.

    `before` holds the values that `change` replaced. `results_seen` says whether anybody had looked at results by arm
    by then; null where looks were not logged yet.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="amendments")
    reason = models.TextField()
    change = models.JSONField()
    before = models.JSONField(default=dict)
    results_seen = models.BooleanField(null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"amendment of {self.study} at {self.at}"


class InterimLook(models.Model):
    """That an owner looked at results by arm before the lock, and why. Append-only; report and bundle say so."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="interim_looks")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    at = models.DateTimeField(auto_now_add=True)
    until = models.DateTimeField(help_text="until then the report, the PDF and the bundle are open to this person")

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"look at {self.study} at {self.at}"


class Removal(models.Model):
    """That the raw data of a participant were deleted: why, when, and how many rows of each kind. Append-only.

    It is the receipt that the reader keeps; it holds no raw data. A participant may have several: what the deletion
    found later (a batch that was on its way) is one more row.
    """

    class Cause(models.TextChoices):
        WITHDRAWAL = "withdrawal", "the reader withdrew"
        RETENTION = "retention", "the retention date has passed"

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="removals")
    cause = models.CharField(max_length=20, choices=Cause)
    counts = models.JSONField(help_text="kind of row -> how many were deleted")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"removal of the raw data of {self.participant} at {self.at}"
