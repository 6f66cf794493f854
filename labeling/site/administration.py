"""The page of administrators: what people may do on this site, who tried to come in, and whether everything is up."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.accounts.models import SignInAttempt, SitePolicy, User
from labeling.accounts.services import change_policy, grant_projects, site_policy
from labeling.accounts.throttle import KEPT_FOR
from labeling.numbers import whole_number
from labeling.server.health import states
from labeling.site.requests import Request, attempt, signed_in

FAILURES = 50  # the newest, shown


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
        grant_projects(user=person, granted="granted" in post)
        messages.success(request, _("Saved."))
    else:
        projects, people = post.get("projects", ""), post.get("people", "")
        attempt(request, lambda: change_policy(projects=projects, people=people), done=_("Saved."))
    return redirect("administration")


def context() -> dict[str, object]:
    return {
        "policy": site_policy(),
        "projects": SitePolicy.Projects.choices,
        "people_choices": SitePolicy.People.choices,
        "granting": site_policy().projects == SitePolicy.Projects.GRANTED,
        "persons": User.objects.filter(is_active=True).order_by("username"),
        "failures": SignInAttempt.objects.filter(succeeded=False).order_by("-at")[:FAILURES],
        "kept_days": KEPT_FOR.days,
        "parts": states().items(),
    }
