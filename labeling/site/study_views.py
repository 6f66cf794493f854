"""The pages of studies: for who coordinates one, and for who reads."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling.access import reach
from labeling.errors import Invalid, LabelingError
from labeling.site.doors import Request, acts_of, attempt, reach_project, sentence, signed_in
from labeling.studies import outside, services
from labeling.studies.models import Arm, Item, Participant, Study
from labeling.studies.plot_names import SHOWS
from labeling.studies.signing import public_key, signing_key

MOST_ARCHIVE = 256 * 2**20  # LabelMe puts the picture into each file unless told not to


class StudyForm(forms.ModelForm):
    """The protocol; the arms beside it."""

    class Meta:
        model = Study
        fields = (
            "name",
            "hypothesis",
            "design",
            "seed",
            "idle_after_s",
            "washout_days",
            "training_per_arm",
            "repeats",
            "outlier_iqr",
            "quality_margin",
            "exclusion_rules",
            "consent_text",
            "ethics_reference",
            "retention_until",
            "withdrawal_after_lock",
        )
        widgets = {
            **{name: forms.Textarea(attrs={"rows": 3}) for name in ("hypothesis", "exclusion_rules", "consent_text")},
            "retention_until": forms.DateInput(attrs={"type": "date"}),
        }
        labels = {
            "outlier_iqr": "Outliers beyond, IQR",
            "training_per_arm": "Training per arm",
            "quality_margin": "Quality margin, Dice",
        }
        help_texts = {
            **dict.fromkeys(("consent_text", "ethics_reference", "retention_until"), "needed before freezing"),
            "outlier_iqr": "fields whose log time per cell lies further outside the quartiles; empty: none",
            "quality_margin": "time is tested only where quality is not worse by more",
            "idle_after_s": "a longer gap is not work",
        }

    # The numbers of a protocol stand beside each other.
    NUMBERS = (
        "seed",
        "idle_after_s",
        "washout_days",
        "training_per_arm",
        "repeats",
        "outlier_iqr",
        "quality_margin",
    )

    def words_before(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "hypothesis", "design")]

    def numbers(self) -> list[forms.BoundField]:
        return [self[name] for name in self.NUMBERS]

    def words_after(self) -> list[forms.BoundField]:
        shown = {"name", "hypothesis", "design", *self.NUMBERS}
        return [field for field in self if field.name not in shown]


class ArmForm(forms.ModelForm):
    tools = forms.MultipleChoiceField(
        choices=[(t, t) for t in Arm.TOOLS if t in services.TOOLS_OF_THE_APP],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    class Meta:
        model = Arm
        fields = ("name", "tools", "assistance")


class FurtherArmForm(ArmForm):
    """An arm that is only there when somebody begins to fill it."""

    def has_changed(self) -> bool:
        return bool(self["name"].data or self["tools"].data)


def arm_forms(request: Request) -> list[ArmForm]:
    """Two arms, and two more that stay empty unless somebody fills them."""
    initial = [
        {"name": "by hand", "tools": ["box", "brush"], "assistance": "none"},
        {"name": "with proposals", "tools": ["box", "brush"], "assistance": "proposals"},
    ]
    first = [ArmForm(request.POST or None, prefix=f"arm{k}", initial=values) for k, values in enumerate(initial)]
    return first + [
        FurtherArmForm(
            request.POST or None,
            prefix=f"arm{k}",
            initial={"assistance": "none"},
            empty_permitted=True,
            use_required_attribute=False,
        )
        for k in (2, 3)
    ]


class FieldsForm(forms.Form):
    """Which images are drawn."""

    strata = forms.ChoiceField(
        label="Alike sets by",
        choices=services.Strata.choices,
        initial=services.Strata.DENSITY,
        help_text="half of the fields lie above the median, half below, and every arm gets equally many of both",
    )
    measured = forms.IntegerField(
        label="Measured fields",
        required=False,
        min_value=1,
        help_text="empty: as many as have a reference and can be shared equally",
    )


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def studies(request: Request, project: int) -> HttpResponse:
    """The studies of a project, and a form for a new one of two to four arms."""
    found = reach_project(request, "manage" if request.method == "POST" else "oversee", project)
    form, arms = StudyForm(request.POST or None), arm_forms(request)
    fields = FieldsForm(request.POST or None)
    valid = [one.is_valid() for one in (form, fields, *arms)]  # each, so that each shows its errors
    if request.method == "POST" and all(valid):
        try:
            made = services.draft_study(
                project=found,
                by=request.user,
                arms=[arm.cleaned_data for arm in arms if arm.cleaned_data.get("name")],
                chosen=fields.cleaned_data,
                **form.cleaned_data,
            )
        except LabelingError as error:
            form.add_error(error.field if error.field in form.fields else None, sentence(error))
        else:
            return redirect("study", made.pk)
    context: dict[str, Any] = {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "studies": found.studies.order_by("-pk"),
        "form": form,
        "arm_forms": arms[:2],
        "more_arms": arms[2:],
        "fields_form": fields,
    }
    return render(request, "studies/studies.html", context, status=422 if request.method == "POST" else 200)


def reach_study(request: Request, act: str, study: int) -> Study:
    return reach(Study.objects.visible_to(request.user).select_related("project"), request.user, act, pk=study)


@signed_in
@require_safe
def study(request: Request, study: int) -> HttpResponse:
    """Protocol, fields, readers and the allocation, as it would be or as it was frozen."""
    found = reach_study(request, "oversee", study)
    try:
        planned = services.preview(found) if found.state == Study.State.DRAFT else []
        problem = ""
    except Invalid as error:
        planned, problem = [], sentence(error)
    readers = list(found.participants.select_related("user").prefetch_related("items"))
    fields = {f.pk: f for f in found.fields.select_related("image")}
    rows = [
        (p.reader + 1, p.position, p.sequence, p.period + 1, p.arm, fields[p.field], p.training, p.repeat)
        for p in planned
    ]
    if found.state != Study.State.DRAFT:
        items = Item.objects.filter(participant__study=found).select_related("arm", "field__image", "participant")
        rows = [
            (i.participant.number, i.position, i.sequence, i.period + 1, i.arm.name, i.field, i.training, i.repeat)
            for i in items
        ]
    done = [(p, sum(i.state == Item.State.DONE for i in p.items.all()), len(p.items.all())) for p in readers]
    context = {
        "study": found,
        "project": found.project,
        "may": acts_of(found.project, found.project.role_of(request.user)),
        "rows": rows,
        "problem": problem,
        "readers": done,
        "arms": list(found.arms.all()),
        "fields": sorted(fields.values(), key=lambda f: f.pk),
        "key": public_key(signing_key(settings.SECRET_KEY)),
        "finished": Item.objects.filter(
            participant__study=found, state=Item.State.DONE, training=False, excluded=""
        ).select_related("participant", "arm"),
        "amendments": list(found.amendments.select_related("by")),
        "amendable": sorted(services.MAY_BE_AMENDED),
    }
    return render(request, "studies/study.html", context)


@signed_in
@require_POST
def act(request: Request, study: int) -> HttpResponse:
    """What the coordinator does: enrol, freeze, amend, lock."""
    found = reach_study(request, "manage", study)
    what = request.POST.get("act", "")
    by, post = request.user, request.POST

    def amend() -> None:
        name, value = post.get("name", ""), post.get("value", "")
        numeric = {"idle_after_s", "outlier_iqr", "quality_margin"}
        try:
            new: Any = float(value) if name in numeric and value else value or None
        except ValueError:
            raise Invalid(f"{name} must be a number", field="value") from None
        services.amend(study=found, change={name: new}, reason=post.get("reason", ""), by=by)

    acts = {
        "enrol": lambda: services.enrol(study=found, username=post.get("username", "")),
        "freeze": lambda: services.freeze(study=found, by=by),
        "amend": amend,
        "exclude": lambda: services.exclude(
            item=get_object_or_404(Item, pk=_number(post.get("item")), participant__study=found, state=Item.State.DONE),
            reason=post.get("reason", ""),
            by=by,
        ),
        "labelme": lambda: outside.import_labelme(
            study=found, name=post.get("name", ""), content=_archive(request), reason=post.get("reason", ""), by=by
        ),
        "lock": lambda: services.lock(study=found),
    }
    if what not in acts:
        raise Http404
    attempt(request, acts[what])
    return redirect("study", found.pk)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0


def _archive(request: Request) -> bytes:
    file = request.FILES.get("archive")
    if file is None:
        raise Invalid("choose a zip of LabelMe's files", field="archive")
    if (file.size or 0) > MOST_ARCHIVE:
        raise Invalid(f"the archive is larger than {MOST_ARCHIVE >> 20} MiB", field="archive")
    return file.read()


# pandas, statsmodels and matplotlib take seconds and a hundred megabytes to load: whoever asks for a report waits for
# them once, and no other process does. So the views below import them.


def reach_frozen(request: Request, study: int) -> Study:
    found = reach_study(request, "oversee", study)
    if found.state == Study.State.DRAFT:
        raise Http404
    return found


@signed_in
@require_safe
def study_report(request: Request, study: int) -> HttpResponse:
    found = reach_frozen(request, study)
    from labeling.studies import reporting

    return render(request, "studies/report.html", {"study": found, "project": found.project, **reporting.page(found)})


@signed_in
@require_safe
def study_plot(request: Request, study: int, name: str) -> HttpResponse:
    found = reach_frozen(request, study)
    if name not in SHOWS:  # before the import below, which takes ten seconds and more in a fresh process
        raise Http404
    from labeling.studies import reporting
    from labeling.studies.computed import StillComputing

    try:
        return HttpResponse(reporting.plot(found, name), content_type="image/svg+xml")
    except StillComputing as error:
        return HttpResponse(str(error), status=503, headers={"Retry-After": "60"}, content_type="text/plain")


@signed_in
@require_safe
def study_pdf(request: Request, study: int) -> HttpResponse:
    found = reach_frozen(request, study)
    from labeling.studies import reporting

    return _file(reporting.pdf(found), "application/pdf", f"study-{found.pk}.pdf")


@signed_in
@require_safe
def study_bundle(request: Request, study: int) -> HttpResponse:
    found = reach_frozen(request, study)
    from labeling.studies import reporting

    return _file(reporting.bundled(found), "application/zip", f"study-{found.pk}.zip")


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


# -- who reads


def own(request: Request, participant: int) -> Participant:
    """A participant's own enrolment; anybody else's does not exist."""
    return get_object_or_404(Participant.objects.select_related("study", "user"), pk=participant, user=request.user)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def participation(request: Request, participant: int) -> HttpResponse:
    """Consent, then only ever the next item. POST: consent, next, withdraw."""
    found = own(request, participant)
    if request.method == "POST":
        what = request.POST.get("act")
        if what == "consent":
            attempt(request, lambda: services.consent(participant=found))
        elif what == "withdraw":
            attempt(request, lambda: services.withdraw(participant=found, reason=request.POST.get("reason", "")))
        elif what == "next":
            item, _ = services.next_item(found)
            if item is not None:
                number = item.pk
                opened = attempt(request, lambda: services.open_item(participant=found, item_id=number))
                if opened:
                    return redirect("study-item", number)
        return redirect("participation", found.pk)
    item, available = services.next_item(found) if found.consented_at else (None, None)
    total = found.items.count()
    context = {
        "participant": found,
        "study": found.study,
        "item": item,
        "available": available,
        "total": total,
        "done": found.items.filter(state=Item.State.DONE).count(),
    }
    return render(request, "studies/participation.html", context)


def own_item(request: Request, item: int) -> Item:
    return get_object_or_404(
        Item.objects.select_related("participant__study", "participant__user", "sheet"),
        pk=item,
        participant__user=request.user,
        state=Item.State.OPEN,
    )


@signed_in
@require_safe
@ensure_csrf_cookie
def study_item(request: Request, item: int) -> HttpResponse:
    """The open item, full screen. Reached only from the participant's page, which begins the sitting; without one that
    runs (a reload after a crash, the back button) it goes there first, so that no time runs outside a sitting."""
    found = own_item(request, item)
    if not found.sittings.filter(ended_at__isnull=True).exists():
        return redirect("participation", found.participant_id)
    assert found.sheet is not None
    image = found.sheet.images.get()
    context = {"image": image, "item": found, "total": found.participant.items.count()}
    return render(request, "studies/item.html", context)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def stop_item(request: Request, item: int) -> HttpResponse:
    """Between the field and whatever comes next. The page of the field has been left, so its clock stands. POST: pause,
    done, or go on."""
    found = own_item(request, item)
    if request.method != "POST":
        services.pause(participant=found.participant, item_id=found.pk)
        return render(request, "studies/stop.html", {"item": found, "study": found.participant.study})
    what = request.POST.get("act")
    if what == "done":
        attempt(request, lambda: services.complete(participant=found.participant, item_id=found.pk))
    elif what == "on":
        attempt(request, lambda: services.open_item(participant=found.participant, item_id=found.pk))
        return redirect("study-item", found.pk)
    else:
        messages.info(request, _("Paused. The clock stands until you go on."))
    return redirect("participation", found.participant_id)
