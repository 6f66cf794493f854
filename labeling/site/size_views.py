"""The page that simulates the planned analysis of a draft and writes the size into its protocol."""

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.errors import LabelingError, sentence
from labeling.numbers import whole_number
from labeling.site.requests import Request, signed_in
from labeling.site.study_views import reach_for_step
from labeling.studies import interim_looks
from labeling.studies.models import Study

if TYPE_CHECKING:
    from labeling.site.forms.study_size import SizeForm
    from labeling.studies.size import Question


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def study_size(request: Request, study: int) -> HttpResponse:
    """Asks what a pilot knows, simulates, and writes one size into the justification of a draft."""
    # Here and not above: loading the statistics takes ten seconds in a fresh process.
    from labeling.site.forms.study_size import SizeForm
    from labeling.studies import size

    found = reach_for_step(request, "manage", study)
    if found.state != Study.State.DRAFT:
        return redirect("study", found.pk)
    pilots = pilots_of(found, request)
    pilot = next((one for one in pilots if one.pk == whole_number(request.GET.get("pilot", ""))), None)
    known, reason = spreads_of(pilot)
    form = SizeForm(request.POST or None, initial=known)
    context = {
        "study": found,
        "project": found.project,
        "form": form,
        "pilots": pilots,
        "pilot": pilot,
        "pilot_reason": reason,
        "studies": size.STUDIES,
    }
    if request.method != "POST":
        return render(request, "studies/size.html", context)
    asked = asked_by(form, found, pilot, known)
    if asked is None:
        return render(request, "studies/size.html", context, status=422)
    if chosen := request.POST.get("write"):
        return write(request, found, asked, chosen)
    answers = [AnswerRow(one) for one in size.answer(found, asked)]
    return render(request, "studies/size.html", context | {"answers": answers})


class AnswerRow:
    """One size for the page: its power, or the reason why there is none."""

    def __init__(self, found: object) -> None:
        from labeling.studies.analysis.power import Power

        self.power = found if isinstance(found, Power) else None
        self.reason = "" if self.power else str(found)


def pilots_of(study: Study, request: Request) -> list[Study]:
    """The locked studies of the same project whose results this person may see."""
    locked = study.project.studies.filter(state=Study.State.LOCKED).order_by("-pk")
    return [one for one in locked if interim_looks.shows_results(study=one, to=request.user)]


def spreads_of(pilot: Study | None) -> tuple[dict[str, float], str]:
    """-> standard deviations by name of the form's field, and why there are none."""
    if pilot is None:
        return {}, ""
    from labeling.studies import reporting
    from labeling.studies.pilot import spreads_of as spreads

    try:
        return spreads(reporting.numbers_of(pilot)), ""
    except ValueError as error:
        return {}, str(error)


def asked_by(form: "SizeForm", study: Study, pilot: Study | None, known: dict[str, float]) -> "Question | None":
    """The question of a form that is right; else its errors stand in the form."""
    from labeling.studies import size

    if not form.is_valid():
        return None
    given = {name: form.cleaned_data[name] for name in size.RULES}
    source = "stated components"
    if pilot is not None and known and all(given[name] == value for name, value in known.items()):
        source = f"the pilot \u201c{pilot.name}\u201d, upper 80 % limits of its variances"
        if stated := [name for name in size.SPREADS if name not in known]:
            source += f" (stated, as the pilot does not tell them: {', '.join(size.SPREADS[name] for name in stated)})"
    readers, fields = form.cleaned_data["readers"], form.cleaned_data["fields_each"]
    try:
        return size.question(study, given, readers=readers, fields=fields, source=source)
    except LabelingError as error:
        form.add_error(error.field if error.field in form.fields else None, sentence(error))
        return None


def write(request: Request, study: Study, asked: "Question", chosen: str) -> HttpResponse:
    """chosen: READERSxFIELDS, as the button of a row says."""
    from labeling.studies import size

    readers, _x, fields = chosen.partition("x")
    sizes = whole_number(readers), whole_number(fields)
    if sizes[0] not in asked.readers or sizes[1] not in asked.fields:
        messages.error(request, _("This size is not in the table; simulate it first."))
        return redirect("study-size", study.pk)
    try:
        size.justify(study=study, asked=asked, readers=int(readers), fields=int(fields))
    except LabelingError as error:
        messages.error(request, sentence(error))
        return redirect("study-size", study.pk)
    messages.success(request, _("The justification of the size is written into the protocol."))
    return redirect("study", study.pk)
