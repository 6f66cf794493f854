"""Sessions in the database: read by a prepared query, ended when nobody uses them, listed and ended by their person.

When a session began and when it was used last stand in its own data, so that a request asks for nothing more. A
session that is over is not loaded, whoever asks: pages, the API and the live feed come through this store.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict, cast

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from labeling.accounts.models import User
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.prepared import Prepared

SESSION = Prepared(lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now)[:1])
USER: Final = "_auth_user_id"  # Django's SESSION_KEY
AUTH_HASH: Final = "_auth_user_hash"  # Django's HASH_SESSION_KEY: of the password
BEGAN: Final = "began"
USED: Final = "used"
ADDRESS: Final = "address"
BROWSER: Final = "browser"
USE_IS_NOTED_EVERY = timedelta(minutes=5)  # a write for each request would cost more than the request


class SessionData(TypedDict, total=False):
    """What is read of a session's data; times are seconds since 1970."""

    _auth_user_id: str
    _auth_user_hash: str
    began: float
    used: float
    address: str
    browser: str


class SessionStore(DatabaseStore):
    """Django's store in every other respect."""

    def _get_session_from_db(self) -> Session | None:
        found: Session | None = SESSION.first(self.session_key, timezone.now())
        if found is None or is_over(data_of(found), timezone.now()):
            self._session_key = None
            return None
        return found


def data_of(row: Session) -> SessionData:
    return cast(SessionData, row.get_decoded())


def is_over(data: SessionData, now: datetime) -> bool:
    """Whether nobody has used it for SESSION_IDLE_MINUTES, or it began SESSION_DAYS ago. One that nobody has signed in
    with, and one of an earlier version before its first use, are not."""
    if USER not in data or BEGAN not in data:
        return False
    idle = now - _time(data[USED]) > timedelta(minutes=settings.SESSION_IDLE_MINUTES)
    return idle or now - _time(data[BEGAN]) > timedelta(days=settings.SESSION_DAYS)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class NoteUse:
    """Middleware: remembers that a session of a signed-in person is in use, to USE_IS_NOTED_EVERY."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        session = request.session
        if session.session_key and USER in session:
            note_use(request, timezone.now())
        return self.get_response(request)


def begin_session(request: HttpRequest) -> None:
    """Somebody signs in: both ends are counted from now."""
    for key in (BEGAN, USED):
        request.session.pop(key, None)
    note_use(request, timezone.now())


def note_use(request: HttpRequest, now: datetime) -> None:
    session = request.session
    used = session.get(USED)
    if BEGAN not in session:  # somebody just signed in, or it is of an earlier version
        session[BEGAN] = now.timestamp()
    if used is None or now - _time(used) > USE_IS_NOTED_EVERY:
        session[USED] = now.timestamp()
        session[ADDRESS] = request.META.get("REMOTE_ADDR", "")[:45]
        session[BROWSER] = request.META.get("HTTP_USER_AGENT", "")[:200]


@dataclass(frozen=True)
class OpenSession:
    """A session of a person as they see it. `number` tells it apart on the page; it is not its key."""

    number: str
    began: datetime | None
    used: datetime | None
    address: str
    browser: str
    is_this: bool


def open_sessions(user: User, own_key: str) -> list[OpenSession]:
    """The sessions by which somebody is signed in, the one used last first."""
    found = []
    for row, data in _rows_of(user):
        found.append(
            OpenSession(
                number=_number(row.session_key),
                began=_time(data[BEGAN]) if BEGAN in data else None,
                used=_time(data[USED]) if USED in data else None,
                address=data.get(ADDRESS, ""),
                browser=data.get(BROWSER, ""),
                is_this=row.session_key == own_key,
            )
        )
    return sorted(found, key=lambda one: (one.is_this, one.used or datetime.min.replace(tzinfo=UTC)), reverse=True)


@transaction.atomic
def end_sessions(*, user: User, own_key: str, number: str = "") -> int:
    """End one session, or without `number` all but the one with `own_key`. -> how many have ended."""
    ended = 0
    for row, _data in _rows_of(user):
        chosen = _number(row.session_key) == number if number else row.session_key != own_key
        if chosen:
            row.delete()
            ended += 1
    if ended:
        record(Act.SESSIONS_ENDED, subject=user.get_username(), count=ended)
    return ended


def _rows_of(user: User) -> list[tuple[Session, SessionData]]:
    """Django keeps no person beside a session, so all that are open are looked through: some hundred at a hospital."""
    now, found = timezone.now(), []
    for row in Session.objects.filter(expire_date__gt=now).iterator():
        data = data_of(row)
        if data.get(USER) == str(user.pk) and not is_over(data, now) and _fits_password(data, user):
            found.append((row, data))
    return found


def _fits_password(data: SessionData, user: User) -> bool:
    """Whether it was begun with the password of now: Django lets nobody in with another one."""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return data.get(AUTH_HASH) in hashes


def _number(key: str) -> str:
    """Twelve digits of a hash: a page that shows the key would give the session away."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def forget_old(now: datetime) -> list[str]:
    """Remove the rows of sessions that have expired. -> sentences."""
    removed, _by_table = Session.objects.filter(expire_date__lt=now).delete()
    return [f"{removed} sessions have expired and are removed"] if removed else []
