"""Other names and centres for patients and centres, which keep their images and their split."""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import Invalid
from labeling.images.facts import one_line
from labeling.images.models import Image
from labeling.images.patients import Centre, KnownBy, Patient
from labeling.images.permitted import Permitted
from labeling.images.splits import move_patients
from labeling.projects.models import Project

KEEP = "\0"  # no name that anybody can give


@transaction.atomic
def rename_centre(*, centre: Centre, name: str) -> Centre:
    """Raises Invalid for a name that is empty or taken, Archived."""
    project = Project.objects.for_change(centre.project_id)
    text = _named(name)
    if text != centre.name:
        Permitted(project).decline_centre(text)
    if Centre.objects.filter(project=centre.project_id, name=text).exclude(pk=centre.pk).exists():
        raise Invalid(_("there is a centre {name} already").format(name=text), field="name")
    centre.name = text
    centre.save(update_fields=["name"])
    return centre


@transaction.atomic
def change_patient(
    *,
    patient: Patient,
    by: User | None,
    name: str | None = None,
    centre: str | None = None,
    split: str | None = KEEP,
    seen: str | None = None,
    reason: str = "",
) -> None:
    """What is given changes, the rest stays. A patient who was known by a slide and gets a name is known by it.

    Raises Invalid, Sealed, SplitChanged, Archived.
    """
    project = Project.objects.for_change(patient.project_id)
    permitted = Permitted(project)
    permitted.decline_withdrawn(patient)
    if centre is not None and (patient.centre is None or centre != patient.centre.name):
        permitted.decline_centre(one_line(centre)[:200])
    if name is not None or centre is not None:
        _restate(project, Patient.objects.select_related("centre").get(pk=patient.pk), name, centre)
    if split != KEEP:
        move_patients(project=project, splits={patient.pk: split}, by=by, reason=reason, seen=seen)


def _restate(project: Project, patient: Patient, name: str | None, centre: str | None) -> None:
    if name is not None:
        patient.name, patient.known_by = _named(name), KnownBy.PATIENT
    if centre is not None:
        text = one_line(centre)[:200]
        patient.centre = Centre.objects.get_or_create(project=project, name=text)[0] if text else None
    try:
        with transaction.atomic():
            patient.save(update_fields=["name", "known_by", "centre"])
    except IntegrityError:
        words = _("there is a patient {name} already; give the images of one of them to the other")
        raise Invalid(words.format(name=patient.label), field="name") from None
    if centre is not None:
        Image.everything.filter(patient=patient).update(centre=patient.centre)


def _named(name: str) -> str:
    text = one_line(name)[:200]
    if not text:
        raise Invalid(_("a name must not be empty"), field="name")
    return text
