"""Deleting raw data: when a reader withdraws, and when the day has passed until which the data may be kept.

Raw data of a participant are what was recorded while they read: activity batches with their events, operations of the
log with their effects, the cells drawn, the working layers that hold them, the masks that the machine made from their
boxes, sittings, and when each item was opened and finished. The items stay as rows without times, so that the flow of
items can still be counted, and a Removal says what was deleted.
"""

from datetime import date, datetime

from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from labeling.annotations.models import ActivityBatch, Annotation, Effect, Layer, Operation
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.jobs.models import Job
from labeling.jobs.services import cancel
from labeling.projects.models import Membership
from labeling.recovery import isolated
from labeling.rounds.models import Publication
from labeling.studies import limits
from labeling.studies.amending import retention_of
from labeling.studies.models import Participant, Removal, Sitting, Study


@transaction.atomic
def withdraw(*, participant: Participant, reason: str = "") -> Removal | None:
    """End somebody's part, and delete their raw data unless the study is locked and its consent keeps them.

    -> the receipt; None where the consent keeps the data, or nothing is there any more. Doing it twice is harmless.
    Raises Invalid for a reason that cannot be stored.
    """
    reason = limits.OPTIONAL_REASON.parse(reason, "reason")
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    if participant.withdrawn_at is None:
        participant.withdrawn_at, participant.withdrawal_reason = timezone.now(), reason
        participant.save(update_fields=["withdrawn_at", "withdrawal_reason"])
    _close(participant)
    if not removes(participant.study, participant):
        return None
    return remove_raw_data(participant=participant, cause=Removal.Cause.WITHDRAWAL)


def removes(study: Study, participant: Participant) -> bool:
    """Whether a withdrawal deletes: before the lock always; after it, the consent decides."""
    at = participant.withdrawn_at
    if at is None:
        return False
    before_lock = study.locked_at is None or at < study.locked_at
    return before_lock or study.withdrawal_after_lock == "remove"


@transaction.atomic
def remove_raw_data(*, participant: Participant, cause: str) -> Removal | None:
    """Delete the raw data of a participant and write down what was deleted.

    -> the receipt; None when nothing was there and a receipt of this cause exists already
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    _close(participant)
    sheets = participant.items.filter(sheet__isnull=False).values("sheet")
    batches = ActivityBatch.objects.filter(image__project__in=sheets)
    made = Publication.objects.filter(image__project__in=sheets)  # masks from the reader's own boxes
    own_masks = Q(kind=Layer.Kind.PREDICTION, image__project__study_item__part__in=["boxes", "verify"])
    layers = Layer.objects.filter(Q(kind=Layer.Kind.WORKING) | own_masks, image__project__in=sheets)
    sittings = Sitting.objects.filter(item__participant=participant)
    times = participant.items.filter(Q(opened_at__isnull=False) | Q(done_at__isnull=False))
    counts = {
        "activity_batches": batches.count(),
        "activity_events": batches.aggregate(n=Sum("count"))["n"] or 0,
        "operations": Operation.objects.filter(layer__in=layers).count(),
        "effects": Effect.objects.filter(operation__layer__in=layers).count(),
        "annotations": Annotation.objects.filter(layer__in=layers).count(),
        "layers": layers.count(),
        "sittings": sittings.count(),
        "items_with_times": times.count(),
    }
    if not any(counts.values()) and participant.removals.filter(cause=cause).exists():
        return None
    batches.delete()
    made.delete()
    layers.delete()
    sittings.delete()
    participant.items.update(opened_at=None, done_at=None, machine_s=None)
    project = participant.study.project
    record(Act.STUDY_DATA_REMOVED, project=project, subject=participant.pseudonym, cause=cause, counts=counts)
    return Removal.objects.create(participant=participant, cause=cause, counts=counts)


def _close(participant: Participant) -> None:
    """Nobody works on any item of this participant from here on."""
    running = Sitting.objects.filter(item__participant=participant, ended_at__isnull=True)
    running.update(ended_at=timezone.now(), end="lost")
    Membership.objects.filter(project__study_item__participant=participant).delete()
    at_work = Job.objects.filter(project__study_item__participant=participant, state__in=Job.ACTIVE)
    for key in at_work.values_list("pk", flat=True):
        cancel(key)  # no masks from boxes that are gone


def kept_until(participant: Participant) -> date | None:
    """The last day on which this participant's raw data may be there: what the study declares, and no later than what
    the participant agreed to."""
    declared, agreed = retention_of(participant.study), participant.retention_agreed
    days = [day for day in (declared, agreed) if day is not None]
    return min(days, default=None)


def must_agree_again(participant: Participant) -> date | None:
    """The later day that the study asks for, when this participant has agreed to an earlier one only."""
    declared, agreed = retention_of(participant.study), participant.retention_agreed
    asked = participant.consented_at is not None and participant.withdrawn_at is None
    if not asked or declared is None or agreed is None or declared <= agreed:
        return None
    return declared


def recover(now: datetime | None = None) -> list[str]:
    """Delete what may no longer be kept. Called by recovery every few seconds; usually one query that finds nothing.

    -> sentences for its log.
    """
    today = timezone.localdate(now or timezone.now())
    sentences = []
    for participant in _withdrawn_with_data():
        with isolated(f"participant {participant.pk}"):
            if removes(participant.study, participant):
                sentences += _done(participant, Removal.Cause.WITHDRAWAL)
    for participant in _perhaps_overdue(today):
        with isolated(f"participant {participant.pk}"):
            day = kept_until(participant)
            if day is not None and day < today:
                sentences += _done(participant, Removal.Cause.RETENTION)
    return sentences


def _withdrawn_with_data() -> list[Participant]:
    """Those who withdrew while withdrawing did not delete yet."""
    withdrawn = Participant.objects.filter(withdrawn_at__isnull=False).exclude(removals__cause="withdrawal")
    kept = Q(study__withdrawal_after_lock="keep", study__locked_at__lte=F("withdrawn_at"))
    return list(withdrawn.exclude(kept).select_related("study"))


def _perhaps_overdue(today: date) -> list[Participant]:
    candidates = Participant.objects.filter(consented_at__isnull=False).exclude(removals__cause="retention")
    amended = Q(study__amendments__change__has_key="retention_until")
    declared = Q(study__retention_until__lt=today) | Q(retention_agreed__lt=today)
    return list(candidates.filter(amended | declared).select_related("study").distinct())


def _done(participant: Participant, cause: str) -> list[str]:
    removal = remove_raw_data(participant=participant, cause=cause)
    if removal is None:
        return []
    why = removal.get_cause_display()
    return [f"study {participant.study_id}: the raw data of {participant.pseudonym} were deleted, {why}"]
