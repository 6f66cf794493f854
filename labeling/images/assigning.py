"""Assigning the split of all patients of a project at once, by shares: first to be looked at, then done."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import Invalid
from labeling.images.models import Image, SlideField
from labeling.images.patients import Split, SplitChange
from labeling.images.splits import Change, clean_reason, move_patients, record_changes
from labeling.images.stratified import Unit, assigned
from labeling.projects.models import Project


@dataclass(frozen=True)
class Assignment:
    """What an automatic assignment gives.

    patients   key of the patient -> split; images: key of an image without a patient -> split
    counts     split -> how many images it has then, of each centre ("" for none stated)
    kept_test  whether the test part stays as it is, because it is sealed
    moved      how many patients and single images change
    """

    patients: dict[int, str]
    images: dict[int, str]
    counts: dict[str, dict[str, int]]
    kept_test: bool
    moved: int


def planned(project: Project, shares: Mapping[str, float], seed: int) -> Assignment:
    """The assignment by these shares; nothing is changed.

    shares  split -> weight. Once a round has started the test part stays as it is, with all that belongs to it, and the
            others are divided by the weights of training and validation

    Raises Invalid for weights that divide nothing.
    """
    sealed = project.test_sealed_at is not None
    rows = list(Image.objects.filter(project=project).with_specimens().order_by("pk"))
    fields = dict(SlideField.objects.filter(image__project=project).values_list("image", "slide"))
    kept = _units_with_test_images(project, fields) if sealed else set()
    movable = [image for image in rows if unit_key(image, fields) not in kept]
    units = _units_of(movable, fields)
    weights = {split: weight for split, weight in shares.items() if not (sealed and split == Split.TEST)}
    try:
        parts = assigned(units, weights, seed) if units else {}
    except ValueError:
        raise Invalid(_("the shares must be numbers from 0 on, and one of them more than 0"), field="shares") from None
    return _assignment(rows, fields, parts, kept_test=sealed)


def unit_key(image: Image, fields: Mapping[int, int]) -> str:
    """The unit that an image moves with: its patient, else its slide, else itself."""
    if image.patient_id is not None:
        return f"patient {image.patient_id:012d}"
    return f"image {fields.get(image.pk, image.pk):012d}"


def _units_with_test_images(project: Project, fields: Mapping[int, int]) -> set[str]:
    """Divided patients and deleted images among them: they would take their test images along."""
    in_test = Image.everything.filter(project=project, split=Split.TEST)
    return {unit_key(image, fields) for image in in_test}


def _units_of(images: list[Image], fields: Mapping[int, int]) -> list[Unit]:
    sizes = Counter(unit_key(image, fields) for image in images)
    centres = {unit_key(image, fields): image.specimen.centre for image in images}
    return [Unit(key, centres[key], size) for key, size in sizes.items()]


def _assignment(
    images: list[Image], fields: Mapping[int, int], parts: Mapping[str, str], *, kept_test: bool
) -> Assignment:
    patients: dict[int, str] = {}
    single: dict[int, str] = {}
    counts: dict[str, dict[str, int]] = {split: {} for split in Split.values}
    moved: set[str] = set()
    for image in images:
        key = unit_key(image, fields)
        split = parts.get(key, image.split)
        centre = image.specimen.centre
        counts[split][centre] = counts[split].get(centre, 0) + 1
        if key not in parts:
            continue
        if image.patient_id is None:
            single[image.pk] = split
        else:
            patients[image.patient_id] = split
        is_divided = image.patient is not None and image.patient.split is None
        if split != image.split or is_divided:
            moved.add(key)
    return Assignment(patients, single, counts, kept_test, len(moved))


@transaction.atomic
def assign_splits(
    *, project: Project, shares: Mapping[str, float], seed: int, by: User | None, reason: str = ""
) -> Assignment:
    """Do what `planned` says. Raises Invalid, Sealed, Archived."""
    locked = Project.objects.for_change(project.pk)
    reason = clean_reason(reason)
    made = planned(locked, shares, seed)
    how = SplitChange.How.AUTOMATIC
    move_patients(project=locked, splits=dict(made.patients), by=by, reason=reason, how=how)
    images = Image.objects.select_for_update().filter(pk__in=made.images)
    moving = [image for image in images if image.split != made.images[image.pk]]
    changes = [Change(image.split, made.images[image.pk], image=image) for image in moving]
    record_changes(locked, changes, by=by, how=how, reason=reason)
    for image in moving:
        image.split = made.images[image.pk]
    Image.objects.bulk_update(moving, ["split"], batch_size=2000)
    return made
