"""Active time on the project page: in words, per person, and as bars by day."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.accounts.models import User
from labeling.annotations.summaries import FEWEST_PEOPLE, RULES, project_time
from labeling.annotations.time_api import seen_people
from labeling.projects.models import Project
from labeling.site.requests import Request, acts_of, reach_project, signed_in
from labeling.site.time_plots import days_up_to, last_day, rows_of


@signed_in
@require_safe
def time(request: Request, project: int) -> HttpResponse:
    """A part of its own, loaded after the page. Who oversees the project sees every person's days, others their own."""
    found = reach_project(request, "see", project)
    return render(request, "site/parts/time.html", time_context(found, request.user))


def time_context(found: Project, user: User) -> dict[str, object]:
    recorded = project_time(found)
    oversees = "oversee" in acts_of(found, found.role_of(user))
    people = len(recorded.people)
    shown = {one: recorded.people[one] for one in seen_people(recorded, found, user)}
    days = days_up_to(last_day(shown.values()))
    names = {person.pk: person.display_name for person in User.objects.filter(pk__in=shown)}
    rows = rows_of(shown, names, days, own=user.pk)
    return {
        "project": found,
        "idle_after_s": RULES.idle_after_s,
        "own": recorded.active(user),
        "everyone": recorded.active() if people >= FEWEST_PEOPLE else None,
        "people": people,
        "fewest": FEWEST_PEOPLE,
        "oversees": oversees,
        "rows": rows,
        "longest": max((row.longest for row in rows), default=0.0),
        "days": days,
        "left_out": recorded.left_out,
    }
