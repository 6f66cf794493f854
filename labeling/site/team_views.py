"""The page Team of a project: its members, its workflow, its items and who has them, late work, invitations."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling.accounts.models import User
from labeling.assignments import declaring, late_work, reviewing, services
from labeling.assignments.declaring import WORKFLOW_FIELDS
from labeling.assignments.models import Reading, Workflow, WorkItem
from labeling.assignments.my_work import work_in
from labeling.assignments.states import OPEN_STATES, ItemState, ReadingState
from labeling.assignments.viewing import Viewer
from labeling.errors import Invalid, LabelingError, sentence
from labeling.numbers import whole_number
from labeling.projects.access import sees_everybody
from labeling.projects.invitations import invite, revoke
from labeling.projects.models import MAY, Project, Role
from labeling.projects.services import add_member, change_role, describe_member, invite_again, remove_member
from labeling.reviews.models import Comment
from labeling.site import members
from labeling.site.forms.projects import MemberForm
from labeling.site.forms.team import ROLE_WORDS, InviteForm, WorkflowForm
from labeling.site.members import keep_invitation, roles_given_by
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in

PER_PAGE = 50
MOST_THREADS = 50


@signed_in
@require_safe
def team(request: Request, project: int) -> HttpResponse:
    return show(request, reach_project(request, "see", project))


def show(request: Request, found: Project, *, status: int = 200, **forms: Any) -> HttpResponse:
    """The whole page; `forms` are the ones that came back with errors."""
    user = request.user
    role = found.role_of(user)
    workflow = Workflow.objects.filter(project=found).first()
    may = acts_of(found, role)
    context = {
        "project": found,
        "may": may,
        "workflow": workflow,
        "workflow_form": WorkflowForm(initial=_values(workflow or Workflow())),
        "sees_everybody": sees_everybody(found, user),
        "threads": _open_threads(found, user),
        **(_items(request, found, workflow) if workflow else {}),
        **members.panel(request, found),
        **(_invitations(found, role) if "oversee" in may else {}),
        **forms,
    }
    return render(request, "site/team.html", context, status=status)


def _values(workflow: Workflow) -> dict[str, object]:
    return {name: getattr(workflow, name) for name in WORKFLOW_FIELDS}


def _items(request: Request, found: Project, workflow: Workflow) -> dict[str, object]:
    """The items of one page, the number in each state, and what each person has."""
    user = request.user
    items = WorkItem.objects.present().filter(project=found).select_related("image", "reviewer")
    state = request.GET.get("state", "")
    if state in ItemState.values:
        items = items.filter(state=state)
    counts = dict(found.items.present().order_by().values_list("state").annotate(n=Count("pk")))
    everybody, viewer = sees_everybody(found, user), Viewer.of(found, user)
    page = Paginator(items.order_by("pk").prefetch_related("readings__reader"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    for item in page:
        only = viewer.only(item)
        item.shown = [  # type: ignore[attr-defined]
            r for r in item.readings.all() if only is None or r.reader_id == user.pk
        ]
        is_apart = item.is_blind and item.state in OPEN_STATES
        item.may_unblind = is_apart and only is None and item.state != ItemState.TO_DO  # type: ignore[attr-defined]
    role = found.role_of(user) or ""
    return {
        "work": work_in(found, user, role) if not found.archived_at else None,
        "states": [(value, label, counts.get(value, 0)) for value, label in ItemState.choices],
        "state": state,
        "items": page,
        "all_items": sum(counts.values()),
        "done": counts.get(ItemState.DONE, 0),
        "people": people_of(found) if everybody else [],
        "annotators": list(found.memberships.filter(role__in=MAY["annotate"]).select_related("user")),
        "late": late_work.late_work_of(found, user) if role in MAY["oversee"] else [],
    }


def people_of(project: Project) -> list[Any]:
    """The members with what they have, most finished first."""

    def number(*states: str) -> Count:
        mine = Q(user__readings__item__project=project, user__readings__state__in=states)
        return Count("user__readings", filter=mine)

    rows = project.memberships.select_related("user").annotate(
        finished=number(ReadingState.FINISHED),
        open=number(ReadingState.OPEN),
        assigned=number(ReadingState.ASSIGNED),
        sent_back=number(ReadingState.SENT_BACK),
        skipped=number(ReadingState.SKIPPED),
    )
    return [row for row in rows.order_by("-finished", "pk") if row.role in MAY["annotate"]]


def _open_threads(found: Project, user: User) -> list[Comment]:
    threads = Comment.objects.visible_to(user).filter(image__project=found, root=None, resolved_at=None)
    return list(threads.select_related("author", "image").order_by("-pk")[:MOST_THREADS])


def _invitations(found: Project, role: str | None) -> dict[str, object]:
    roles = [r for r in Role.values if r != Role.OWNER or role == Role.OWNER]
    return {
        "invite_form": InviteForm(roles=roles),
        "role_words": [(value, label, ROLE_WORDS[Role(value)]) for value, label in Role.choices if value in roles],
        "invitations": list(found.invitations.select_related("made_by", "used_by")[:100]),
    }


def back(found: Project, part: str) -> HttpResponse:
    return redirect(f"{reverse('project-team', args=[found.pk])}#{part}")


@signed_in
@require_POST
def workflow(request: Request, project: int) -> HttpResponse:
    """Declare or change the workflow; with `end` end it."""
    found = reach_project(request, "manage", project)
    if "end" in request.POST:
        done = _("{name} is a simple project again.").format(name=found.name)
        attempt(request, lambda: declaring.end_workflow(project=found), done=done)
        return back(found, "workflow")
    form = WorkflowForm(request.POST)
    if form.is_valid():
        try:
            declaring.declare_workflow(project=found, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            messages.success(request, _("Saved."))
            return back(found, "workflow")
    return show(request, found, status=422, workflow_form=form)


def _keys(request: Request, name: str) -> list[int]:
    return [key for key in map(whole_number, request.POST.getlist(name)) if key is not None]


def _day(text: str) -> date | None:
    """The day that a field names; None for an empty one. Raises Invalid."""
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:  # a day that no month has
        found = None
    if found is None:
        raise Invalid(_("write the day as 2030-01-31"), field="due_on")
    return found


@signed_in
@require_POST
def assign(request: Request, project: int) -> HttpResponse:
    """The ticked items, or with `all` every item to do, to the ticked people, evenly."""
    found = reach_project(request, "manage", project)
    items = _keys(request, "items")
    if "all" in request.POST:
        waiting = WorkItem.objects.present().filter(project=found, free__gt=0).order_by("-priority", "pk")
        items = list(waiting.values_list("pk", flat=True)[: services.MOST_ASSIGNED])
    try:
        due_on = _day(request.POST.get("due_on", ""))
    except Invalid as error:
        messages.error(request, sentence(error))
        return back(found, "items")
    people = User.objects.filter(memberships__project=found, pk__in=_keys(request, "readers")).order_by("pk")

    def act() -> int:
        return services.assign_items(project=found, items=items, readers=list(people), by=request.user, due_on=due_on)

    given = attempt(request, act)
    if given is not None:
        words = ngettext("{n} image was assigned.", "{n} images were assigned.", given).format(n=given)
        messages.success(request, words)
    return back(found, "items")


@signed_in
@require_POST
def item(request: Request, project: int, work_item: int) -> HttpResponse:
    """With `reader` a reading goes back to the queue, with `unblind` a lead looks at blinded readings, with `comment` a
    done item is opened again."""
    found = reach_project(request, "manage", project)
    chosen = get_object_or_404(found.items, pk=work_item)
    reader = whole_number(request.POST.get("reader", ""))
    if reader is not None:
        reading = get_object_or_404(Reading.objects.select_related("reader"), item=chosen, reader=reader)
        done = _("The image is back in the queue.")
        attempt(
            request,
            lambda: services.release_item(item_id=chosen.pk, reader=reading.reader, by=request.user),
            done=done,
        )
    elif "unblind" in request.POST:
        done = _("You see the readings of this image now. It is recorded.")
        attempt(request, lambda: reviewing.unblind_item(item_id=chosen.pk, by=request.user), done=done)
    else:
        comment = request.POST.get("comment", "")
        done = _("The image is open again; its readers find it under My work.")
        attempt(request, lambda: reviewing.reopen_item(item_id=chosen.pk, by=request.user, comment=comment), done=done)
    return back(found, "items")


@signed_in
@require_POST
def late(request: Request, project: int, work_item: int) -> HttpResponse:
    """What `author` sent too late for an item: `apply`, or else discard."""
    found = reach_project(request, "manage", project)
    chosen = get_object_or_404(found.items, pk=work_item)
    key = whole_number(request.POST.get("author", ""))

    def act() -> str:
        if key is None:
            raise Invalid(_("choose whose work is meant"), field="author")
        author = late_work.author_of(chosen, key, request.user)
        if "apply" not in request.POST:
            late_work.discard_late(item_id=chosen.pk, author=author, by=request.user)
            return _("Left unapplied. It stays in the database.")
        counts = late_work.apply_late(item_id=chosen.pk, author=author, by=request.user)
        applied = counts.get("accepted", 0)
        left = sum(counts.values()) - applied
        return _("{n} operations were applied, {left} no longer fit.").format(n=applied, left=left)

    words = attempt(request, act)
    if words:
        messages.success(request, words)
    return back(found, "late")


@signed_in
@require_POST
def invite_people(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "manage", project)
    role = found.role_of(request.user)
    roles = [r for r in Role.values if r != Role.OWNER or role == Role.OWNER]
    form = InviteForm(request.POST, roles=roles)
    if form.is_valid():
        try:
            made = invite(project=found, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            links = [(one.invitation.note, one.token) for one in made]
            return show(request, found, new_links=_shown(request, links))
    return show(request, found, status=422, invite_form=form)


def _shown(request: Request, links: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Links as they are shown, once: in the answer to the POST that made them. Nothing keeps them."""
    return [
        {"note": note, "url": request.build_absolute_uri(reverse("invitation-join", args=[token]))}
        for note, token in links
    ]


@signed_in
@require_POST
def invitation(request: Request, project: int, invitation: int) -> HttpResponse:
    """Revoke an invitation."""
    found = reach_project(request, "manage", project)
    chosen = get_object_or_404(found.invitations, pk=invitation)
    attempt(request, lambda: revoke(invitation=chosen), done=_("The link is void now."))
    return back(found, "invitations")


@signed_in
@require_POST
def add_project_member(request: Request, project: int) -> HttpResponse:
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
            return back(found, "members")
    return show(request, found, status=422, member_form=form)


@signed_in
@require_POST
def change_member(request: Request, project: int, membership: int) -> HttpResponse:
    """Another role for a member; with `remove` the end of their part, with `invite` a new one-time link."""
    found = reach_project(request, "manage", project)
    member = get_object_or_404(found.memberships.select_related("user"), pk=membership)
    name = member.shown_name
    if "describe" in request.POST:
        centre = whole_number(request.POST.get("centre", ""))
        seniority = request.POST.get("seniority", "")
        skills = request.POST.get("skills", "").split(",")
        attempt(
            request,
            lambda: describe_member(membership=member, seniority=seniority, centre=centre, skills=skills),
            done=_("Saved."),
        )
    elif "remove" in request.POST:
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
    return back(found, "members")
