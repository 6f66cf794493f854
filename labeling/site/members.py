"""The members of a project, as the page Team shows them, and the link of somebody who was just added."""

from django.db.models import Case, IntegerField, Value, When

from labeling.projects.access import members_seen_by
from labeling.projects.models import Project, Role, Seniority
from labeling.site.forms.projects import MemberForm
from labeling.site.requests import Request

ROLE_PLACES = [When(role=role, then=Value(place)) for place, role in enumerate(Role.values)]
ROLE_ORDER = Case(*ROLE_PLACES, output_field=IntegerField())


def roles_given_by(role: str | None) -> list[str]:
    """The roles that somebody may give to others: only owners make owners."""
    everything = list(Role.values)
    if role != Role.OWNER:
        everything.remove(Role.OWNER)
    return everything


def panel(request: Request, found: Project) -> dict[str, object]:
    """What the part of the page needs."""
    roles = roles_given_by(found.role_of(request.user))
    return {
        "members": list(members_seen_by(request.user, found).order_by(ROLE_ORDER, "user__username")),
        "roles": [(role, label) for role, label in Role.choices if role in roles],
        "member_form": MemberForm(roles=roles),
        "seniorities": Seniority.choices,
        "centres": list(found.centres.order_by("name")),
        "invitation": invitation_of(request, found),
    }


def keep_invitation(request: Request, found: Project, username: str, path: str) -> None:
    """For the next page alone: the link is a password, so it is neither stored nor written into an address."""
    request.session["invitation"] = {"project": found.pk, "username": username, "path": path}


def invitation_of(request: Request, found: Project) -> dict[str, str] | None:
    """The invitation just made, taken out of the session: whoever reloads does not see it again."""
    invitation = request.session.get("invitation")
    if not invitation or invitation["project"] != found.pk:
        return None
    del request.session["invitation"]
    url = request.build_absolute_uri(invitation["path"])
    return {"username": invitation["username"], "url": url}
