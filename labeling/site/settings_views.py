"""The settings of a project: its words, its classes, and what was said of its images."""

from dataclasses import asdict
from typing import Any

from django.conf import settings as site_settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.forms import formset_factory
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from labeling.accounts.models import User
from labeling.accounts.services import may_create_projects
from labeling.annotations.attributes import declare_attributes, written_attributes
from labeling.errors import Invalid, LabelingError, sentence
from labeling.exchange.image_tables import MOST_BYTES, take_table
from labeling.images.facts import change_image, change_images, stated
from labeling.images.models import NOMINAL_SCALES, ScaleSource
from labeling.images.sentences import note_sentences
from labeling.images.similar import in_other_splits
from labeling.images.similar import sentence as same_picture
from labeling.numbers import whole_number
from labeling.projects.classes import add_class, change_class, remove_class
from labeling.projects.models import MAY, Project
from labeling.projects.services import change_project
from labeling.projects.terms import TERMS, change_terms
from labeling.rounds.models import Delivery
from labeling.rounds.notices.announcements import change_notices, recipients, renew_secret
from labeling.rounds.notices.delivery import send_test
from labeling.rounds.weights.promotion import policy_of
from labeling.site.forms.projects import (
    STATED,
    TAG_ACTS,
    AttributesForm,
    ClassForm,
    ImageForm,
    NoticesForm,
    TermsForm,
    WordsForm,
)
from labeling.site.patient_views import patients_panel, storage_panel
from labeling.site.project_copies import copy_form
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in

PER_PAGE = 50
MOST_ALIKE = 10  # sentences about the same picture in two splits
DELIVERIES = 20  # the newest, shown
ImageForms = formset_factory(ImageForm, extra=0)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: Request, project: int) -> HttpResponse:
    if request.method != "POST":
        return show(request, reach_project(request, "oversee", project))
    found = reach_project(request, "manage", project)
    if "attributes" in request.POST:
        return attributes(request, found)
    if "approval" in request.POST:
        return terms(request, found)
    form = words_form(request, found, request.POST)
    if form.is_valid():
        try:
            change_project(project=found, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            return saved(request, found)
    return show(request, found, status=422, form=form)


def attributes(request: Request, found: Project) -> HttpResponse:
    form = AttributesForm(request.POST)
    if form.is_valid():
        try:
            declare_attributes(project=found, text=form.cleaned_data["attributes"])
        except LabelingError as error:
            form.add_error("attributes", sentence(error, begins_with_a_name=True))
        else:
            return saved(request, found, part="attributes")
    return show(request, found, status=422, attributes_form=form)


def terms(request: Request, found: Project) -> HttpResponse:
    form = TermsForm(request.POST)
    if form.is_valid():
        try:
            change_terms(project=found, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            return saved(request, found, part="terms")
    return show(request, found, status=422, terms_form=form)


def terms_form(request: Request, found: Project) -> TermsForm:
    """Shown to managers, changed by owners."""
    initial = {name: getattr(found, name) for name in TERMS}
    form = TermsForm(initial=initial | {"permitted_centres": "\n".join(found.permitted_centres)})
    for field in form.fields.values():
        field.disabled = "own" not in acts_of(found, found.role_of(request.user))
    return form


@signed_in
@require_POST
def images(request: Request, project: int) -> HttpResponse:
    """The images of one page at once: all of them are right, or none is changed."""
    found = reach_project(request, "manage", project)
    shown = page_of(request, found)
    forms = ImageForms(request.POST, initial=facts(shown))
    if not forms.is_valid() or len(forms) != len(shown):
        return show(request, found, status=422, image_forms=forms)
    moved = []

    def change() -> int:
        changed = 0
        for image, form in zip(shown, forms, strict=True):
            if form.has_changed():
                given = {name: form.cleaned_data[name] for name in form.changed_data}
                change_image(image=image, by=request.user, reason=request.POST.get("reason", ""), **given)
                changed += 1
                moved.extend([image] if "split" in form.changed_data else [])
        return changed

    changed = attempt(request, transaction.atomic(change))
    if changed is None:
        return show(request, found, status=422, image_forms=forms)
    for pair in in_other_splits(found, moved)[:MOST_ALIKE] if moved else []:
        messages.warning(request, same_picture(pair))
    return saved(request, found, counted(changed), "images", shown.number)


@signed_in
@require_POST
def many_images(request: Request, project: int) -> HttpResponse:
    """One of STATED or TAG_ACTS, or with `scaled` a nominal scale, for the ticked images or for all of them."""
    found = reach_project(request, "manage", project)
    scaled = request.POST.get("scaled", "")
    factor = request.POST.get("scale" if scaled else "factor", "")
    value = request.POST.get("value", "")
    everything = "all" in request.POST or scaled == "all"
    ticked = [key for key in map(whole_number, request.POST.getlist("chosen")) if key is not None]
    chosen = list(found.images.order_by().values_list("pk", flat=True)) if everything else ticked

    def change() -> int:
        if not chosen:
            raise Invalid(_("tick the images first, or set it for all"), field="chosen")
        if factor in nominal_scales():
            scale = nominal_scales()[factor]
            return change_images(project=found, images=chosen, um_per_px=scale, scale_source=ScaleSource.NOMINAL)
        if factor not in STATED and factor not in TAG_ACTS:
            raise Invalid(_("an image has no {name} that can be changed").format(name=factor), field="factor")
        facts: dict[str, Any] = {factor: [value] if factor in TAG_ACTS else value}
        reason = request.POST.get("reason", "")
        return change_images(project=found, images=chosen, by=request.user, reason=reason, **facts)

    changed = attempt(request, change)
    page = page_of(request, found).number
    if request.POST.get("from") == "images":
        if changed is not None:
            messages.success(request, counted(changed))
        return redirect(f"{reverse('project-images', args=[found.pk])}?view=list")
    if changed is None:
        return redirect(f"{reverse('project-settings', args=[found.pk])}?page={page}#images")
    return saved(request, found, counted(changed), "images", page)


@signed_in
@require_POST
def image_table(request: Request, project: int) -> HttpResponse:
    """A CSV file (exchange/image_tables.py): taken whole, or refused with what is wrong in each line."""
    found = reach_project(request, "manage", project)
    file = request.FILES.get("table")
    if file is None:
        return show(request, found, status=422, table_faults=[_("Choose a CSV file first.")])
    try:
        content = file.read(MOST_BYTES + 1)
        changed = take_table(project=found, content=content, by=request.user, reason=request.POST.get("reason", ""))
    except LabelingError as error:
        return show(request, found, status=error.status, table_faults=error.lines or [sentence(error)])
    return saved(request, found, counted(changed), "images")


def nominal_scales() -> dict[str, float]:
    """ "scale-40" -> 0.25: what a form calls the scale that goes with a magnification."""
    return {f"scale-{magnification}": scale for magnification, scale in NOMINAL_SCALES.items()}


def counted(changed: int) -> str:
    return ngettext("{n} image changed.", "{n} images changed.", changed).format(n=changed)


@signed_in
@require_POST
def classes(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "manage", project)
    form = ClassForm(request.POST)
    if form.is_valid():
        try:
            made = add_class(project=found, name=form.cleaned_data["name"])
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            messages.success(request, _("{name} is a class now.").format(name=made.name))
            return redirect(f"{reverse('project-settings', args=[found.pk])}#classes")
    return show(request, found, status=422, class_form=form)


@signed_in
@require_POST
def class_(request: Request, project: int, label_class: int) -> HttpResponse:
    """Another name or colour of a class; with `remove` its end, where no cell has it."""
    found = reach_project(request, "manage", project)
    made = get_object_or_404(found.classes, pk=label_class)
    if "remove" in request.POST:
        done = _("{name} is not a class here any more.").format(name=made.name)
        attempt(request, lambda: remove_class(label_class=made), done=done)
    else:
        name, color = request.POST.get("name", ""), request.POST.get("color", "")
        attempt(request, lambda: change_class(label_class=made, name=name, color=color), done=_("Saved."))
    return redirect(f"{reverse('project-settings', args=[found.pk])}#classes")


@signed_in
@require_POST
def notices(request: Request, project: int) -> HttpResponse:
    """Who is told when a round ends; with `test` whether they would be, with `secret` another key of the signature."""
    found = reach_project(request, "manage", project)
    if "test" in request.POST:
        done = _("A test is on its way; the list below says whether it arrived.")
        attempt(request, lambda: send_test(project=found, by=request.user), done=done)
    elif "secret" in request.POST:
        done = _("The webhook has a new secret. Give it to the receiver; what is sent from now on is signed with it.")
        attempt(request, lambda: renew_secret(project=found), done=done)
    else:
        form = NoticesForm(request.POST)
        if not form.is_valid():
            return show(request, found, status=422, notices_form=form)
        try:
            change_notices(project=found, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
            return show(request, found, status=422, notices_form=form)
        return saved(request, found, part="notices")
    return redirect(f"{reverse('project-settings', args=[found.pk])}#notices")


def notices_of(request: Request, found: Project) -> dict[str, object]:
    """Who would be told now, who not and why, and what became of what was sent."""
    policy = policy_of(found)
    notified = list(recipients(found))
    here = found.memberships.filter(role__in=MAY["manage"], invited_as="")  # who was invited and came
    managers = User.objects.filter(memberships__in=here, is_active=True)
    return {
        "policy": policy,
        "notices_form": NoticesForm(
            initial={"notify_by_mail": policy.notify_by_mail, "webhook_url": policy.webhook_url}
        ),
        "notified": notified,
        "not_notified": [person for person in managers.order_by("username") if person not in notified],
        "mail_is_configured": site_settings.MAIL_IS_CONFIGURED,
        "deliveries": Delivery.objects.filter(project=found).select_related("round", "person")[:DELIVERIES],
    }


def saved(request: Request, found: Project, words: str = "", part: str = "words", page: int = 1) -> HttpResponse:
    attempt(request, lambda: None, done=words or _("Saved."))
    return redirect(f"{reverse('project-settings', args=[found.pk])}?page={page}#{part}")


def page_of(request: Request, found: Project) -> Any:
    return Paginator(found.images.with_specimens().order_by("position"), PER_PAGE).get_page(request.GET.get("page"))


def facts(images: Any) -> list[dict[str, object]]:
    found = []
    for image in images:
        specimen: dict[str, object] = asdict(image.specimen)
        found.append(specimen | {name: getattr(image, name) for name in ("scanner", "stain", "um_per_px", "split")})
    return found


def words_form(request: Request, found: Project, data: Any = None) -> WordsForm:
    """Whether working time is recorded is shown to managers and changed by owners."""
    shown = ("name", "description", "records_activity", "keeps_originals", "deidentifies", "name_pattern")
    initial = {key: getattr(found, key) for key in shown}
    initial["model_channels"] = ", ".join(found.model_channels)
    form = WordsForm(data, initial=initial)
    form.fields["records_activity"].disabled = "own" not in acts_of(found, found.role_of(request.user))
    return form


def show(request: Request, found: Project, *, status: int = 200, **forms: Any) -> HttpResponse:
    """The whole page; `forms` are the ones that came back with errors."""
    shown = page_of(request, found)
    context = {
        "project": found,
        "may": acts_of(found, found.role_of(request.user)),
        "form": words_form(request, found),
        "terms_form": terms_form(request, found),
        "attributes_form": AttributesForm(initial={"attributes": written_attributes(found)}),
        "image_forms": ImageForms(initial=facts(shown)),
        "classes": found.classes.all(),
        "class_form": ClassForm(),
        "page": shown,
        **notices_of(request, found),
        **patients_panel(found),
        **storage_panel(found),
        "stated": stated(found),
        "copy_form": copy_form(found, request.user),
        "may_create_projects": may_create_projects(request.user),
        "factors": STATED.items(),
        "scales": [(f"scale-{m}", m, scale) for m, scale in NOMINAL_SCALES.items()],
        **forms,
    }
    if "manage" not in context["may"]:  # archived: to be read
        for one in (context["form"], context["attributes_form"], context["notices_form"], *context["image_forms"]):
            for field in one.fields.values():
                field.disabled = True
    rows = list(zip(shown, context["image_forms"], strict=False))
    for image, form in rows:
        image.notes = note_sentences(image.reading.get("notes", []))
        for field in form.fields.values():
            field.widget.attrs["aria-label"] = _("{field} of {name}").format(field=field.label, name=image.name)
    context["rows"] = rows
    return render(request, "site/settings.html", context, status=status)
