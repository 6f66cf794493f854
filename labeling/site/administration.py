"""The page of administrators: people, projects, who tried to come in, versions, and whether everything is up."""

from collections.abc import Callable
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.db.models import Count, Exists, OuterRef
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.accounts.api import server_version
from labeling.accounts.models import SignInAttempt, SitePolicy, User
from labeling.accounts.second_factors import FACTORS, remove_factors, require_second_factor
from labeling.accounts.services import (
    change_policy,
    close_account,
    grant_projects,
    open_account,
    reset_link,
    site_policy,
)
from labeling.accounts.throttle import KEPT_FOR
from labeling.jobs.models import Job
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.server.health import queues, states
from labeling.site.requests import Request, attempt, signed_in

FAILURES = 50  # the newest, shown
FACTORS_OF_PERSON = Authenticator.objects.filter(user=OuterRef("pk"), type__in=FACTORS)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def administration(request: Request) -> HttpResponse:
    """For administrators alone; to everybody else there is no such page. POST: the policy, or one person's right."""
    if not request.user.is_staff:
        raise Http404
    if request.method != "POST":
        return render(request, "site/administration.html", context())
    post = request.POST
    if "person" in post:
        person = get_object_or_404(User, pk=whole_number(post["person"]))
        act = post.get("act", "grant")
        if act == "link":
            return _reset_link(request, person)
        attempt(request, PERSON_ACTS.get(act, _grant)(request, person), done=_("Saved."))
    else:
        attempt(request, lambda: _change_policy(request), done=_("Saved."))
    return redirect("administration")


def _change_policy(request: Request) -> None:
    post = request.POST
    before = site_policy().second_factor
    policy = change_policy(
        projects=post.get("projects", ""), people=post.get("people", ""), second_factor=post.get("second_factor", "")
    )
    if policy.second_factor != before:
        require_second_factor(policy.second_factor, own_key=request.session.session_key or "")


def _reset_link(request: Request, person: User) -> HttpResponse:
    """The link stands in the answer to this POST and nowhere else: who holds it holds the account."""
    path = attempt(request, lambda: reset_link(user=person))
    if path is None:
        return redirect("administration")
    link = {"username": person.get_username(), "url": request.build_absolute_uri(path)}
    return render(request, "site/administration.html", context() | {"reset_link": link})


def _grant(request: Request, person: User) -> Callable[[], None]:
    return lambda: grant_projects(user=person, granted="granted" in request.POST)


def _close(request: Request, person: User) -> Callable[[], None]:
    return lambda: close_account(user=person, by=request.user)


def _open(request: Request, person: User) -> Callable[[], None]:
    return lambda: open_account(user=person)


def _remove_factors(_request: Request, person: User) -> Callable[[], int]:
    return lambda: remove_factors(user=person)


PERSON_ACTS: dict[str, Callable[[Request, User], Callable[[], object]]] = {
    "grant": _grant,
    "close": _close,
    "open": _open,
    "factors": _remove_factors,
}


def context() -> dict[str, object]:
    return {
        "policy": site_policy(),
        "projects": SitePolicy.Projects.choices,
        "people_choices": SitePolicy.People.choices,
        "factor_choices": SitePolicy.SecondFactor.choices,
        "granting": site_policy().projects == SitePolicy.Projects.GRANTED,
        "persons": User.objects.annotate(has_factor=Exists(FACTORS_OF_PERSON)).order_by("-is_active", "username"),
        "projects_of_site": Project.objects.filter(is_sheet=False)
        .annotate(people=Count("memberships", distinct=True), pictures=Count("images", distinct=True))
        .order_by("name")[:200],
        "version": server_version(),
        "failures": SignInAttempt.objects.filter(succeeded=False).order_by("-at")[:FAILURES],
        "kept_days": KEPT_FOR.days,
        "parts": states().items(),
        "queues": queues(),
        "jobs_at_work": _jobs_at_work(),
    }


@dataclass(frozen=True)
class JobsAtWork:
    """How many jobs of a queue are in a state."""

    queue: str
    state: str
    n: int


def _jobs_at_work() -> list[JobsAtWork]:
    active = Job.objects.filter(state__in=Job.ACTIVE).order_by("queue", "state")
    rows = active.values_list("queue", "state").annotate(n=Count("pk"))
    return [JobsAtWork(queue, state, n) for queue, state, n in rows]
