"""Attempts to come in: limited by name and by address, and each failure leaves a row and a line in the log.

The limits are counted in the database, so that they hold for all processes and over a restart. A name that no account
has is counted like any other, before any password is looked at: neither the answer nor its time tells names apart.
"""

import hashlib
import ipaddress
import logging
import unicodedata
from datetime import datetime, timedelta

from django.db.models import Max
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import ngettext

from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.names import lookalike_key
from labeling.audit.models import Act
from labeling.audit.services import record

logger = logging.getLogger("labeling.sign_in")

WINDOW = timedelta(minutes=15)
MOST_BY_NAME = 10  # failures of one name in the window, from anywhere, since it last signed in
MOST_BY_ADDRESS = 60  # failures of one address in the window: many colleagues share the address of a hospital
KEPT_FOR = timedelta(days=90)


class TooManyAttempts(Exception):
    """The limit is reached. `seconds` until the next attempt is heard."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many attempts; the next one is heard in {seconds} s")
        self.seconds = seconds


def wait_sentence(seconds: int) -> str:
    """What people read at a door whose limit is reached."""
    minutes = -(-seconds // 60)
    return ngettext(
        "Too many attempts to sign in. Wait {n} minute, then try again.",
        "Too many attempts to sign in. Wait {n} minutes, then try again.",
        minutes,
    ).format(n=minutes)


def begin(*, request: HttpRequest, door: SignInAttempt.Door, name: str = "") -> SignInAttempt:
    """Note an attempt before anything is checked; it counts as failed until succeed() is called.

    Raises TooManyAttempts. An attempt that is refused by the limit is logged and not counted, so the wait ends.
    """
    now = timezone.now()
    shown, key, address = printable(name), name_key(name), network_of(request)
    wait = max(_wait_of_name(key, now), _wait_of_address(address, now))
    if wait > 0:
        _log("refused by the limit", door, shown, address)
        raise TooManyAttempts(wait)
    attempt = SignInAttempt.objects.create(door=door, name=shown, name_key=key, address=address)
    # Many at once pass the count above together; each now counts those that were written before it.
    if _overtaken(attempt, now):
        _log("refused by the limit", door, shown, address)
        raise TooManyAttempts(int(WINDOW.total_seconds()))
    return attempt


def fail(attempt: SignInAttempt) -> None:
    """Nobody came in: the row says so already, the log and the audit log say it too.

    The audit log is kept for longer, so it names an account and not what was typed, which may be a password.
    """
    _log("failed", attempt.door, attempt.name, attempt.address)
    account = User.objects.filter(username=attempt.name).first() if attempt.name else None
    known = account.get_username() if account else ""
    record(Act.SIGN_IN_FAILED, subject=known, door=str(attempt.door), attempt=attempt.pk)
    now = timezone.now()
    wait = max(_wait_of_name(attempt.name_key, now), _wait_of_address(attempt.address, now))
    if wait > 0:  # this was the last one that is heard for now
        record(Act.SIGN_IN_LIMITED, subject=known, door=str(attempt.door), seconds=wait)


def succeed(attempt: SignInAttempt) -> None:
    """Somebody came in: earlier failures of the name no longer count; those of the address do."""
    attempt.succeeded = True
    attempt.save(update_fields=["succeeded"])


def note_failure(*, request: HttpRequest, door: SignInAttempt.Door) -> None:
    """A bad link or token. Raises TooManyAttempts."""
    fail(begin(request=request, door=door))


def forget_old(now: datetime) -> list[str]:
    """Delete attempts after KEPT_FOR: a typed name may be personal, or a password in the wrong field. -> sentences."""
    deleted, _by_table = SignInAttempt.objects.filter(at__lt=now - KEPT_FOR).delete()
    return [f"{deleted} attempts to sign in are older than {KEPT_FOR.days} days and deleted"] if deleted else []


def printable(name: str) -> str:
    """At most 150 characters, without control characters, which would forge lines of the log."""
    kept = (character for character in name[:600] if unicodedata.category(character)[0] != "C")
    return "".join(kept)[:150]


def name_key(name: str) -> str:
    """The hash of a name as the limit counts it: look-alikes count together. Empty for no name."""
    key = lookalike_key(name[:600])
    return hashlib.sha256(key.encode(errors="replace")).hexdigest() if key else ""


def network_of(request: HttpRequest) -> str:
    """The address of whoever asks; of IPv6 the /64 network, which one machine has for itself. Empty when unknown."""
    try:
        ip = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip), 64), strict=False))
    return str(ip)


def _wait_of_name(key: str, now: datetime) -> int:
    if not key:
        return 0
    last = SignInAttempt.objects.filter(name_key=key, succeeded=True).aggregate(at=Max("at"))["at"]
    since = max(now - WINDOW, last) if last else now - WINDOW
    return _wait({"name_key": key}, since, MOST_BY_NAME, now)


def _wait_of_address(address: str, now: datetime) -> int:
    return _wait({"address": address}, now - WINDOW, MOST_BY_ADDRESS, now) if address else 0


def _wait(of: dict[str, str], since: datetime, most: int, now: datetime) -> int:
    """Seconds until fewer than `most` failures are inside the window; 0 when that is so now."""
    failures = SignInAttempt.objects.filter(**of, succeeded=False, at__gt=since).order_by("-at")
    newest = list(failures.values_list("at", flat=True)[:most])
    if len(newest) < most:
        return 0
    return max(1, round((newest[-1] + WINDOW - now).total_seconds()))


def _overtaken(attempt: SignInAttempt, now: datetime) -> bool:
    earlier = SignInAttempt.objects.filter(succeeded=False, at__gt=now - WINDOW, pk__lt=attempt.pk)
    of_address = earlier.filter(address=attempt.address).count() if attempt.address else 0
    if of_address >= MOST_BY_ADDRESS:
        return True
    if not attempt.name_key:
        return False
    last = SignInAttempt.objects.filter(name_key=attempt.name_key, succeeded=True).aggregate(at=Max("at"))["at"]
    of_name = earlier.filter(name_key=attempt.name_key)
    return (of_name.filter(at__gt=last) if last else of_name).count() >= MOST_BY_NAME


def _log(outcome: str, door: str, name: str, address: str) -> None:
    logger.warning("sign-in %s: name %r, address %s, by %s", outcome, name, address or "unknown", door)
