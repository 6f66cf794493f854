"""What can go wrong, with a code for programs and a sentence for people; api.py turns each into problem+json."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class ServerFault:
    """Something of the server itself that stops a request: no fault of what was sent, and none of our code."""

    status: int
    code: str
    detail: "StrPromise"


DISK_FULL = ServerFault(
    507,
    "disk_full",
    _("The disk of this server is full, so this could not be done. Tell whoever runs it, and try again later."),
)
STORAGE_AWAY = ServerFault(
    503,
    "storage_away",
    _("The storage of this server's files does not answer, so this could not be done. Try again in a moment."),
)


class LabelingError(Exception):
    """A rule of the domain said no: `code` is for programs, str(error) for people, `field` names the bad input.

    `lines` are the single faults, where there may be many (a table's lines). `api_detail` is the sentence for callers
    of the API where it differs: they know things by their ids (rounds/messages.py). `facts` are what a program needs
    beside the sentence, such as the id of the round that is in the way.
    """

    code = "labeling_error"
    status = 409
    lines: tuple[str, ...] = ()
    api_detail = ""
    facts: Mapping[str, int | str] = MappingProxyType({})

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Invalid(LabelingError):
    """What was sent can never be right, whoever sends it and whenever."""

    code = "invalid"
    status = 422


class WrongState(LabelingError):
    """The thing is not in a state in which this can be done."""

    code = "wrong_state"


class Archived(WrongState):
    """The project is archived: it is read and exported, and changed by nobody. `project` is its key."""

    code = "archived"

    def __init__(self, message: str, *, project: int) -> None:
        super().__init__(message)
        self.project = project


# By name: whoever keeps files in a folder does not load these libraries.
UNANSWERED = {
    ("botocore.exceptions", "HTTPClientError"),
    ("botocore.exceptions", "ConnectionError"),
    ("s3transfer.exceptions", "RetriesExceededError"),  # the storage falls silent in the middle of a file
}


def server_fault(error: BaseException) -> ServerFault | None:
    """What of the server itself an error comes from: no room for a file, or a storage that does not answer."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return DISK_FULL
    if any((kind.__module__, kind.__name__) in UNANSWERED for kind in type(error).__mro__):
        return STORAGE_AWAY
    return None


def sentence(error: LabelingError, *, begins_with_a_name: bool = False) -> str:
    """The words of an error as a sentence: first letter large, unless it is a name that somebody chose; full stop."""
    words = str(error)
    first = words[:1] if begins_with_a_name or words.startswith("µ") else words[:1].upper()  # a unit is no word
    return full_stop(first + words[1:])


def full_stop(words: str) -> str:
    return words + ("" if words.endswith((".", "!", "?")) else ".")
