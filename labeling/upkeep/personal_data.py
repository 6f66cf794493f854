"""What is stored about one person, as one file. The models say which tables name people, so no new one is left out."""

import csv
import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import IO, Any

from django.apps import apps
from django.db.models import BinaryField, DateField, Field, Model
from django.utils import timezone

from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.sessions import open_sessions
from labeling.accounts.throttle import name_key
from labeling.audit.models import Act, SecurityEvent
from labeling.spreadsheets import as_text

# Secrets, and what stands for one: columns that are said to nobody, their owner included.
SECRET_COLUMNS = frozenset({"password", "secret_sha256", "token_sha256", "secret", "token", "token_secret", "answer"})
SECRET_COLUMNS_OF = {"mfa_authenticator": {"data"}}
# Rows that somebody made as themselves, or that are about them: shown whole. Of every other table that names them (who
# deleted an image, who wrote a study) only numbers and times are shown: the rest is data of patients, of colleagues and
# of projects that they may no longer see.
SHOWN_WHOLE = frozenset(
    {
        "account_emailaddress",
        "labeling_activitybatch",
        "labeling_activitysummary",
        "labeling_answeredrequest",
        "labeling_comment",
        "labeling_delivery",
        "labeling_guidelinereader",
        "labeling_membership",
        "labeling_mention",
        "labeling_notification",
        "labeling_notificationchoice",
        "labeling_operation",
        "labeling_opinion",
        "labeling_originalaccess",
        "labeling_participant",
        "labeling_personaltoken",
        "labeling_reading",
        "labeling_screen",
        "labeling_securityevent",
        "labeling_signinattempt",
        "labeling_user",
        "mfa_authenticator",
        "socialaccount_socialaccount",
    }
)
# Columns of these tables by which somebody is named in rows that are a colleague's: their comment, notice or reading.
NAMED_IN_PASSING = frozenset(
    {"labeling_comment.resolved_by", "labeling_notification.actor", "labeling_reading.assigned_by"}
)
# Of the audit log: acts whose subject is a user name. Other subjects are names of projects, files and tokens.
ACTS_ON_ACCOUNTS = (
    Act.SIGNED_IN,
    Act.SIGN_IN_FAILED,
    Act.SIGN_IN_LIMITED,
    Act.SIGNED_OUT,
    Act.SESSIONS_ENDED,
    Act.RESET_LINK_CREATED,
    Act.PASSWORD_CHANGED,
    Act.PASSWORD_RESET,
    Act.EMAIL_CHANGED,
    Act.SECOND_FACTOR_ADDED,
    Act.SECOND_FACTOR_REMOVED,
    Act.PASSKEY_ADDED,
    Act.PASSKEY_REMOVED,
    Act.RECOVERY_CODES_CREATED,
    Act.ACCOUNT_LINKED,
    Act.ACCOUNT_UNLINKED,
    Act.ACCOUNT_CREATED,
    Act.ACCOUNT_CLOSED,
    Act.ACCOUNT_OPENED,
    Act.ACCOUNT_ANONYMISED,
    Act.INVITATION_USED,
    Act.MEMBER_ADDED,
    Act.MEMBER_REMOVED,
    Act.ROLE_CHANGED,
    Act.RIGHT_CHANGED,
)
IN_MEMORY = 8 * 2**20  # bytes; a larger file is made on the disk
README = """What Boxwise stores about {name}, {at:%Y-%m-%d %H:%M} UTC

account.json        the account: names, address, language, rights, last sign-in
sessions.json       where you are signed in
tables/TABLE.COLUMN.csv   one file for each table and column that names you: your memberships, layers, operations,
                    comments, working time, tokens and so on. The header says the columns. Numbers refer to rows of
                    other tables. Of rows that are about something else (an image that you deleted) only numbers and
                    times are shown. Pixels are not in it, since they are data of patients.
sign_in_attempts.csv      attempts to sign in with your user name, kept for 90 days
security_events.csv       the audit log, where you did something or something was done to your account; where
                          somebody else did it, without the address that they came from

Not in it: passwords, secrets of tokens and of second factors (only hashes or encrypted values are stored), copies in
backups, and files that somebody has downloaded. What studies hold of you by pseudonym is in the receipts and reports
of the study; the arm of a reading is not shown while the study runs.
"""


def write_personal_data(user: User) -> IO[bytes]:
    """A ZIP of JSON and CSV with a README. -> an open file at its beginning"""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (the answer closes it)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README.format(name=user.get_username(), at=timezone.now()))
        archive.writestr("account.json", _json(_columns_of(user)))
        archive.writestr("sessions.json", _json([asdict(one) for one in open_sessions(user, "")]))
        for column in columns_that_name_people():
            table = column.model._meta.db_table
            # The base manager: others hide rows, as those of deleted images.
            rows = column.model._base_manager.filter(**{column.name: user}).order_by("pk")
            if rows.exists():
                columns = _shown_columns(column.model, column)
                _write_table(archive, f"tables/{table}.{column.name}.csv", rows.iterator(chunk_size=500), columns)
        attempts = SignInAttempt.objects.filter(name_key=name_key(user.get_username())).order_by("pk").iterator()
        _write_table(archive, "sign_in_attempts.csv", attempts, _shown_columns(SignInAttempt))
        _write_table(archive, "security_events.csv", _events_of(user), _shown_columns(SecurityEvent))
    file.seek(0)
    return file


def columns_that_name_people() -> "list[Field[Any, Any]]":
    """Every foreign key to the accounts, of every model, in the order of the tables."""
    found: list[Field[Any, Any]] = []
    for model in apps.get_models():
        found += [column for column in model._meta.concrete_fields if column.related_model is User]
    return sorted(found, key=lambda field: (field.model._meta.db_table, field.name))


def _events_of(user: User) -> Iterator[SecurityEvent]:
    by_person = SecurityEvent.objects.filter(person=user.pk)
    about = SecurityEvent.objects.filter(subject=user.get_username(), act__in=ACTS_ON_ACCOUNTS)
    of_tokens = SecurityEvent.objects.filter(details__of=user.get_username())
    for event in (by_person | about | of_tokens).order_by("pk").iterator(chunk_size=500):
        if event.person not in (None, user.pk):
            event.address = ""
        yield event


def _shown_columns(model: type[Model], named_by: "Field[Any, Any] | None" = None) -> "list[Field[Any, Any]]":
    """named_by: the column that names the person, where it is one of several."""
    table = model._meta.db_table
    hidden = SECRET_COLUMNS | SECRET_COLUMNS_OF.get(table, set())
    columns = [field for field in model._meta.concrete_fields if field.name not in hidden]
    in_passing = named_by is not None and f"{table}.{named_by.name}" in NAMED_IN_PASSING
    if table in SHOWN_WHOLE and not in_passing:
        return columns
    return [field for field in columns if field.primary_key or field.is_relation or isinstance(field, DateField)]


def _columns_of(user: User) -> dict[str, object]:
    return {field.name: field.value_from_object(user) for field in _shown_columns(User)}


def _write_table(archive: zipfile.ZipFile, name: str, rows: Iterable[Model], columns: "list[Field[Any, Any]]") -> None:
    """Row by row: somebody may have drawn a million cells."""
    with archive.open(name, "w") as file:
        for line in _lines(rows, columns):
            file.write(line.encode())


def _lines(rows: Iterable[Model], columns: "list[Field[Any, Any]]") -> Iterator[str]:
    yield _line([column.attname for column in columns])
    for row in rows:
        yield _line([_cell(column, column.value_from_object(row)) for column in columns])


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _cell(column: "Field[Any, Any]", value: object) -> str:
    """As a spreadsheet shows it without running it. Packed bytes are unpacked where they are text."""
    if value is None:
        return ""
    if isinstance(column, BinaryField):
        return as_text(_unpacked(bytes(value)))  # type: ignore[call-overload]
    if isinstance(value, dict | list):
        return as_text(_json(value))
    return as_text(value.isoformat() if isinstance(value, datetime) else str(value))


def _unpacked(packed: bytes) -> str:
    try:
        return zlib.decompress(packed).decode()
    except (zlib.error, UnicodeDecodeError):
        return packed.hex()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)
