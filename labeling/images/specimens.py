"""Stating where tissue comes from: names become rows of centres and patients, and images join the patient's split.

Names are looked up among the rows that a project has; what is missing is made. A patient is identified by the centre
and the name, since two hospitals number their patients alike. An image whose patient nobody has named is known by its
block, or else by its slide: two images of one slide are of one patient, whoever that is. The caller has locked the
project's row.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from django.db import connection
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import Invalid
from labeling.images.models import SPECIMEN, Image, SlideField
from labeling.images.patients import Centre, KnownBy, Patient, Specimen, Split, SplitChange
from labeling.images.permitted import Permitted
from labeling.images.splits import Change, image_counts, record_changes
from labeling.projects.models import Project

Key = tuple[str, str]  # what a patient is known by (KnownBy), and the name


def key_of(specimen: Specimen) -> Key | None:
    """Of the patient, whichever centre they are of; None where nothing tells whose tissue it is."""
    for known_by in (KnownBy.PATIENT, KnownBy.BLOCK, KnownBy.SLIDE):
        name = str(getattr(specimen, known_by))
        if name:
            return known_by.value, name
    return None


class Register:
    """The centres and patients of a project by name. What is made is stored by `store_new`.

    without  images whose slides tell nothing, since where they come from is about to change
    """

    def __init__(self, project: Project, without: Collection[int] = ()) -> None:
        self.project = project
        self.without = without
        self.centres = {centre.name: centre for centre in project.centres.all()}
        self.patients: dict[Key, dict[str, Patient]] = {}  # key -> name of the centre -> patient
        for patient in project.patients.select_related("centre"):
            self._add(patient)

    def _add(self, patient: Patient) -> None:
        centre = patient.centre.name if patient.centre else ""
        self.patients.setdefault((patient.known_by, patient.name), {})[centre] = patient

    def remove(self, patient: Patient) -> None:
        """Before it gets another name."""
        centre = patient.centre.name if patient.centre else ""
        del self.patients[(patient.known_by, patient.name)][centre]

    def add(self, patient: Patient) -> None:
        """With its new name."""
        self._add(patient)

    def centre(self, name: str) -> Centre | None:
        """The centre of this name; a new one, not stored yet, where there is none. None for no name."""
        if not name:
            return None
        if name not in self.centres:
            self.centres[name] = Centre(project=self.project, name=name)
        return self.centres[name]

    def whose(self, specimen: Specimen) -> Patient | None:
        """The patient that a specimen names. Without a centre it is the only patient of that name. None for a new one.

        Raises Invalid where several centres have a patient of that name.
        """
        key = key_of(specimen)
        if key is None:
            return None
        if key[0] != KnownBy.PATIENT and (patient := self._of_slide(specimen)) is not None:
            return patient
        namesakes = self.patients.get(key, {})
        if specimen.centre or "" in namesakes:
            return namesakes.get(specimen.centre)
        if len(namesakes) > 1:
            words = _("several centres have a patient {name}: {centres}; say the centre too")
            raise Invalid(words.format(name=key[1], centres=", ".join(sorted(namesakes))), field="centre")
        return next(iter(namesakes.values()), None)

    def _of_slide(self, specimen: Specimen) -> Patient | None:
        """The patient of the images of the same slide, or block, who may have got a name; None where they are several:
        two patients may each have a slide 1."""
        found = set()
        for centre, block, slide, patient in self._slides:
            same_centre = specimen.centre in ("", centre)
            if same_centre and (block, slide) == (specimen.block, specimen.slide):
                found.add(patient)
        return self._by_key[found.pop()] if len(found) == 1 else None

    @cached_property
    def _slides(self) -> list[tuple[str, str, str, int]]:
        """(centre, block, slide, key of the patient) of the images that are there."""
        rows = Image.objects.filter(project=self.project, patient__isnull=False).exclude(block="", slide="")
        columns = rows.order_by().values_list("centre__name", "block", "slide", "patient", "pk")
        found = {row[:4] for row in columns if row[4] not in self.without}
        return [(centre or "", block, slide, patient) for centre, block, slide, patient in found if patient is not None]

    @cached_property
    def _by_key(self) -> dict[int, Patient]:
        found: dict[int, Patient] = {}
        for namesakes in self.patients.values():
            found |= {patient.pk: patient for patient in namesakes.values()}
        return found

    def store_new(self) -> None:
        """Store what was made since, centres before patients."""
        Centre.objects.bulk_create([centre for centre in self.centres.values() if centre.pk is None])
        new = []
        for namesakes in self.patients.values():
            new += [patient for patient in namesakes.values() if patient.pk is None]
        for patient in new:
            patient.centre = patient.centre  # assigned anew, since its key is known only now
        Patient.objects.bulk_create(new, batch_size=2000)


# -- a new image


def place_new_image(image: Image, specimen: Specimen, *, may_divide: bool = False) -> bool:
    """Give an image that is about to be stored its centre and patient. -> whether it joins a split that was not asked.

    image       its `split` is the one that was asked for; it becomes that of a patient who is here already
    may_divide  a data set that says so itself divides a patient between its parts

    Raises Invalid.
    """
    register = Register(image.project)
    image.block, image.slide = specimen.block, specimen.slide
    patient = register.whose(specimen)
    key = key_of(specimen)
    if patient is None and key is not None:
        own = register.centre(specimen.centre)
        patient = Patient(project=image.project, centre=own, known_by=key[0], name=key[1], split=image.split)
        register.add(patient)
    centre = patient.centre if patient and patient.centre else register.centre(specimen.centre)
    permitted = Permitted(image.project)
    permitted.decline_withdrawn(patient)
    permitted.decline_centre(centre.name if centre else "")
    register.store_new()
    image.centre, image.patient = centre, patient
    if patient is None or patient.split in (None, image.split):
        return False
    if may_divide:
        patient.split = None
        patient.save(update_fields=["split"])
        return False
    image.split = patient.split
    return True


# -- images that are there


@dataclass(frozen=True)
class Restated:
    """An image with where its tissue comes from by now."""

    image: Image
    specimen: Specimen


def restate(
    *,
    project: Project,
    images: Sequence[Image],
    parts: Mapping[int, Mapping[str, str]],
    splits: Mapping[int, str],
    by: User | None,
    reason: str,
) -> None:
    """State where the tissue of images comes from. An image that joins a patient takes the patient's split.

    images  as they are in the database (with_specimens), locked
    parts   key of an image -> those of SPECIMEN that change
    splits  key of an image -> the split that is stated for it; a patient who is new here gets that of their images

    Raises Invalid, Sealed.
    """
    changed = _changed(images, parts)
    changed = _with_fields(changed)
    if not changed:
        return
    register = Register(project, without={one.image.pk for one in changed})
    permitted = Permitted(project)
    counts = image_counts(project)
    groups: dict[tuple[Key, str], list[Restated]] = {}
    whose: dict[int, Patient | None] = {}
    for one in changed:
        key = key_of(one.specimen)
        patient = register.whose(one.specimen)
        permitted.decline_withdrawn(patient)
        if one.specimen.centre != one.image.specimen.centre:
            permitted.decline_centre(one.specimen.centre)
        whose[one.image.pk] = patient
        if key is not None and patient is None:
            groups.setdefault((key, one.specimen.centre), []).append(one)
    for (key, centre), group in groups.items():
        patient = _new_patient(register, key, centre, group, counts, splits)
        for one in group:
            whose[one.image.pk] = patient
    for one in changed:
        register.centre(one.specimen.centre)
    register.store_new()
    _store(project, register, changed, whose, by, reason)


def _changed(images: Sequence[Image], parts: Mapping[int, Mapping[str, str]]) -> list[Restated]:
    found = []
    for image in images:
        specimen = replace(image.specimen, **parts.get(image.pk, {}))
        if specimen != image.specimen:
            found.append(Restated(image, specimen))
    return found


def _with_fields(changed: list[Restated]) -> list[Restated]:
    """With the fields of slides, which belong to what their slide belongs to. Raises Invalid for a field by itself."""
    by_image = {one.image.pk: one for one in changed}
    if not by_image:
        return []
    alone = SlideField.objects.filter(image__in=by_image).exclude(slide__in=by_image).select_related("slide").first()
    if alone is not None:
        words = _("{name} is a field of {slide} and belongs to what its slide belongs to; change it there")
        raise Invalid(words.format(name=by_image[alone.image_id].image.name, slide=alone.slide.name), field="images")
    of_slide = dict(SlideField.objects.filter(slide__in=by_image).values_list("image", "slide"))
    fields = Image.everything.select_for_update(of=("self",)).filter(pk__in=of_slide).with_specimens()
    for image in fields:
        by_image[image.pk] = Restated(image, by_image[of_slide[image.pk]].specimen)
    return list(by_image.values())


def _new_patient(
    register: Register,
    key: Key,
    centre: str,
    group: list[Restated],
    counts: Mapping[int, int],
    splits: Mapping[int, str],
) -> Patient:
    """The patient of a name that is new. All images of one patient under a new name are that patient, renamed."""
    sources = {one.image.patient_id for one in group}
    former = group[0].image.patient
    if former is not None and sources == {former.pk}:
        if counts[former.pk] == len(group):
            return _renamed(register, former, key, centre)
        if (former.known_by, former.name) == key:
            words = _("{patient} has further images, so one of them cannot be of another centre; name all of them")
            raise Invalid(words.format(patient=former), field="centre")
    asked = _common_split(key[1], group, splits)
    patient = Patient(
        project=register.project, centre=register.centre(centre), known_by=key[0], name=key[1], split=asked
    )
    register.add(patient)
    return patient


def _renamed(register: Register, patient: Patient, key: Key, centre: str) -> Patient:
    known = register.patients[(patient.known_by, patient.name)][patient.centre.name if patient.centre else ""]
    register.remove(known)
    known.known_by, known.name = key
    known.centre = register.centre(centre)
    if known.centre is not None and known.centre.pk is None:
        known.centre.save()
    known.save(update_fields=["known_by", "name", "centre"])
    register.add(known)
    return known


def _common_split(name: str, group: Iterable[Restated], stated: Mapping[int, str]) -> str:
    """Raises Invalid where the images of a new patient stand in several splits."""
    asked = {stated.get(one.image.pk, one.image.split) for one in group}
    splits = [split for split in Split.values if split in asked]
    if len(splits) > 1:
        labels = ", ".join(_(Split(split).label) for split in splits)
        words = _("images of {patient} stand in {splits}; a patient has one split, so say which")
        raise Invalid(words.format(patient=name, splits=labels), field="split")
    return splits[0]


def _store(
    project: Project,
    register: Register,
    changed: Sequence[Restated],
    whose: Mapping[int, Patient | None],
    by: User | None,
    reason: str,
) -> None:
    """One statement for all images, however many they are."""
    changes = []
    for one in changed:
        image, patient = one.image, whose[one.image.pk]
        before = image.split
        image.patient = patient
        image.centre = patient.centre if patient and patient.centre else register.centre(one.specimen.centre)
        image.block, image.slide = one.specimen.block, one.specimen.slide
        image.split = (patient.split if patient else None) or before
        if image.split != before:
            changes.append(Change(before, image.split, patient=patient, image=image))
    record_changes(project, changes, by=by, how=SplitChange.How.JOINED, reason=reason)
    images = [one.image for one in changed]
    keys: list[int | None] = [image.pk for image in images]
    columns: list[list[int | None] | list[str]] = [
        keys,
        [image.centre_id for image in images],
        [image.patient_id for image in images],
        [image.block for image in images],
        [image.slide for image in images],
        [image.split for image in images],
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE labeling_image AS image SET centre_id = given.centre, patient_id = given.patient,"
            " block = given.block, slide = given.slide, split = given.split"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])"
            " AS given(id, centre, patient, block, slide, split) WHERE image.id = given.id",
            columns,
        )


def stated_parts(facts: Mapping[str, object]) -> dict[str, str]:
    """Of facts those that are parts of a specimen."""
    return {name: str(value or "") for name, value in facts.items() if name in SPECIMEN}
