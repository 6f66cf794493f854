"""The page by which a patient is withdrawn: what goes, what stays, and a name to type."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from labeling.errors import LabelingError, sentence
from labeling.images.patients import Patient, PatientWithdrawal
from labeling.projects.access import reach
from labeling.projects.models import Project
from labeling.site.requests import Request, signed_in
from labeling.upkeep.withdrawing import Counts, Learned, preview, withdraw_patient

# What goes -> its name; in the order of the page.
COUNTED = {
    "images": gettext_lazy("images, with their tiles, crops, originals and reference masks"),
    "slides": gettext_lazy("slides among them"),
    "masks": gettext_lazy("masks"),
    "operations": gettext_lazy("operations of the log"),
    "vectors": gettext_lazy("files of vectors"),
    "comments": gettext_lazy("comments"),
    "exports": gettext_lazy("exports of this project that can still be fetched"),
    "sheets": gettext_lazy("copies for readers of studies and tests"),
}


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: Request, patient: int) -> HttpResponse:
    patients = Patient.objects.filter(project__in=Project.objects.visible_to(request.user))
    found = reach(patients.select_related("project", "centre"), request.user, "withdraw", pk=patient)
    if request.method != "POST":
        return show(request, found)
    typed, reason = request.POST.get("typed", ""), request.POST.get("reason", "")
    try:
        withdraw_patient(patient=found, typed=typed, by=request.user, reason=reason)
    except LabelingError as error:
        return show(request, found, problem=sentence(error), reason=reason, status=error.status)
    return redirect("withdraw-patient", found.pk)


def show(request: Request, found: Patient, *, problem: str = "", reason: str = "", status: int = 200) -> HttpResponse:
    withdrawal = PatientWithdrawal.objects.filter(patient=found).select_related("by").first()
    now = preview(found, request.user)
    counts = Counts(**withdrawal.counts) if withdrawal else now.counts
    learned = Learned(**withdrawal.learned) if withdrawal else now.learned
    context = {
        "project": found.project,
        "patient": found,
        "withdrawal": withdrawal,
        "waits": now.waits,
        "counts": [(words, getattr(counts, name)) for name, words in COUNTED.items()],
        "learned": learned,
        "problem": problem,
        "reason": reason,
        "title": _("Withdraw the patient {name}").format(name=found.label),
    }
    return render(request, "site/withdraw_patient.html", context, status=status)
