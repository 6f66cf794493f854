"""The page Notifications: what happened that concerns the person, and what they want to hear of."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labeling.notifications import services
from labeling.notifications.models import Kind, Notification
from labeling.notifications.services import Choice
from labeling.site.requests import Request, signed_in

MOST = 100


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def notifications(request: Request) -> HttpResponse:
    """POST keeps what the person wants to hear of."""
    if request.method == "POST":
        app, mail = request.POST.getlist("in_app"), request.POST.getlist("by_mail")
        chosen = {kind: Choice(kind in app, kind in mail) for kind in Kind}
        services.choose(person=request.user, choices=chosen)
        messages.success(request, _("Saved."))
        return redirect("notifications")
    rows = Notification.objects.visible_to(request.user).select_related("actor", "image", "project")[:MOST]
    context = {
        "rows": [(row, services.words_of(row)) for row in rows],
        "choices": [(kind, kind.label, choice) for kind, choice in services.own_choices(request.user).items()],
        "has_mail": bool(request.user.email),
    }
    return render(request, "site/notifications.html", context)


@signed_in
@require_POST
def notifications_seen(request: Request) -> HttpResponse:
    services.see_all(person=request.user)
    return redirect("notifications")
