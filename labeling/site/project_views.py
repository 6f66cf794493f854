"""The page of one project: its images, people, classes and rounds."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling.errors import LabelingError, sentence
from labeling.images.models import Split
from labeling.images.services import stated
from labeling.projects.models import Project, Role
from labeling.projects.services import add_class, add_member, change_role, invite_again, remove_member
from labeling.rounds.configuration import CHOICES, DEVICES, PRESET_NAMES
from labeling.rounds.execution.archiving import archive_project, restore_project
from labeling.rounds.models import ModelVersion, Round
from labeling.rounds.results.outcome import on_images, outcome_of
from labeling.rounds.weights.promotion import current_publications, current_round
from labeling.rounds.weights.starting import KINDS
from labeling.site import import_views, upload_views
from labeling.site.export_views import panel
from labeling.site.forms.projects import MOST_FILES, ClassForm, MemberForm, UploadForm
from labeling.site.overview import Counts, count
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in
from labeling.site.round_progress import progress_of
from labeling.site.suggestions import STRATEGIES, next_images

PER_PAGE = 60
# What else on the page depends on the images, by id of the element. When images were added, the page fetches itself and
# takes these out of it beside the grid, so that they are what a reload shows. All other acts load the page anew.
DEPENDS_ON_IMAGES = ("project-head", "rounds-panel", "exports", "known-values", "upload-button", "before-round")


@signed_in
@require_safe
def project(request: Request, project: int) -> HttpResponse:
    return show(request, reach_project(request, "see", project))


def show(request: Request, found: Project, *, status: int = 200, **forms: Any) -> HttpResponse:
    """The whole page; `forms` are the ones that came back with errors."""
    context = head(request, found)
    role = found.role_of(request.user)
    may = acts_of(found, role)
    rounds = list(found.rounds.select_related("started_by"))
    active = next((r for r in rounds if r.state in Round.ACTIVE), None)
    context |= {
        "classes": list(found.classes.all()),
        "members": list(found.memberships.select_related("user").order_by(ROLE_ORDER, "user__username")),
        "roles": [(r, label) for r, label in Role.choices if r in roles_given_by(role)],
        "rounds": rounds,
        "invitation": invitation_of(request, found),
        **(panel(request, found) if "export" in may else {}),
        **(dict(upload_views.panel(request, found)) if "manage" in may else {}),
        **(import_views.panel(request, found) if "manage" in may else {}),
        "upload_form": UploadForm(),
        "stated": stated(found),
        "most_files": MOST_FILES,
        "member_form": MemberForm(roles=roles_given_by(role)),
        "class_form": ClassForm(),
        **forms,
    }
    if active is not None:
        context |= progress_of(active).context() | {"outcome": context["outcome"]}  # of the current round
    return render(request, "site/project.html", context, status=status)


def head(request: Request, found: Project) -> dict[str, object]:
    """What the head of the page and the grid below it need."""
    role = found.role_of(request.user)
    may = acts_of(found, role)
    current = current_round(found)
    return {
        "project": found,
        "role": role,
        "may": may,
        "current": current,
        "outcome": outcome_of(current) if current else None,
        "presets": list(PRESET_NAMES.items()),
        "choices": CHOICES,
        "devices": list(DEVICES.items()),
        "starts": starts(found) if "manage" in may else [],
        **grid(request, found),
    }


@dataclass(frozen=True)
class StartChoices:
    """The versions that a detector or segmenter can start from."""

    kind: str
    versions: list[ModelVersion]


def starts(found: Project) -> list[StartChoices]:
    """What the models of a round can start from: the versions of this project."""
    versions = list(found.model_versions.all())
    return [StartChoices(kind, [v for v in versions if v.kind == kind]) for kind in KINDS]


ROLE_ORDER = Case(*(When(role=r, then=Value(i)) for i, r in enumerate(Role.values)), output_field=IntegerField())


def roles_given_by(role: str | None) -> list[str]:
    """The roles that somebody may give to others: only owners make owners."""
    return [r for r in Role.values if r != Role.OWNER or role == Role.OWNER]


def grid(request: Request, found: Project) -> dict[str, object]:
    """The images of one page with their counts, and what the whole project asks for next."""
    everything = list(found.images.all())
    counts = count(images=found.images.order_by(), user=request.user, per="image")
    rows = [(image, counts.get(image.pk, Counts())) for image in everything]
    strategy = request.GET.get("by", "mix")
    waiting = next_images(found, counts, strategy)
    to_review = [(image, c) for image, c in rows if c.undecided]
    to_box = [image for image, c in rows if not c.exhaustive and not c.proposed]
    publications = list(current_publications(found.images.all()).select_related("image", "round"))
    outcomes = {outcome.image.pk: outcome for outcome in on_images(publications)}
    for image, _counts in rows:
        image.suggested_next = waiting.get(image.pk)  # type: ignore[attr-defined]
        image.outcome = outcomes.get(image.pk)  # type: ignore[attr-defined]
    if request.GET.get("order") == "suggested":
        rows.sort(key=lambda row: getattr(waiting.get(row[0].pk), "place", len(rows)))
    return {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "total": len(rows),
        "strategy": strategy,
        "strategies": STRATEGIES.items() if waiting else [],
        "by_suggestion": request.GET.get("order") == "suggested",
        "boxes": sum(c.boxes for _, c in rows),
        "undecided": sum(c.undecided for _, c in rows),
        "next_to_review": to_review[0][0] if to_review else None,
        "next_to_box": to_box[0] if to_box else None,
        "depends_on_images": ",".join(f"#{name}" for name in DEPENDS_ON_IMAGES),
        "can_learn": any(c.exhaustive and c.boxes and image.split == Split.TRAIN for image, c in rows),
    }


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def images(request: Request, project: int) -> HttpResponse:
    """GET: the project's page, out of which htmx takes the parts that depend on the images. POST: files to be read."""
    if request.method != "POST":
        return show(request, reach_project(request, "see", project))
    found = reach_project(request, "manage", project)
    return upload_views.receive(request, found, request.FILES.getlist("images"))


@signed_in
@require_POST
def add(request: Request, project: int) -> HttpResponse:
    """A member; a new account's one-time invitation is shown once, on the page that follows."""
    found = reach_project(request, "manage", project)
    form = MemberForm(request.POST, roles=roles_given_by(found.role_of(request.user)))
    if form.is_valid():
        try:
            membership, path = add_member(project=found, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error, begins_with_a_name=error.field == "username"))
        else:
            name = form.cleaned_data["username"].strip()
            if path:
                keep_invitation(request, found, name, path)
            messages.success(request, _("{name} takes part as {role}.").format(name=name, role=_(membership.role)))
            return redirect(f"{reverse('project', args=[found.pk])}#members")
    return show(request, found, status=422, member_form=form)


def keep_invitation(request: Request, found: Project, username: str, path: str) -> None:
    """For the next page alone: the link is a password, so it is neither stored nor written into an address."""
    request.session["invitation"] = {"project": found.pk, "username": username, "path": path}


def invitation_of(request: Request, found: Project) -> dict[str, str] | None:
    """The invitation just made, taken out of the session: whoever reloads does not see it again."""
    invitation = request.session.get("invitation")
    if not invitation or invitation["project"] != found.pk:
        return None
    del request.session["invitation"]
    return {"username": invitation["username"], "url": request.build_absolute_uri(invitation["path"])}


@signed_in
@require_POST
def change(request: Request, project: int, membership: int) -> HttpResponse:
    """Another role for a member; with `remove` the end of their part, with `invite` a new one-time link."""
    found = reach_project(request, "manage", project)
    member = get_object_or_404(found.memberships.select_related("user"), pk=membership)
    name = member.shown_name
    if "remove" in request.POST:
        attempt(
            request,
            lambda: remove_member(project=found, membership=member, by=request.user),
            done=_("{name} no longer takes part. What they annotated stays.").format(name=name),
        )
        if member.user == request.user and member.pk is None:
            return redirect("home")
    elif "invite" in request.POST:
        path = attempt(request, lambda: invite_again(membership=member, by=request.user))
        if path:
            keep_invitation(request, found, member.invited_as or member.user.get_username(), path)
    else:
        role = request.POST.get("role", "")
        attempt(
            request,
            lambda: change_role(project=found, membership=member, role=role, by=request.user),
            done=_("{name} is {role} now.").format(name=name, role=_(role) if role else ""),
        )
    return redirect(f"{reverse('project', args=[found.pk])}#members")


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
            return redirect(f"{reverse('project', args=[found.pk])}#classes")
    return show(request, found, status=422, class_form=form)


@signed_in
@require_POST
def archive(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "archive", project)
    done = _("{name} is archived. Nothing was deleted.").format(name=found.name)
    attempt(request, lambda: archive_project(project=found, by=request.user), done=done)
    return redirect("project", found.pk)


@signed_in
@require_POST
def restore(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "archive", project)
    done = _("{name} is in use again.").format(name=found.name)
    attempt(request, lambda: restore_project(project=found, by=request.user), done=done)
    return redirect("project", found.pk)
