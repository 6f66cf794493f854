"""Mail about one's own account: a link for a new password, and the confirmation of an address.

A link is a secret, so it goes through neither the broker nor a worker: the web process sends the mail itself, after the
answer and in a thread of its own. So the answer takes the same time whether there is an account or not.
"""

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.db import connection
from django.db.models import Q
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.accounts.services import change_address, reset_link
from labeling.errors import Invalid

logger = logging.getLogger(__name__)
LASTS = 3 * 24 * 3600  # seconds that the link of an address works
MOST_ACCOUNTS = 5  # of one address that get a mail each
SALT = "labeling.accounts.mails.address"


def send_reset_links(typed: str, *, site: str) -> None:
    """Mail a link for a new password to every open account with this user name or address. Nothing is answered.

    Whoever signs in by an identity provider alone is told so: they have no password that could be forgotten.
    """
    in_background(lambda: _send_reset_links(typed.strip(), site))


def _send_reset_links(typed: str, site: str) -> None:
    if not typed:
        return
    meant = User.objects.filter(Q(username=typed) | Q(email__iexact=typed), is_active=True).exclude(email="")
    for user in meant.order_by("pk")[:MOST_ACCOUNTS]:
        if not user.has_usable_password():
            _send_to_provider(user, site)
            continue
        with translation.override(user.language or None):
            text = _(
                "Somebody, probably you, asked for a new password of the account {username}.\n\n"
                "Open this link within three days and choose one:\n{link}\n\n"
                "If it was not you, do nothing: your password stays as it is."
            ).format(username=user.get_username(), link=f"{site}{reset_link(user=user)}")
            _send(user.email, _("New password for Boxwise"), text)


def _send_to_provider(user: User, site: str) -> None:
    if settings.OIDC is None:
        return
    with translation.override(user.language or None):
        text = _(
            "Somebody, probably you, asked for a new password of the account {username}.\n\n"
            "It has no password here: press “Sign in by {provider}” on this page:\n{link}"
        ).format(username=user.get_username(), provider=settings.OIDC.name, link=f"{site}{reverse('sign-in')}")
        _send(user.email, _("How you sign in to Boxwise"), text)


def ask_for_address(user: User, address: str, *, site: str) -> None:
    """Mail a link to the new address; the account has it once the link is opened. The old address hears of it."""
    link = reverse("confirm-address", args=[address_token(user, address)])
    with translation.override(user.language or None):
        text = _(
            "Open this link while you are signed in as {username}; from then on mail of Boxwise reaches you here:\n"
            "{link}\n\nIf you know nothing of it, do nothing."
        ).format(username=user.get_username(), link=f"{site}{link}")
        subject = _("Confirm this address")
        notice = _(
            "The address of your account {username} is about to change to another one. If that was not you, change "
            "your password and tell whoever runs this server."
        ).format(username=user.get_username())
        notice_subject = _("The address of your account changes")
    old = user.email
    in_background(lambda: _send(address, subject, text))
    if old:
        in_background(lambda: _send(old, notice_subject, notice))


def address_token(user: User, address: str) -> str:
    """Void after LASTS, and once the account has another address than now."""
    return signing.dumps({"user": user.pk, "from": user.email, "to": address}, salt=SALT)


def confirm_address(token: str, *, user: User) -> str:
    """The address of a link is that of the account from now on. -> the address. Raises Invalid for a link that is
    void, or somebody else's."""
    try:
        stated = signing.loads(token, salt=SALT, max_age=LASTS)
    except signing.BadSignature:
        stated = {}
    if (stated.get("user"), stated.get("from")) != (user.pk, user.email):
        raise Invalid(_("this link is void: it is older than three days, was used, or belongs to another account"))
    address: str = stated["to"]
    change_address(user=user, email=address)
    return address


def in_background(work: Callable[[], None]) -> None:
    """Do it in a thread that no answer waits for."""
    threading.Thread(target=_logged, args=[work], daemon=True, name="account mail").start()


def _logged(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:  # a thread has nobody else to tell
        logger.exception("a mail about an account was not sent")
    finally:
        connection.close()


def _send(address: str, subject: str, text: str) -> None:
    EmailMessage(subject, text, to=[address]).send()
