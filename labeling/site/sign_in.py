"""The ways in and out: sign-in page, sign-out, and the link of an invitation. Each limits attempts (accounts/throttle).

The workspace signs in in place by the same address; it asks for JSON and gets no page.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN, LoginView, LogoutView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from django.utils.http import urlsafe_base64_decode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.accounts import throttle
from labeling.accounts.forms import InvitationForm, SignInForm
from labeling.accounts.invitations import InvitationTokens, sets_password
from labeling.accounts.models import SignInAttempt, User
from labeling.numbers import whole_number
from labeling.problems import plain_problem
from labeling.projects.models import Membership
from labeling.site.error_pages import wants_json


def wait_sentence(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return ngettext(
        "Too many attempts to sign in. Wait {n} minute, then try again.",
        "Too many attempts to sign in. Wait {n} minutes, then try again.",
        minutes,
    ).format(n=minutes)


class SignIn(LoginView):
    """POST answers a page, or to the workspace 204, 401 (wrong) or 429 (too many attempts) without one."""

    template_name = "site/sign_in.html"
    form_class = SignInForm
    redirect_authenticated_user = True
    attempt: SignInAttempt

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            self.attempt = throttle.begin(
                request=request, door=SignInAttempt.Door.PAGE, name=request.POST.get("username", "")
            )
        except throttle.TooManyAttempts as declined:
            return self.too_many(declined.seconds)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        throttle.succeed(self.attempt)
        if wants_json(self.request):
            login(self.request, form.get_user())
            return HttpResponse(status=204)
        return super().form_valid(form)

    def form_invalid(self, form: Any) -> HttpResponse:
        throttle.fail(self.attempt)
        if wants_json(self.request):
            detail = _("Name and password do not belong together.")
            return plain_problem(status=401, code="wrong_password", detail=detail)
        return super().form_invalid(form)

    def too_many(self, seconds: int) -> HttpResponse:
        """The same for every name, with or without an account, and whether the password is right or not."""
        sentence = wait_sentence(seconds)
        answer: HttpResponse
        if wants_json(self.request):
            answer = plain_problem(status=429, code="too_many_attempts", detail=sentence)
        else:
            form = SignInForm(self.request, initial={"username": self.request.POST.get("username", "")[:150]})
            answer = self.render_to_response(self.get_context_data(form=form, reason_declined=sentence), status=429)
        answer["Retry-After"] = str(seconds)
        return answer


class SignOut(LogoutView):
    """POST only: nobody can sign somebody else out by a link. The browser forgets the images that it kept."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = super().post(request, *args, **kwargs)
        answer["Clear-Site-Data"] = '"cache"'
        return answer


class Invitation(PasswordResetConfirmView):
    """A link by which an invited person sets a password and is signed in. Used or three days old, it is void.

    The link names a membership. For somebody who has an account already it looks and opens the same, and setting a
    password is refused: whoever invites does not learn who has an account (projects/services.py).
    """

    template_name = "site/invitation.html"
    form_class = InvitationForm
    post_reset_login = True
    success_url = reverse_lazy("home")
    token_generator = InvitationTokens()
    invited_as = ""

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = super().dispatch(*args, **kwargs)
        if self.validlink:
            return answer
        if answer.status_code == 302:  # a good link: its token goes into the session, and out of the address
            return answer
        try:
            throttle.note_failure(request=self.request, door=SignInAttempt.Door.INVITATION)
        except throttle.TooManyAttempts as declined:
            context = self.get_context_data(reason_declined=wait_sentence(declined.seconds))
            answer = self.render_to_response(context, status=429)
            answer["Retry-After"] = str(declined.seconds)
        return answer

    def get_user(self, uidb64: str) -> User | None:
        try:
            key = whole_number(urlsafe_base64_decode(uidb64).decode())
        except ValueError:
            return None
        found = Membership.objects.filter(pk=key).select_related("user").first() if key is not None else None
        if found is None or not found.user.is_active:
            return None
        self.invited_as = found.invited_as or found.user.get_username()
        return found.user

    def get_form_kwargs(self) -> dict[str, Any]:  # untyped: as in Django
        """The rules for passwords look at the person's names: those of an account that exists must not show through."""
        given: dict[str, Any] = super().get_form_kwargs()
        if not sets_password(self.user, self._token()):
            given["user"] = User(username=self.invited_as)
        return given

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:  # untyped: as in Django
        return super().get_context_data(**kwargs) | {"invited_as": self.invited_as}

    def _token(self) -> str | None:
        token: str | None = self.request.session.get(INTERNAL_RESET_SESSION_TOKEN)
        return token

    def form_valid(self, form: Any) -> HttpResponse:
        if not sets_password(self.user, self._token()):
            form.add_error(
                None,
                _(
                    "This link sets no password. If you have an account here, sign in with it; otherwise ask whoever "
                    "invited you first for a new link."
                ),
            )
            return self.form_invalid(form)
        messages.success(self.request, _("Welcome. Your password is set and you are signed in."))
        return super().form_valid(form)
