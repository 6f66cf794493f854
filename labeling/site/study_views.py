"""The pages of studies for who coordinates one: plan, freeze, amend, lock, report. Readers' pages: reader_views.py."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling.audit.downloads import download
from labeling.errors import Invalid, LabelingError, sentence
from labeling.numbers import whole_number
from labeling.projects.access import reach
from labeling.projects.models import MAY
from labeling.site.forms.studies import (
    FieldsForm,
    StudyForm,
    arm_forms,
    arms_of,
    arms_of_template,
    declared,
    given_by,
    template_of,
)
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in
from labeling.studies import (
    amending,
    freezing,
    interim_looks,
    learned,
    limits,
    masks,
    outside,
    registration,
    services,
    time_stamps,
)
from labeling.studies.drafts import FieldChoice
from labeling.studies.models import Amendment, Arm, Item, Participant, Study
from labeling.studies.plot_names import SHOWS
from labeling.studies.protocol.documents import AmendmentEntry
from labeling.studies.signing import public_key, signing_key
from labeling.studies.templates import TEMPLATES

MOST_TIMES = 2 * 2**20
MOST_ARCHIVE = 256 * 2**20  # LabelMe puts the picture into each file unless told not to


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def studies(request: Request, project: int) -> HttpResponse:
    """The studies of a project, and a form for a new one of two to four arms."""
    found = reach_project(request, "manage" if request.method == "POST" else "oversee", project)

    def make(**given: Any) -> Study:
        return services.draft_study(project=found, by=request.user, **given)

    context, made = _design(request, make)
    if made is not None:
        return redirect("study", made.pk)
    context |= {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "studies": found.studies.order_by("-pk"),
        "templates": TEMPLATES,
        "chosen_template": template_of(request),
        "usable": [
            (_("for arms without proposals"), learned.candidates(found, proposals=False)),
            (_("for arms with proposals"), learned.candidates(found, proposals=True)),
        ],
    }
    return render(request, "studies/studies.html", context, status=422 if request.method == "POST" else 200)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def edit_study(request: Request, study: int) -> HttpResponse:
    """The form of a draft, filled in. Saving draws its fields again."""
    found = reach_for_step(request, "manage", study)
    if found.state != Study.State.DRAFT:
        return redirect("study", found.pk)

    def change(**given: Any) -> Study:
        return services.edit_draft(study=found, **given)

    context, made = _design(request, change, found)
    if made is not None:
        return redirect("study", made.pk)
    context |= {"study": found, "project": found.project}
    return render(request, "studies/edit.html", context, status=422 if request.method == "POST" else 200)


def _design(
    request: Request, make: Callable[..., Study], study: Study | None = None
) -> tuple[dict[str, object], Study | None]:
    """The forms of a design, and the study that `make` made of them when all are right."""
    template = template_of(request)
    given = declared(study) if study else given_by(template)
    form = StudyForm(request.POST or None, initial=given)
    arms = arm_forms(request, arms_of(study) if study else arms_of_template(template))
    chosen = {"strata": study.strata, "measured": study.measured} if study else given
    fields = FieldsForm(request.POST or None, initial=chosen)
    context: dict[str, object] = {"form": form, "arm_forms": arms[:2], "more_arms": arms[2:], "fields_form": fields}
    valid = [one.is_valid() for one in (form, fields, *arms)]  # each, so that each shows its errors
    if request.method != "POST" or not all(valid):
        return context, None
    named = [arm.cleaned_data for arm in arms if arm.cleaned_data.get("name")]
    try:
        return context, make(arms=named, chosen=FieldChoice(**fields.cleaned_data), **form.cleaned_data)
    except LabelingError as error:
        beside = fields if error.field in fields.fields else form
        beside.add_error(error.field if error.field in beside.fields else None, sentence(error))
        return context, None


def reach_study(request: Request, act: str, study: int) -> Study:
    return reach(Study.objects.visible_to(request.user).select_related("project"), request.user, act, pk=study)


def reach_for_step(request: Request, act: str, study: int) -> Study:
    """For a page that asks before a large step: an archived project still shows it, and refuses the step."""
    if request.method == "POST":
        return reach_study(request, act, study)
    found = reach_study(request, "oversee", study)
    if found.project.role_of(request.user) not in MAY[act]:
        raise PermissionDenied
    return found


@signed_in
@require_safe
def study(request: Request, study: int) -> HttpResponse:
    """Protocol, fields, readers and the allocation, as it would be or as it was frozen."""
    found = reach_study(request, "oversee", study)
    planned, problem = _preview(found)
    readers = _readers(found)
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
    is_draft = found.state == Study.State.DRAFT
    context = {
        "study": found,
        "project": found.project,
        "may": acts_of(found.project, found.project.role_of(request.user)),
        "rows": rows,
        "problem": problem,
        "readers": readers,
        "checks": freezing.checks_of(found) if is_draft else [],
        "unmade": [] if is_draft else masks.unmade(found),
        "arms": list(found.arms.all()),
        "fields": sorted(fields.values(), key=lambda f: f.pk),
        "usable": _usable(found) if is_draft else None,
        "offers_stamp": time_stamps.is_offered() and found.stamped_at is None,
        "key": public_key(signing_key(settings.SECRET_KEY)),
        "finished": Item.objects.filter(
            participant__study=found, state=Item.State.DONE, training=False, excluded=""
        ).select_related("participant", "arm"),
        "retention": amending.retention_of(found),
        "amendments": _amendments(found),
        "interim_looks": list(found.interim_looks.select_related("by")),
        "amendable": [(name, rule.label) for name, rule in limits.AMENDABLE.items()],
    }
    return render(request, "studies/study.html", context)


def _readers(study: Study) -> list[Participant]:
    """By their names. Once the study is frozen, nothing here says which pseudonym is theirs, nor anything that stands
    beside pseudonyms elsewhere, such as how many items are done: whoever coordinates the study must not know."""
    return sorted(study.participants.select_related("user"), key=lambda one: one.user.display_name)


def _preview(study: Study) -> tuple[list[Any], str]:
    """The allocation of a draft, or why there is none."""
    if study.state != Study.State.DRAFT:
        return [], ""
    try:
        return services.preview(study), ""
    except Invalid as error:
        return [], sentence(error)


def _usable(study: Study) -> learned.Candidates:
    proposals = study.arms.filter(assistance=Arm.Assistance.PROPOSALS).exists()
    return learned.candidates(study.project, proposals=proposals)


def _amendments(study: Study) -> list[tuple[Amendment, list[AmendmentEntry]]]:
    """Each amendment with what it changed, in words."""
    entries = amending.amendments_of(study) if study.protocol else []
    of_moment: dict[str, list[AmendmentEntry]] = {}
    for entry in entries:
        of_moment.setdefault(entry["at"], []).append(entry)
    rows = study.amendments.select_related("by")
    return [(row, of_moment.get(row.at.isoformat(), [])) for row in rows]


@signed_in
@require_POST
def act(request: Request, study: int) -> HttpResponse:
    """What the coordinator does beside the large steps: enrol, amend, leave out, add an arm read elsewhere."""
    found = reach_study(request, "manage", study)
    by, post = request.user, request.POST
    reason = post.get("reason", "")

    def leave_out() -> None:
        items = Item.objects.filter(participant__study=found, state=Item.State.DONE)
        services.exclude(item=get_object_or_404(items, pk=whole_number(post.get("item"))), reason=reason, by=by)

    def make_masks_again() -> None:
        for item in masks.unmade(found):
            masks.ask_for_masks(item)

    acts = {
        "masks": make_masks_again,
        "stamp": lambda: time_stamps.stamp_protocol(found),
        "enrol": lambda: services.enrol(study=found, username=post.get("username", "")),
        "amend": lambda: services.amend(
            study=found, change={post.get("name", ""): post.get("value", "")}, reason=reason, by=by
        ),
        "exclude": leave_out,
        "labelme": lambda: outside.import_labelme(
            study=found, name=post.get("name", ""), content=_archive(request), reason=reason, by=by
        ),
    }
    if post.get("act") == "elsewhere":  # here and not above: the readers of formats take seconds to load
        from labeling.studies import other_programs

        attempt(
            request,
            lambda: other_programs.import_files(
                study=found, name=post.get("name", ""), content=_archive(request), times=_times(request),
                reason=reason, by=by,
            ),
        )  # fmt: skip
        return redirect("study", found.pk)
    if post.get("act") not in acts:
        raise Http404
    attempt(request, acts[post["act"]])
    return redirect("study", found.pk)


def _archive(request: Request) -> bytes:
    file = request.FILES.get("archive")
    if file is None:
        raise Invalid(_("choose a zip of the files"), field="archive")
    if (file.size or 0) > MOST_ARCHIVE:
        raise Invalid(
            _("the archive is larger than {most} MiB; split it").format(most=MOST_ARCHIVE >> 20), field="archive"
        )
    return file.read()


def _times(request: Request) -> bytes | None:
    """The table of times that came along, if one did."""
    file = request.FILES.get("times")
    if file is None:
        return None
    if (file.size or 0) > MOST_TIMES:
        raise Invalid(_("the table of times is larger than {most} MiB").format(most=MOST_TIMES >> 20), field="times")
    return file.read()


# -- the large steps of a study: each has a page that says what it does and asks once more


@signed_in
@require_POST
def redraw_study(request: Request, study: int) -> HttpResponse:
    """Draw the fields of a draft again, by a seed that was typed or by a new one."""
    found = reach_study(request, "manage", study)
    seed = attempt(request, lambda: services.redraw(study=found, seed=request.POST.get("seed", "").strip()))
    if seed is not None:
        messages.success(request, _("The fields are drawn again, by seed {seed}.").format(seed=seed))
    return redirect("study", found.pk)


@signed_in
@require_POST
def copy_study(request: Request, study: int) -> HttpResponse:
    """A new draft that declares the same, of a draft or of a study that was frozen."""
    found = reach_study(request, "manage", study)
    made = attempt(request, lambda: services.copy_study(study=found, by=request.user))
    if made is None:
        return redirect("study", found.pk)
    messages.success(request, _("This draft is a copy. Its fields are drawn; add its readers."))
    return redirect("study", made.pk)


@signed_in
@require_POST
def remove_reader(request: Request, study: int, participant: int) -> HttpResponse:
    found = reach_study(request, "manage", study)
    reader = get_object_or_404(Participant, pk=participant, study=found)
    attempt(request, lambda: services.remove_reader(participant=reader))
    return redirect("study", found.pk)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def freeze_study(request: Request, study: int) -> HttpResponse:
    found = reach_for_step(request, "manage", study)
    if request.method == "POST":
        attempt(request, lambda: services.freeze(study=found, by=request.user), done=_("The protocol is frozen."))
    if request.method == "POST" or found.state != Study.State.DRAFT:
        return redirect("study", found.pk)
    return _confirm(request, found, "freeze", missing=[c for c in freezing.checks_of(found) if not c.is_done])


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def delete_study(request: Request, study: int) -> HttpResponse:
    found = reach_for_step(request, "manage", study)
    if request.method == "POST" and found.state == Study.State.DRAFT:
        attempt(request, lambda: services.delete_draft(study=found), done=_("The draft is deleted."))
        return redirect("studies", found.project_id)
    if found.state != Study.State.DRAFT:
        messages.error(request, _("Only a draft is deleted. This study is frozen."))
        return redirect("study", found.pk)
    return _confirm(request, found, "delete")


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def lock_study(request: Request, study: int) -> HttpResponse:
    found = reach_for_step(request, "manage", study)
    if request.method == "POST":
        attempt(request, lambda: services.lock(study=found), done=_("The study is locked."))
    if request.method == "POST" or found.state != Study.State.RUNNING:
        return redirect("study", found.pk)
    items = Item.objects.filter(participant__study=found, participant__withdrawn_at__isnull=True)
    return _confirm(request, found, "lock", unfinished=items.exclude(state=Item.State.DONE).count())


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def interim_look(request: Request, study: int) -> HttpResponse:
    """An owner looks at results by arm before the lock: with a reason, and logged."""
    found = reach_for_step(request, "own", study)
    if request.method == "POST":
        reason = request.POST.get("reason", "")
        opened = attempt(request, lambda: services.open_interim_results(study=found, by=request.user, reason=reason))
        return redirect("study-report" if opened else "interim-look", found.pk)
    if found.state != Study.State.RUNNING:
        return redirect("study", found.pk)
    return _confirm(request, found, "interim-look")


def _confirm(request: Request, study: Study, step: str, **more: Any) -> HttpResponse:
    """The page that says what a step does, and asks."""
    context = {"study": study, "project": study.project, "step": step, **more}
    return render(request, "studies/confirm.html", context)


# -- what a frozen study gives out
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
    """Results, once they may be seen; before that, how the study gets on and how well it is recorded."""
    found = reach_frozen(request, study)
    context = {
        "study": found,
        "project": found.project,
        "may_open_early": found.project.role_of(request.user) in MAY["own"]
        and not interim_looks.reads_for(found, request.user),
    }
    if not interim_looks.shows_results(study=found, to=request.user):
        from labeling.studies import progress

        return render(request, "studies/progress.html", context | {"readers": progress.progress_of(found)})
    from labeling.studies import reporting

    context["interim_looks"] = list(found.interim_looks.select_related("by"))
    return render(request, "studies/report.html", context | reporting.page(found))


def decline_early(request: Request, study: Study) -> HttpResponse | None:
    """To the page that says why, while results by arm are hidden from this person."""
    if interim_looks.shows_results(study=study, to=request.user):
        return None
    return redirect("study-report", study.pk)


@signed_in
@require_safe
def study_plot(request: Request, study: int, name: str) -> HttpResponse:
    found = reach_frozen(request, study)
    if name not in SHOWS or not interim_looks.shows_results(study=found, to=request.user):
        # Before the import below, which takes ten seconds and more in a fresh process.
        raise Http404
    from labeling.studies import reporting
    from labeling.studies.computed import StillComputing

    try:
        return HttpResponse(reporting.plot(found, name), content_type="image/svg+xml")
    except StillComputing as error:
        return HttpResponse(str(error), status=503, headers={"Retry-After": "60"}, content_type="text/plain")


@signed_in
@require_safe
def study_registration(request: Request, study: int) -> HttpResponseBase:
    """The frozen protocol as a text for a public registry; it holds no result."""
    found = reach_frozen(request, study)
    content, name = registration.markdown(found).encode(), f"registration-study-{found.pk}.md"
    return download(content, name=name, content_type="text/markdown", project=found.project, study=found.pk)


@signed_in
@require_safe
def study_pdf(request: Request, study: int) -> HttpResponseBase:
    found = reach_frozen(request, study)
    if hidden := decline_early(request, found):
        return hidden
    from labeling.studies import reporting

    content, name = reporting.pdf(found), f"study-{found.pk}.pdf"
    return download(content, name=name, content_type="application/pdf", project=found.project, study=found.pk)


@signed_in
@require_safe
def study_bundle(request: Request, study: int) -> HttpResponseBase:
    found = reach_frozen(request, study)
    if hidden := decline_early(request, found):
        return hidden
    from labeling.studies import reporting

    content, name = reporting.bundled(found), f"study-{found.pk}.zip"
    return download(content, name=name, content_type="application/zip", project=found.project, study=found.pk)
