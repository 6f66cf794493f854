"""The ways in and out: sign-in page, sign-out, and the link of an invitation. Each limits attempts (accounts/throttle)
and enters by accounts/entering, which asks for a second factor where the person has one (site/factor_views).

The workspace signs in in place by the same address; it asks for JSON and gets no page.
"""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN, LoginView, LogoutView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from django.utils.http import urlsafe_base64_decode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.accounts import throttle
from labeling.accounts.entering import enter, is_in
from labeling.accounts.forms import InvitationForm, ResetForm, SignInForm
from labeling.accounts.invitations import InvitationTokens, reset_links, sets_password
from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.throttle import wait_sentence
from labeling.numbers import whole_number
from labeling.problems import plain_problem
from labeling.projects.models import Membership
from labeling.site.error_pages import wants_json


class SignIn(LoginView):
    """POST answers a page, or to the workspace 204, 401 (wrong), 409 (a second factor is asked for, which the sign-in
    page takes) or 429 (too many attempts) without one."""

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
        answer = enter(self.request, form.get_user(), then=self.get_success_url())
        if is_in(self.request, form.get_user()):
            throttle.succeed(self.attempt)
        # A password whose second factor is still missing counts as a failure until that is there: whoever knows the
        # password could otherwise try out codes and clear the count with the password again and again.
        if not wants_json(self.request):
            return answer
        if is_in(self.request, form.get_user()):
            return HttpResponse(status=204)
        detail = _("Your account has a second factor. Sign in on the sign-in page in another tab, then come back.")
        return plain_problem(status=409, code="second_factor", detail=detail)

    def get_context_data(self, **kwargs: Any) -> Any:
        return super().get_context_data(**kwargs) | {"identity_provider": settings.OIDC}

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


class LimitedLink(PasswordResetConfirmView):
    """A one-time link that sets a password and signs in. Trying out links is slowed down."""

    success_url = reverse_lazy("home")
    welcome: Any = ""  # a sentence, translated when it is said

    def form_valid(self, form: Any) -> HttpResponse:
        """Keep the password and enter."""
        user = form.save()
        # Not there where the person was signed in here: a session with the former password ends as soon as it is read.
        self.request.session.pop(INTERNAL_RESET_SESSION_TOKEN, None)
        answer = enter(self.request, user, then=str(self.success_url))
        if is_in(self.request, user):
            messages.success(self.request, self.welcome)
        return answer

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


def number_in(uidb64: str) -> int | None:
    """The key that stands in a link; None for anything else."""
    try:
        return whole_number(urlsafe_base64_decode(uidb64).decode())
    except ValueError:
        return None


class ResetPassword(LimitedLink):
    """A link by which an administrator lets somebody choose a new password."""

    template_name = "site/reset_password.html"
    form_class = ResetForm
    token_generator = reset_links
    welcome = gettext_lazy("Your password is set and you are signed in.")

    def get_user(self, uidb64: str) -> User | None:
        key = number_in(uidb64)
        return User.objects.filter(pk=key, is_active=True).first() if key is not None else None


class Invitation(LimitedLink):
    """A link by which an invited person sets a password and is signed in. Used or three days old, it is void.

    The link names a membership. For somebody who has an account already it looks and opens the same, and setting a
    password is refused: whoever invites does not learn who has an account (projects/services.py).
    """

    template_name = "site/invitation.html"
    form_class = InvitationForm
    token_generator = InvitationTokens()
    invited_as = ""
    welcome = gettext_lazy("Welcome. Your password is set and you are signed in.")

    def get_user(self, uidb64: str) -> User | None:
        key = number_in(uidb64)
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
        return super().form_valid(form)
