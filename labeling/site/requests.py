"""What every page does before its own work: know the person, reach the object, turn a "no" into a toast."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from labeling.accounts.models import User
from labeling.errors import Archived, LabelingError, sentence, server_fault
from labeling.projects import access
from labeling.projects.access import reach
from labeling.projects.models import CHANGES, MAY, Project
from labeling.rounds.models import Round


class Request(HttpRequest):
    """A request as pages see it: behind `signed_in` there is a user, and htmx says whether it asks for a part."""

    user: User
    htmx: HtmxDetails


def signed_in(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Anybody else is sent to sign in and comes back; a polling page is moved whole, not given a form in its middle.

    Whoever changes an archived project from a page that is older than that sees the project's page, which says so.
    """

    @wraps(view)
    def inner(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            try:
                return view(request, *args, **kwargs)
            except Archived as error:
                messages.error(request, sentence(error))
                there = redirect("project", error.project)
                return HttpResponseClientRedirect(there.url) if request.htmx else there
        if request.htmx:
            return HttpResponseClientRedirect(redirect_to_login(request.htmx.current_url_abs_path or "/").url)
        return redirect_to_login(request.get_full_path())

    return inner


def reach_project(request: Request, act: str, project: int) -> Project:
    # The sheet of a study's item has no page of its own: its reader sees the field and nothing around it.
    return access.reach_project(request, act, project, sheets=False)


def reach_round(request: Request, act: str, round_: int) -> Round:
    rounds = Round.objects.filter(project__in=Project.objects.visible_to(request.user))
    return reach(rounds.select_related("project", "snapshot", "started_by"), request.user, act, pk=round_)


def reach_round_of(request: Request, act: str, project: int, number: int) -> Round:
    """The round of this number within the project."""
    rounds = Round.objects.filter(project__in=Project.objects.visible_to(request.user))
    rounds = rounds.select_related("project", "snapshot", "started_by")
    return reach(rounds, request.user, act, project_id=project, number=number)


def acts_of(project: Project, role: str | None) -> set[str]:
    """What a role may do in a project now, for templates: `{% if "manage" in may %}`."""
    acts = {act for act, roles in MAY.items() if role in roles}
    return acts - CHANGES if project.archived_at else acts


def attempt(
    request: Request, act: Callable[[], Any], *, done: str = "", besides: type[LabelingError] | tuple[()] = ()
) -> Any:
    """Run a service; what it declines becomes a toast, and so does `done` when it went well. -> its result, or None.

    besides  an error that the caller answers otherwise: it is raised
    """
    try:
        result = act()
    except besides:
        raise
    except LabelingError as error:
        messages.error(request, sentence(error))
        return None
    except Exception as error:
        fault = server_fault(error)
        if fault is None:
            raise
        messages.error(request, str(fault.detail))
        return None
    if done:
        messages.success(request, done)
    return result
