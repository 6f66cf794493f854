"""Withdrawing a patient: what is kept here of their tissue goes for good, and what has learned from it is listed.

It is done in two steps. Asking hides the images, freezes their layers and marks their files as gone, so that nobody
restores them; exports at work are cancelled. The files, masks and results go once no round and no job of the project is
at work, which may read them: recovery looks every few seconds, and who dies in between is followed by the next look.

Not removed: snapshots, results and weights of rounds that have learned from the tissue (they are listed), what readers
of a locked study drew (its signed result rests on it), backups, and what somebody has downloaded.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.freezing import freeze_layers
from labeling.annotations.models import Annotation, Layer, Operation
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid, WrongState
from labeling.gallery.models import CellVectorFile
from labeling.images.models import Image
from labeling.images.patients import Patient, PatientWithdrawal
from labeling.images.splits import clean_reason
from labeling.jobs.models import Job
from labeling.jobs.services import cancel, expire
from labeling.projects.models import Project
from labeling.qualification.models import AttemptField
from labeling.quality_control.models import CheckField
from labeling.recovery import isolated
from labeling.reviews.models import Comment
from labeling.rounds.models import ModelVersion, Round, Snapshot
from labeling.studies.learned import teaches
from labeling.studies.models import Item, Study, StudyField
from labeling.upkeep.purging import at_work, purge

# What an image says of a person beside its pixels.
STATED = {"block": "", "slide": "", "scanner": "", "original_sha256": "", "reading": {}, "tags": []}


@dataclass(frozen=True)
class Counts:
    """What goes. `exports`: all of the project that can still be fetched, since a part of a file cannot be removed.
    `sheets`: copies of its images for readers of studies and of tests."""

    images: int
    slides: int
    masks: int
    operations: int
    vectors: int
    comments: int
    exports: int
    sheets: int


@dataclass(frozen=True)
class Learned:
    """What has learned from the tissue and stays: numbers of rounds, hashes of snapshots, models by name. `unreadable`:
    snapshots of which nobody can tell."""

    rounds: list[int]
    snapshots: list[str]
    models: list[str]
    unreadable: list[str]


@dataclass(frozen=True)
class Preview:
    counts: Counts
    learned: Learned
    waits: bool  # whether a round or a job is at work, so that files stay until it has ended


def preview(patient: Patient, user: User) -> Preview:
    """What a withdrawal would remove now, and what it would leave. What `user` must not know of blinded readings is in
    no count, and goes all the same."""
    images = Image.everything.filter(patient=patient)
    keys = list(images.values_list("pk", flat=True))
    layers = Layer.objects.visible_to(user).filter(image__in=keys)
    counts = Counts(
        images=len(keys),
        slides=images.filter(slide_file__isnull=False).count(),
        masks=Annotation.objects.filter(layer__in=layers, mask_bits__isnull=False).count(),
        operations=Operation.objects.filter(layer__in=layers).count(),
        vectors=CellVectorFile.objects.filter(layer__in=layers).count(),
        comments=Comment.objects.visible_to(user).filter(image__in=keys).count(),
        exports=len(_exports(patient.project_id)),
        sheets=len(_sheets(keys)),
    )
    return Preview(counts, learned_from(patient.project_id, set(keys)), _is_at_work(patient.project_id))


@transaction.atomic
def withdraw_patient(*, patient: Patient, typed: str, by: User, reason: str = "") -> PatientWithdrawal:
    """Withdraw a patient, in an archived project too. It cannot be undone. Withdrawing twice changes nothing.

    typed  the name of the patient as the project shows it, typed to confirm

    Raises Invalid for another name or too long a reason, WrongState while a study that is not locked shows an image.
    """
    reason = clean_reason(reason)
    project = Project.objects.select_for_update().get(pk=patient.project_id)
    patient = Patient.objects.select_for_update(of=("self",)).select_related("centre").get(pk=patient.pk)
    if typed.strip() != patient.label:
        raise Invalid(_("type the patient as shown: {name}").format(name=patient.label), field="typed")
    known = PatientWithdrawal.objects.filter(patient=patient).first()
    if known is not None:
        return known
    images = list(Image.everything.select_for_update(of=("self",)).filter(patient=patient).order_by("pk"))
    _decline_unlocked_study(images)
    found = preview(patient, by)
    keys = [image.pk for image in images]
    for image in images:
        freeze_layers(image=image)
    now = timezone.now()
    Image.everything.filter(pk__in=keys, deleted_at__isnull=True).update(deleted_at=now, deleted_by=by)
    Image.everything.filter(pk__in=keys).update(purged_at=now)
    made = PatientWithdrawal.objects.create(
        patient=patient, by=by, reason=reason, counts=asdict(found.counts), learned=asdict(found.learned)
    )
    exports = Job.objects.filter(project=project, kind=Job.Kind.EXPORT, state__in=Job.ACTIVE)
    for key in exports.values_list("pk", flat=True):
        cancel(key)
    record(Act.PATIENT_WITHDRAWN, project=project, by=by, subject=patient.label, **asdict(found.counts))
    return made


def _decline_unlocked_study(images: Iterable[Image]) -> None:
    field = StudyField.objects.filter(image__in=images).exclude(study__state=Study.State.LOCKED).first()
    if field is not None:
        words = _(
            "images of this patient are fields of the study “{study}”; lock it, or draw the fields of its draft "
            "without them, then withdraw the patient"
        )
        raise WrongState(words.format(study=field.study.name))


# -- what has learned


def learned_from(project: int, images: set[int]) -> Learned:
    """Which snapshots of a project taught these images, which rounds learned from those, and which models: those that
    learned themselves, and every later one that was started from one of them."""
    snapshots, unreadable = [], []
    for snapshot in Snapshot.objects.filter(project=project).order_by("pk"):
        try:
            entries = snapshot.document().images
        except (OSError, ValueError, TypeError):
            unreadable.append(str(snapshot))
            continue
        if any(entry.image in images and teaches(entry) for entry in entries):
            snapshots.append(snapshot)
    rounds = Round.objects.filter(snapshot__in=snapshots).order_by("number").values_list("number", flat=True)
    models = _with_later({version.pk: version for version in ModelVersion.objects.filter(snapshot__in=snapshots)})
    names = [f"{version.kind} {version.number}" for version in sorted(models, key=lambda one: one.pk)]
    return Learned(list(rounds), [str(one) for one in snapshots], names, unreadable)


def _with_later(found: dict[int, ModelVersion]) -> list[ModelVersion]:
    newest = list(found)
    while newest:
        later = ModelVersion.objects.filter(parent__in=newest).exclude(pk__in=list(found))
        fresh = {version.pk: version for version in later}
        found |= fresh
        newest = list(fresh)
    return list(found.values())


# -- removing


def recover(now: datetime) -> list[str]:
    """Remove what was asked for and could not go at once. -> sentences."""
    sentences = []
    waiting = PatientWithdrawal.objects.filter(finished_at__isnull=True).select_related("patient__project")
    for withdrawal in waiting:
        with isolated(f"withdrawal {withdrawal.pk}"):
            if carry_out(withdrawal, now):
                sentences.append(f"patient {withdrawal.patient_id} has withdrawn: what was kept here is removed")
    return sentences


def carry_out(withdrawal: PatientWithdrawal, now: datetime | None = None) -> bool:
    """Remove everything of a patient who has withdrawn. -> whether it is done; False while a round or job is at work.

    Each step may be repeated, so that a process that dies is followed by another one.
    """
    patient = withdrawal.patient
    if _is_at_work(patient.project_id):
        return False
    keys = list(Image.everything.filter(patient=patient).values_list("pk", flat=True))
    for sheet in _sheets(keys):
        for image in Image.everything.filter(project=sheet):
            _remove(image.pk)
    for job in _kept_results(patient.project_id, Job.Kind.EXPORT, Job.Kind.CELL_MAP):
        with transaction.atomic():
            expire(Job.objects.select_for_update().get(pk=job.pk))
    for key in keys:
        _remove(key)
        _remove_rows(key)
    PatientWithdrawal.objects.filter(pk=withdrawal.pk).update(finished_at=now or timezone.now())
    return True


def _remove(key: int) -> None:
    """The files of an image, which nobody can restore from here on."""
    moment = timezone.now()
    Image.everything.filter(pk=key, deleted_at__isnull=True).update(deleted_at=moment)
    Image.everything.filter(pk=key, purged_at__isnull=True).update(purged_at=moment)
    purge(key)


@transaction.atomic
def _remove_rows(key: int) -> None:
    """What was drawn and said on an image, and what it says of a person: its name may be that of a file."""
    layers = Layer.objects.filter(image=key)
    StudyField.objects.filter(proposals__in=layers).update(proposals=None)  # of locked studies alone
    Comment.objects.filter(image=key).delete()
    layers.delete()
    Image.everything.filter(pk=key).update(name=f"withdrawn {key}", **STATED)


def _sheets(images: Iterable[int]) -> list[Project]:
    """Projects of their own that hold a copy of one of these images."""
    items = Item.objects.filter(field__image__in=images, sheet__isnull=False)
    fields = AttemptField.objects.filter(image__in=images, sheet__isnull=False)
    checks = CheckField.objects.filter(image__in=images)
    is_copy = Q(study_item__in=items) | Q(attempt_field__in=fields) | Q(check_field__in=checks)
    return list(Project.objects.filter(is_copy).distinct())


def _exports(project: int) -> list[Job]:
    return _kept_results(project, Job.Kind.EXPORT)


def _kept_results(project: int, *kinds: Job.Kind) -> list[Job]:
    finished = Job.objects.filter(project=project, kind__in=kinds).exclude(result="")
    return [job for job in finished if not job.is_active]


def _is_at_work(project: int) -> bool:
    return at_work().filter(pk=project).exists()
