"""What can go wrong, as exceptions. The words are the server's; `code` is for programs, `field` names the bad input."""

from collections.abc import Mapping
from typing import Any


class BoxwiseError(Exception):
    """Anything that goes wrong between this program and the server."""


class NotReachable(BoxwiseError):
    """No answer came: no such server, no connection, or the connection broke."""


class UnexpectedAnswer(BoxwiseError):
    """Something answered that is no Boxwise server, or one that failed inside."""


class JobFailed(BoxwiseError):
    """A job or a round ended without its result."""


class Declined(BoxwiseError):
    """The server has declined a request (problem+json, RFC 9457).

    status  of HTTP
    code    of the kind of error, for programs
    field   the name of the bad input, with dots; empty where no single one is
    lines   the single faults, where there may be many
    problem the whole answer
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = dict(problem)
        self.status = int(problem.get("status", 0))
        self.code = str(problem.get("code", ""))
        self.field = str(problem.get("field") or "")
        self.lines = tuple(problem.get("lines") or ())
        super().__init__(str(problem.get("detail", "the server has declined this")))

    def __str__(self) -> str:
        words = super().__str__()
        words = f"{self.field}: {words}" if self.field and self.field not in words else words
        return "\n".join([words, *map(str, self.lines)])


class NotSignedIn(Declined):
    """No token, or one that has expired, was revoked or is unknown."""


class NotAllowed(Declined):
    """Your role in the project, or the scope of the token, does not reach this far."""


class NotFound(Declined):
    """There is no such thing, or it is not shown to you."""


class ServerTooOld(Declined):
    """The server has no such address: it is older than this client."""


class Conflict(Declined):
    """It cannot be done now, such as a round while another one is at work (409), or somebody has changed it (412)."""


class Invalid(Declined):
    """What was sent can never be right; `field` says what of it."""


class TooMany(Declined):
    """Too many requests, also after waiting."""


KINDS: dict[int, type[Declined]] = {
    400: Invalid,
    401: NotSignedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooMany,
}


def declined(problem: Mapping[str, Any]) -> Declined:
    """The exception of a problem+json."""
    if problem.get("code") == "no_such_address":
        words = (
            "the server has no such address: it is older than this client; update the server, or use an older client"
        )
        return ServerTooOld({**problem, "detail": words})
    return KINDS.get(int(problem.get("status", 0)), Declined)(problem)
