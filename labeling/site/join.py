"""The page of an invitation link: whoever is signed in joins, anybody else makes an account or signs in."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from labeling.accounts import throttle
from labeling.accounts.entering import enter
from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.throttle import wait_sentence
from labeling.errors import LabelingError, sentence
from labeling.projects.invitations import InvitationVoid, invitation_of, join, join_as_new
from labeling.projects.models import Invitation
from labeling.site.forms.team import ROLE_WORDS, JoinForm

KEPT = "invitation_link"  # in the session
OPENED = "opened"  # stands for the token in the address, once the token is kept
FIELDS = {"username": "username", "full_name": "full_name", "password": "new_password1"}


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_join(request: HttpRequest, token: str) -> HttpResponse:
    """The token goes from the address into the session at once, so that it stands in no history and no referrer."""
    kept = request.session.get(KEPT, "") if token == OPENED else token
    try:
        found = invitation_of(kept)
    except InvitationVoid as error:
        return _void(request, error)
    if token != OPENED:
        request.session[KEPT] = token
        return redirect("invitation-join", OPENED)
    if isinstance(request.user, User):
        return _join_signed_in(request, request.user, found, kept)
    return _join_as_new(request, found, kept)


def _void(request: HttpRequest, error: InvitationVoid) -> HttpResponse:
    """Why the link does not work; whoever guesses links is slowed down."""
    try:
        throttle.note_failure(request=request, door=SignInAttempt.Door.INVITATION)
    except throttle.TooManyAttempts as declined:
        answer = render(request, "site/join.html", {"reason": wait_sentence(declined.seconds)}, status=429)
        answer["Retry-After"] = str(declined.seconds)
        return answer
    return render(request, "site/join.html", {"reason": sentence(error)}, status=error.status)


def _join_signed_in(request: HttpRequest, user: User, found: Invitation, token: str) -> HttpResponse:
    if request.method == "POST":
        try:
            membership = join(token=token, user=user)
        except LabelingError as error:
            messages.error(request, sentence(error))
            return redirect("home")
        del request.session[KEPT]
        messages.success(request, _("Welcome to {name}.").format(name=membership.project.name))
        return redirect("project", membership.project_id)
    return render(request, "site/join.html", _context(found))


def _join_as_new(request: HttpRequest, found: Invitation, token: str) -> HttpResponse:
    form = JoinForm(User(), request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            user = join_as_new(
                token=token,
                username=data["username"],
                full_name=data["full_name"],
                password=data["new_password1"],
            )
        except LabelingError as error:
            form.add_error(FIELDS.get(error.field), sentence(error))
        else:
            request.session.pop(KEPT, None)
            messages.success(request, _("Welcome. Your password is set and you are signed in."))
            return enter(request, user, then=reverse("project", args=[found.project_id]))
    context = _context(found) | {"form": form, "sign_in": _sign_in_address()}
    return render(request, "site/join.html", context, status=422 if form.errors else 200)


def _context(found: Invitation) -> dict[str, object]:
    return {"invitation": found, "role_words": ROLE_WORDS[found.role]}  # type: ignore[index]


def _sign_in_address() -> str:
    return f"{reverse('sign-in')}?next={reverse('invitation-join', args=[OPENED])}"
