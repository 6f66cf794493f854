"""The split: assigned by patient, never per image, and written down whenever it changes.

An image without a patient is a unit of its own. Once a round has started the test patients are sealed: what would move
into or out of test is declined unless somebody states the reason. Every function that changes a split is here or calls
`record_changes`; the caller has locked the project's row, so that no round starts in between.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.accounts.models import User
from labeling.errors import Invalid, LabelingError
from labeling.images.models import Image
from labeling.images.patients import Patient, Split, SplitChange
from labeling.projects.models import Project

NAMED = 3  # units that a sentence names
LONGEST_REASON = 1000


class Sealed(LabelingError):
    """A patient would move into or out of test after the first round has started, and nobody says why."""

    code = "sealed"


class SplitChanged(LabelingError):
    """Somebody else has given the patient another split meanwhile; `facts` has the present one."""

    code = "split_changed"


def seal_test(project: Project) -> None:
    """From now on the test patients stay where they are. The caller holds the project's row, and starts a round."""
    Project.objects.filter(pk=project.pk, test_sealed_at__isnull=True).update(test_sealed_at=timezone.now())


@dataclass(frozen=True)
class Change:
    """What `record_changes` writes down: a patient, or an image (without a patient, or one that joins a patient)."""

    before: str
    after: str
    patient: Patient | None = None
    image: Image | None = None
    images: int = 1
    has_test_images: bool = False  # of a divided patient

    @property
    def unit(self) -> str:
        return self.image.name if self.image is not None else str(self.patient)

    @property
    def concerns_test(self) -> bool:
        return self.has_test_images or Split.TEST in (self.before, self.after)


def clean_reason(reason: str) -> str:
    """Raises Invalid for one that is too long."""
    text = " ".join(reason.split())
    if len(text) > LONGEST_REASON:
        words = _("the reason has more than {n} characters; shorten it")
        raise Invalid(words.format(n=LONGEST_REASON), field="reason")
    return text


def decline_if_sealed(project: Project, changes: Iterable[Change], reason: str) -> None:
    """Raises Sealed for a change into or out of test without a reason, once a round has started."""
    if project.test_sealed_at is None or reason:
        return
    units = [change.unit for change in changes if change.concerns_test]
    if units:
        raise Sealed(
            _(
                "The test patients are sealed since the first round started, on {date}: figures of rounds depend on "
                "them. {names} would move into or out of test. Leave it where it is, or state the reason; it is kept "
                "and shown beside the figures."
            ).format(date=date_format(project.test_sealed_at, "Y-m-d"), names=listed(units)),
            field="reason",
        )


def listed(names: Sequence[str]) -> str:
    """ "a, b, c and 4 more"."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (_(" and {n} more").format(n=more) if more > 0 else "")


def record_changes(
    project: Project, changes: Sequence[Change], *, by: User | None, how: str, reason: str = ""
) -> list[SplitChange]:
    """Write changes down that the caller makes in this transaction.

    project  its row, locked by the caller
    by       None for a command on the server

    Raises Sealed.
    """
    decline_if_sealed(project, changes, reason)
    rows = []
    for change in changes:
        row = SplitChange(
            project=project, patient=change.patient, image=change.image, unit=change.unit[:500], before=change.before,
            after=change.after, how=how, images=change.images, by=by, reason=reason,
            after_seal=project.test_sealed_at is not None,
        )  # fmt: skip
        rows.append(row)
    return SplitChange.objects.bulk_create(rows, batch_size=2000)


@transaction.atomic
def move_patients(
    *,
    project: Project,
    splits: Mapping[int, str | None],
    by: User | None,
    reason: str = "",
    how: str = SplitChange.How.HAND,
    seen: str | None = None,
) -> list[SplitChange]:
    """Give patients a split: all their images move with them.

    splits  key of the patient -> split; None divides a patient, so that each of their images has a split of its own
    seen    the split that whoever asks has seen, "" for a divided patient; None: whatever it is now

    Moving a patient to where they are changes nothing. -> the changes. Raises Invalid, Sealed, SplitChanged, Archived.
    """
    locked = Project.objects.for_change(project.pk)
    reason = clean_reason(reason)
    patients = _patients_of(locked, splits)
    for patient in patients:
        now = patient.split or ""
        if seen is not None and seen != now:
            raise _changed_meanwhile(patient, now)
    moving = [patient for patient in patients if (patient.split or None) != splits[patient.pk]]
    if any(splits[patient.pk] is None for patient in moving):
        _decline_division(locked)
    counts = image_counts(locked, [patient.pk for patient in moving])
    divided = [patient.pk for patient in moving if patient.split is None]
    in_test = Image.everything.filter(patient__in=divided, split=Split.TEST).order_by()
    with_test = set(in_test.values_list("patient", flat=True).distinct())
    changes = []
    for patient in moving:
        before, after, count = patient.split or "", splits[patient.pk] or "", counts.get(patient.pk, 0)
        changes.append(Change(before, after, patient, images=count, has_test_images=patient.pk in with_test))
    rows = record_changes(locked, changes, by=by, how=how, reason=reason)
    for patient in moving:
        patient.split = splits[patient.pk]
    Patient.objects.bulk_update(moving, ["split"], batch_size=2000)  # a trigger moves the images
    return rows


def _patients_of(project: Project, splits: Mapping[int, str | None]) -> list[Patient]:
    """Raises Invalid for a patient of another project, or an unknown split."""
    for split in splits.values():
        if split is not None and split not in Split.values:
            raise unknown_split()
    found = list(project.patients.filter(pk__in=splits).select_related("centre").order_by("pk"))
    missing = set(splits) - {patient.pk for patient in found}
    if missing:
        words = _("patient {key} is not in this project; nothing was changed")
        raise Invalid(words.format(key=min(missing)), field="patients")
    return found


def unknown_split() -> Invalid:
    return Invalid(_("split must be one of {known}").format(known=", ".join(Split.values)), field="split")


def _changed_meanwhile(patient: Patient, now: str) -> SplitChanged:
    words = _("{patient} is in {split} by now: somebody has moved this patient. Look again, then decide.")
    shown = _(Split(now).label) if now else _("several parts")
    error = SplitChanged(words.format(patient=patient, split=shown), field="split")
    error.facts = {"patient": patient.pk, "split": now}
    return error


def _decline_division(project: Project) -> None:
    """Raises Invalid unless the project has one patient alone, whom there is nothing to divide from."""
    others = Image.everything.filter(project=project, patient__isnull=True).exists()
    if project.patients.filter(images__isnull=False).distinct().count() > 1 or others:
        raise Invalid(
            _(
                "the split belongs to the patient; only the single patient of a project may be divided into training, "
                "validation and test, and its figures are then optimistic"
            ),
            field="split",
        )


def image_counts(project: Project, patients: Collection[int] | None = None) -> dict[int, int]:
    """Patient -> how many images are there. Deleted ones go where their patient goes."""
    rows = Image.objects.filter(project=project, patient__isnull=False)
    if patients is not None:
        rows = rows.filter(patient__in=patients)
    counted = rows.order_by().values("patient").annotate(n=Count("pk")).values_list("patient", "n")
    return {patient: n for patient, n in counted if patient is not None}


def move_images(
    *, project: Project, images: Sequence[Image], splits: Mapping[int, str], by: User | None, reason: str = ""
) -> list[SplitChange]:
    """Give images a split, as far as that is theirs: those without a patient, of divided patients, and whole patients.

    project  its row, locked by the caller; images are as they are in the database
    splits   key of an image -> its split; images that are not named stay where they are

    Raises Invalid for an image whose patient has further images: the patient is moved instead. Sealed.
    """
    alone: dict[str, list[Image]] = {}
    owned: list[Image] = []
    for image in images:
        split = splits.get(image.pk, image.split)
        if split not in Split.values:
            raise unknown_split()
        if split == image.split:
            continue
        if image.patient is None or image.patient.split is None:
            alone.setdefault(split, []).append(image)
        else:
            owned.append(image)
    whole = _whole_patients(project, owned, splits)
    changes = []
    for split, moving in alone.items():
        changes += [Change(image.split, split, image=image) for image in moving]
    rows = record_changes(project, changes, by=by, how=SplitChange.How.HAND, reason=reason)
    for split, moving in alone.items():
        Image.objects.filter(pk__in=[image.pk for image in moving]).update(split=split)
    if whole:
        rows += move_patients(project=project, splits=whole, by=by, reason=reason)
    return rows


def _whole_patients(project: Project, images: Sequence[Image], splits: Mapping[int, str]) -> dict[int, str | None]:
    """The patients of images, all of whose images are among them -> their split. Raises Invalid for another patient."""
    named: dict[int, list[Image]] = {}
    for image in images:
        if image.patient_id is not None:
            named.setdefault(image.patient_id, []).append(image)
    counts = image_counts(project, list(named)) if named else {}
    found: dict[int, str | None] = {}
    for key, own in named.items():
        more = counts[key] - len(own)
        stated = {splits[image.pk] for image in own}
        if more > 0:
            words = ngettext(
                "the split belongs to the patient: {patient} has {n} more image; move the patient instead",
                "the split belongs to the patient: {patient} has {n} more images; move the patient instead",
                more,
            )
            raise Invalid(words.format(patient=own[0].patient, n=more), field="split")
        if len(stated) > 1:
            words = _("images of {patient} are given several splits; a patient has one")
            raise Invalid(words.format(patient=own[0].patient), field="split")
        found[key] = stated.pop()
    return found
