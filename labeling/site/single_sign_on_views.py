"""Signing in by an identity provider. Without one (settings.OIDC) there are no such pages."""

import logging
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling.accounts.second_factors import may_unlink, recently_confirmed
from labeling.site.requests import Request, signed_in

logger = logging.getLogger("labeling.sign_in")


@require_POST
def begin(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """To the provider: to sign in, or with `process=connect` in the address to link one's account."""
    if settings.OIDC is None or provider_id != "oidc":
        raise Http404
    from labeling.accounts.single_sign_on import Begin

    answer = _asked(Begin, request, provider_id)
    if answer.status_code != 302 or answer["Location"].startswith("/"):
        return answer
    # A form may only lead to this site (form-action in the content security policy), and a redirect of its answer
    # counts as such. A page that moves on does not.
    page = render(request, "site/to_provider.html", {"there": answer["Location"], "provider": settings.OIDC})
    page["Refresh"] = f"0; url={answer['Location']}"
    return page


@require_GET
def callback(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Back from the provider."""
    if settings.OIDC is None or provider_id != "oidc":
        raise Http404
    from labeling.accounts.single_sign_on import Callback

    return _asked(Callback, request, provider_id)


def _asked(view: Any, request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """The answer of a view of allauth; a provider that answers nothing sensible is a sentence and no fault of ours."""
    from labeling.accounts.single_sign_on import NO_PROVIDER, Answers

    try:
        answer: HttpResponseBase = view.adapter_view(Answers(request, provider_id))(request)
    except NO_PROVIDER:
        logger.exception("identity provider: it does not answer as OpenID Connect asks")
        words = _("{name} does not answer now. Try again later; if it stays, tell whoever runs this server.")
        messages.error(request, words.format(name=settings.OIDC.name if settings.OIDC else ""))
        return redirect("sign-in")
    return answer


@signed_in
@require_POST
def unlink(request: Request, linked: int) -> HttpResponse:
    """End the link with an account of the provider; somebody else's is not there."""
    from allauth.socialaccount.models import SocialAccount

    chosen = get_object_or_404(SocialAccount, user=request.user, pk=linked)
    if not recently_confirmed(request):
        return redirect(f"{reverse('account_reauthenticate')}?next={reverse('account')}")
    if not may_unlink(request.user):
        messages.error(request, _("You have no password yet, so this link is your only way in. Ask for a link first."))
        return redirect("account")
    chosen.delete()
    messages.success(request, _("The link is ended."))
    return redirect("account")
