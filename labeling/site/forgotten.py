"""A new password by mail, and the link that confirms an address. The answers tell nothing about accounts."""

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.accounts.mails import confirm_address, send_reset_links
from labeling.accounts.names import lookalike_key
from labeling.site.requests import Request, attempt, signed_in

LONGEST = 254  # characters of a user name or an address


@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Asks for a link. Without a mail server the page says who can give one."""
    if request.method != "POST" or not settings.MAIL_IS_CONFIGURED:
        return render(request, "site/forgotten.html", {"mail_is_configured": settings.MAIL_IS_CONFIGURED})
    typed = request.POST.get("who", "")[:LONGEST]
    declined = ratelimit.consume_or_429(request, action="reset_password", key=lookalike_key(typed))
    if declined:
        return declined
    send_reset_links(typed, site=settings.SITE_ORIGIN)
    return render(request, "site/forgotten.html", {"mail_is_configured": True, "is_sent": True})


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def address(request: Request, token: str) -> HttpResponse:
    """A link that was mailed to a new address. Opening it changes nothing; the button does."""
    if request.method != "POST":
        return render(request, "site/confirm_address.html")
    new = attempt(request, lambda: confirm_address(token, user=request.user))
    if new:
        messages.success(request, _("Mail of this server reaches you at {address} now.").format(address=new))
    return redirect("account")
