"""The page Your account: mail, language, password, sessions, and the tokens of one's programs."""

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labeling.accounts.confirming import NotConfirmed, confirm, signed_in_recently
from labeling.accounts.forms import AccountForm, PasswordForm, TokenForm
from labeling.accounts.mails import ask_for_address
from labeling.accounts.second_factors import has_factor
from labeling.accounts.services import change_account
from labeling.accounts.sessions import end_sessions, open_sessions
from labeling.accounts.tokens import create_token, revoke_token
from labeling.errors import LabelingError, sentence
from labeling.site.requests import Request, signed_in


def show(request: Request, *, status: int = 200, **changed: object) -> HttpResponse:
    """The page, with forms as somebody filled them in where they are among `changed`."""
    user = request.user
    now = {"email": user.email, "mails_round_ends": user.mails_round_ends, "language": user.language or get_language()}
    context = {
        "form": AccountForm(user, initial=now),
        "password_form": PasswordForm(user),
        "sessions": open_sessions(user, request.session.session_key or ""),
        "idle_minutes": settings.SESSION_IDLE_MINUTES,
        "has_factor": has_factor(user),
        "identity_provider": settings.OIDC,
        "linked": SocialAccount.objects.filter(user=user) if settings.OIDC else [],
        "signed_in_recently": signed_in_recently(request),
        "token_form": TokenForm(),
        "tokens": user.personal_tokens.filter(revoked_at=None),
        "mail_is_configured": settings.MAIL_IS_CONFIGURED,
    }
    return render(request, "site/account.html", {**context, **changed}, status=status)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: Request) -> HttpResponse:
    """What a person decides about their own account."""
    if request.method != "POST":
        return show(request)
    form = AccountForm(request.user, request.POST)
    if not form.is_valid():
        return show(request, status=422, form=form)
    changed = form.cleaned_data
    password = changed.pop("password", "")
    if changed["email"].strip() != request.user.email:
        try:
            confirm(request, password)
        except NotConfirmed as declined:
            form.add_error("password" if "password" in form.fields else None, str(declined))
            return show(request, status=declined.status, form=form)
    message = _("Saved.")
    new_address = changed["email"].strip()
    if settings.MAIL_IS_CONFIGURED and new_address not in ("", request.user.email):
        changed["email"] = request.user.email
        ask_for_address(request.user, new_address, site=settings.SITE_ORIGIN)
        message = _("Saved. A link was sent to {address}: the address changes once you open it.").format(
            address=new_address
        )
    change_account(user=request.user, **changed)
    messages.success(request, message)
    return redirect("account")


@signed_in
@require_POST
def password(request: Request) -> HttpResponse:
    """Another password. Every other session and every token of the person ends with the old one."""
    if not request.user.has_usable_password():
        messages.error(request, _("You have no password here. Ask an administrator for a link that sets one."))
        return redirect("account")
    form = PasswordForm(request.user, request.POST)
    try:
        confirm(request, request.POST.get("old_password", ""))
    except NotConfirmed as declined:
        form.errors["old_password"] = form.error_class([str(declined)])
        return show(request, status=declined.status, password_form=form)
    if not form.is_valid():
        return show(request, status=422, password_form=form)
    update_session_auth_hash(request, form.save())
    messages.success(request, _("Your password is changed. Your other sessions and your tokens have ended."))
    return redirect("account")


@signed_in
@require_POST
def sessions(request: Request) -> HttpResponse:
    """End one session (`number`), or all but this one."""
    own = request.session.session_key or ""
    ended = end_sessions(user=request.user, own_key=own, number=request.POST.get("number", ""))
    words = ngettext("{n} session has ended.", "{n} sessions have ended.", ended)
    messages.success(request, words.format(n=ended))
    return redirect("account")


@signed_in
@require_POST
def tokens(request: Request) -> HttpResponse:
    """A new token. Its secret stands in the answer to this POST and nowhere else."""
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            token = create_token(user=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(error.field or None, sentence(error))
        else:
            return show(request, new_token=token)
    return show(request, status=422, token_form=form)


@signed_in
@require_POST
def revoke(request: Request, personal_token: int) -> HttpResponse:
    """End a token; somebody else's is not there."""
    chosen = get_object_or_404(request.user.personal_tokens, pk=personal_token)
    revoke_token(token=chosen)
    messages.success(request, _("The token is revoked. Programs that use it are declined from now on."))
    return redirect("account")
