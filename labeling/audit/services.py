"""Writing the audit log, reading it and exporting it. record() is the only function that writes a row."""

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from labeling.audit.current_request import current_request
from labeling.audit.models import LEAST_DAYS, Act, SecurityEvent
from labeling.spreadsheets import as_text

LONGEST_SUBJECT = 400
COLUMNS = ("id", "at", "act", "person", "person_name", "address", "token", "project", "project_name", "subject")


class Person(Protocol):
    """What is read of an account."""

    pk: int

    def get_username(self) -> str: ...


class NamedProject(Protocol):
    """What is read of a project."""

    pk: int
    name: str


def record(
    act: Act,
    *,
    subject: str = "",
    project: NamedProject | None = None,
    by: Person | None = None,
    **details: object,
) -> SecurityEvent:
    """Write an event down, in the transaction of the act: an act that is undone leaves no row.

    by  who did it; whoever is signed in at the request that is being answered, where it is left out
    """
    request = current_request()
    person = by or signed_in_at(request)
    return SecurityEvent.objects.create(
        act=act,
        person=person.pk if person else None,
        person_name=person.get_username() if person else "",
        address=request.META.get("REMOTE_ADDR", "")[:45] if request is not None else "",
        token=_token_of(request),
        project=project.pk if project else None,
        project_name=project.name if project else "",
        subject=_line(subject),
        details=details,
    )


def signed_in_at(request: HttpRequest | None) -> Person | None:
    """Who is signed in at a request; None without one."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    person: Person = user
    return person


def _token_of(request: HttpRequest | None) -> int | None:
    """The key of the personal token that the request came with."""
    key: int | None = getattr(getattr(request, "auth", None), "pk", None)
    return key


def _line(text: str) -> str:
    """On one line and short enough."""
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST_SUBJECT]


def events(*, act: str = "", person: int | None = None, since: date | None = None) -> QuerySet[SecurityEvent]:
    """The newest first, narrowed by what is given."""
    found = SecurityEvent.objects.all()
    if act:
        found = found.filter(act=act)
    if person is not None:
        found = found.filter(person=person)
    if since is not None:
        found = found.filter(at__date__gte=since)
    return found


def as_csv(found: QuerySet[SecurityEvent]) -> Iterator[str]:
    """Lines of a table, the oldest first. A cell that a spreadsheet would run as a formula gets an apostrophe."""
    yield _row([*COLUMNS, "details"])
    for event in found.order_by("pk").iterator():
        cells = [getattr(event, column) for column in COLUMNS]
        yield _row([*cells, event.details])


def _row(cells: list[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: object) -> str:
    if cell is None:
        return ""
    return as_text(cell.isoformat() if isinstance(cell, datetime) else str(cell))


def kept_days() -> int:
    """For how many days a row is kept."""
    return max(int(settings.AUDIT_DAYS), LEAST_DAYS)


def forget_old(now: datetime | None = None) -> list[str]:
    """Remove rows that are older than AUDIT_DAYS. The database itself keeps each for LEAST_DAYS. -> sentences."""
    days = kept_days()
    before = (now or timezone.now()) - timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM labeling_securityevent WHERE at < %s", [before])
        removed = cursor.rowcount
    return [f"{removed} events of the audit log are older than {days} days and removed"] if removed else []
