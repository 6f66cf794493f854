"""The page Team of a project: its workflow, its items and who has them, late work, invitations."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling.accounts.models import User
from labeling.assignments import declaring, late_work, reviewing, services
from labeling.assignments.models import Reading, Workflow, WorkItem
from labeling.assignments.my_work import work_in
from labeling.assignments.states import ItemState, ReadingState
from labeling.errors import Invalid, LabelingError, sentence
from labeling.numbers import whole_number
from labeling.projects.access import sees_everybody
from labeling.projects.invitations import invite, revoke
from labeling.projects.models import MAY, Project, Role
from labeling.reviews.models import Comment
from labeling.site.forms.team import ROLE_WORDS, InviteForm, WorkflowForm
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in

PER_PAGE = 50
MOST_THREADS = 50
WORKFLOW_FIELDS = ("readings", "more_percent", "has_review", "reviews_own_work", "lease_hours")


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
        **(_invitations(found, role) if "oversee" in may else {}),
        **forms,
    }
    return render(request, "site/team.html", context, status=status)


def _values(workflow: Workflow) -> dict[str, object]:
    return {name: getattr(workflow, name) for name in WORKFLOW_FIELDS}


def _items(request: Request, found: Project, workflow: Workflow) -> dict[str, object]:
    """The items of one page, the number in each state, and what each person has."""
    user = request.user
    items = WorkItem.objects.filter(project=found).select_related("image", "reviewer")
    state = request.GET.get("state", "")
    if state in ItemState.values:
        items = items.filter(state=state)
    counts = dict(found.items.order_by().values_list("state").annotate(n=Count("pk")))
    everybody = sees_everybody(found, user)
    page = Paginator(items.order_by("pk").prefetch_related("readings__reader"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    for item in page:
        item.shown = [  # type: ignore[attr-defined]
            r for r in item.readings.all() if everybody or r.reader_id == user.pk
        ]
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
        "late": late_work.late_work_of(found) if role in MAY["oversee"] else [],
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


@signed_in
@require_POST
def assign(request: Request, project: int) -> HttpResponse:
    """The ticked items, or with `all` every item to do, to the ticked people, evenly."""
    found = reach_project(request, "manage", project)
    items = _keys(request, "items")
    if "all" in request.POST:
        waiting = WorkItem.objects.filter(project=found, free__gt=0).order_by("-priority", "pk")
        items = list(waiting.values_list("pk", flat=True)[: services.MOST_ASSIGNED])
    people = User.objects.filter(memberships__project=found, pk__in=_keys(request, "readers")).order_by("pk")

    def act() -> int:
        return services.assign_items(project=found, items=items, readers=list(people), by=request.user)

    given = attempt(request, act)
    if given is not None:
        words = ngettext("{n} image was assigned.", "{n} images were assigned.", given).format(n=given)
        messages.success(request, words)
    return back(found, "items")


@signed_in
@require_POST
def item(request: Request, project: int, work_item: int) -> HttpResponse:
    """With `reader` a reading goes back to the queue; with `comment` a done item is opened again."""
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
        author = late_work.author_of(chosen, key)
        if "apply" not in request.POST:
            late_work.discard_late(item_id=chosen.pk, author=author, by=request.user)
            return _("Left unapplied. It stays in the database.")
        counts = late_work.apply_late(item_id=chosen.pk, author=author, by=request.user)
        applied = counts.get("accepted", 0)
        left = sum(counts.values()) - applied
        return _("{n} operations were applied, {left} no longer fit. The image is open again.").format(
            n=applied, left=left
        )

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
