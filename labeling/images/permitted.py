"""Whose tissue may come into a project: of which centres, and of nobody who has withdrawn."""

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from labeling.errors import Invalid
from labeling.images.patients import Patient, PatientWithdrawal
from labeling.projects.models import Project


def decline_centre(project: Project, name: str) -> None:
    """Raises Invalid for a centre that is not among those that the project permits; no centre is no other one."""
    if not name:
        return
    # Read anew: whoever uploads may have read the project an hour ago.
    permitted = Project.objects.values_list("permitted_centres", flat=True).get(pk=project.pk)
    if permitted and name not in permitted:
        words = _("this project takes no tissue of the centre {name}; permitted are {permitted}")
        raise Invalid(words.format(name=name, permitted=", ".join(permitted)), field="centre")


def decline_withdrawn(patient: Patient | None) -> None:
    """Raises Invalid for a patient who has withdrawn: nothing of theirs is added, renamed or moved."""
    if patient is None or patient.pk is None:
        return
    withdrawal = PatientWithdrawal.objects.filter(patient=patient).first()
    if withdrawal is not None:
        words = _("the patient {name} has withdrawn on {date}; nothing of theirs is taken any more")
        date = date_format(withdrawal.at, "Y-m-d")
        raise Invalid(words.format(name=patient.label, date=date), field="patient")
