"""Whose tissue may come into a project: of which centres, and of nobody who has withdrawn."""

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from labeling.errors import Invalid
from labeling.images.patients import Patient, PatientWithdrawal
from labeling.projects.models import Project


class Permitted:
    """What a project permits now, read once for however many images.

    It is read anew from the database: whoever uploads may have read the project an hour ago.
    """

    def __init__(self, project: Project) -> None:
        permitted = Project.objects.values_list("permitted_centres", flat=True)
        self.centres: list[str] = permitted.get(pk=project.pk)
        withdrawals = PatientWithdrawal.objects.filter(patient__project=project)
        self.withdrawn = dict(withdrawals.values_list("patient", "at"))

    def decline_centre(self, name: str) -> None:
        """Raises Invalid for a centre that is not among those that the project permits; no centre is no other one."""
        if not name or not self.centres or name in self.centres:
            return
        words = _("this project takes no tissue of the centre {name}; permitted are {permitted}")
        raise Invalid(words.format(name=name, permitted=", ".join(self.centres)), field="centre")

    def decline_withdrawn(self, patient: Patient | None) -> None:
        """Raises Invalid for a patient who has withdrawn: nothing of theirs is added, renamed or moved."""
        if patient is None or patient.pk not in self.withdrawn:
            return
        words = _("the patient {name} has withdrawn on {date}; nothing of theirs is taken any more")
        date = date_format(self.withdrawn[patient.pk], "Y-m-d")
        raise Invalid(words.format(name=patient.label, date=date), field="patient")
