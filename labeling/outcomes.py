"""What becomes of work that raises: one table for all tasks of the workers.

A task claims something, does it, and says what came of it. `task` makes a Celery task of the middle part alone: what it
raises is looked up in TABLE, which is the only place that says whether work is tried again, waits, fails or stops.
"""

import contextlib
import enum
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from celery import shared_task

from inference.types import Cancelled, InferenceError, MissingResource
from labeling.errors import NO_ROOM, LabelingError
from labeling.leases import AWAY, LeaseLost
from labeling.server.log_context import at_work

logger = logging.getLogger(__name__)


class BackOff(Exception):
    """The work can be done, but not now: others come first, or whoever is to take it is away."""


class Outcome(enum.Enum):
    """What becomes of the work, and what is logged of it; the values begin a line of the log."""

    LEAVE = "belongs to another worker now; nothing of this attempt is written"
    CANCEL = "was cancelled"
    RETRY = "is given back, to be started again"
    BACK_OFF = "waits for a while"
    FAIL = "failed"
    BREAK = "failed by a bug"  # it is raised as well, to be seen by whoever looks after the workers


def class_and_sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Rule:
    """One row of the table. sentence: what people read, where the work keeps a reason."""

    raised: tuple[type[BaseException], ...]
    outcome: Outcome
    sentence: Callable[[BaseException], str] = str
    errnos: tuple[int, ...] = ()  # of an OSError; () for any

    def fits(self, error: BaseException) -> bool:
        is_one = isinstance(error, self.raised)
        return is_one and (not self.errnos or getattr(error, "errno", None) in self.errnos)


# The first row that fits counts.
TABLE = (
    Rule((LeaseLost,), Outcome.LEAVE),
    Rule((Cancelled,), Outcome.CANCEL),
    Rule(AWAY, Outcome.RETRY, lambda error: "the database went away for a moment"),
    Rule((MissingResource, BackOff), Outcome.BACK_OFF),
    Rule((LabelingError, InferenceError), Outcome.FAIL),
    Rule((OSError,), Outcome.FAIL, lambda error: "The disk is full. Make room, then retry.", NO_ROOM),
    Rule((Exception,), Outcome.BREAK, class_and_sentence),
)


class Claimed(Protocol):
    """Work that somebody has claimed, and the ways in which it can end other than well.

    name  for the log
    """

    name: str

    def __enter__(self) -> Any: ...

    def __exit__(self, *error: object) -> None: ...

    def cancel(self) -> None:
        """Somebody asked to stop, and it has stopped."""

    def retry(self, reason: str) -> None:
        """Give it back, to be started again at once."""

    def back_off(self, error: Exception) -> float | None:
        """Let it wait. -> seconds after which this task is to be run again; None where something else sees to that."""

    def fail(self, sentence: str) -> None:
        """End it for good."""


Work = TypeVar("Work", bound=Claimed)


def rule_of(error: BaseException, expected: tuple[type[BaseException], ...] = ()) -> Rule:
    """expected: errors of this task that are no bugs; their sentence is for people."""
    for rule in TABLE:
        if rule.outcome == Outcome.BREAK and isinstance(error, expected):
            return Rule(expected, Outcome.FAIL)
        if rule.fits(error):
            return rule
    raise error  # no Exception: the process is told to end


def settle(claimed: Claimed, error: Exception, expected: tuple[type[BaseException], ...] = ()) -> float | None:
    """End the work as TABLE says. -> seconds until the next try, None where nobody has to wait for it.

    Raises `error` again when it is a bug.
    """
    rule = rule_of(error, expected)
    outcome, sentence = rule.outcome, rule.sentence(error)
    level = logging.ERROR if outcome in (Outcome.FAIL, Outcome.BREAK, Outcome.RETRY) else logging.WARNING
    if outcome != Outcome.CANCEL:
        logger.log(level, "%s %s: %s", claimed.name, outcome.value, sentence, exc_info=error)
    with contextlib.suppress(LeaseLost):  # it was ended at the first try, or is somebody else's
        match outcome:
            case Outcome.CANCEL:
                claimed.cancel()
            case Outcome.RETRY:
                claimed.retry(sentence)
            case Outcome.BACK_OFF:
                return claimed.back_off(error)
            case Outcome.FAIL | Outcome.BREAK:
                claimed.fail(sentence)
    if outcome == Outcome.BREAK:
        raise error
    return None


def perform(claimed: Work, act: Callable[[Work], None], expected: tuple[type[BaseException], ...] = ()) -> float | None:
    """Do `act` with the work that was claimed; what it raises ends the work. -> as `settle`."""
    with claimed, at_work(claimed.name):
        try:
            act(claimed)
        except Exception as error:
            return settle(claimed, error, expected)
    return None


def task(
    name: str, claim: Callable[..., Work | None], expected: tuple[type[BaseException], ...] = ()
) -> Callable[[Callable[[Work], None]], Any]:
    """Make the function that does claimed work a Celery task.

    claim     takes what the message says; None when there is nothing to do
    expected  errors that are no bugs in this task, beside those of TABLE
    """

    def register(act: Callable[[Work], None]) -> Any:
        @functools.wraps(act)
        def run(self: Any, *args: Any, **kwargs: Any) -> None:
            claimed = claim(*args, **kwargs)
            if claimed is None:
                return
            pause = perform(claimed, act, expected)
            if pause is not None:
                raise self.retry(countdown=pause)

        return shared_task(name=name, bind=True, max_retries=None)(run)

    return register
