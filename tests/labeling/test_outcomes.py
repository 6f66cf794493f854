"""What becomes of work that raises: one table for stages, portions, jobs, deliveries and what is asked for once."""

import errno
import logging
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from inference.types import Cancelled, InferenceError, MissingResource
from inference.worker import tasks
from inference.worker.leases import Lease, PortionLease
from labeling import outcomes
from labeling.errors import Invalid, LabelingError
from labeling.jobs.handlers import HandBack
from labeling.jobs.tasks import JobLease
from labeling.leases import LeaseLost
from labeling.outcomes import Outcome
from labeling.rounds.notices.delivery import Attempt
from labeling.rounds.notices.webhooks import Declined, Unsent

FULL = "The disk is full. Make room, then retry."
EXPECTED = [  # raised, what becomes of the work, the sentence that is kept
    (LeaseLost(), [], None),
    (Cancelled("cancelled"), ["cancel"], None),
    (OperationalError("shutting down"), ["retry the database went away for a moment"], None),
    (InterfaceError("closed"), ["retry the database went away for a moment"], None),
    (MissingResource("memory", worker="here"), ["back off"], None),
    (HandBack(), ["back off"], None),
    (Unsent("HTTP 500"), ["back off"], None),
    (Declined("HTTP 302"), ["fail HTTP 302"], None),
    (Invalid("no such layout"), ["fail no such layout"], None),
    (InferenceError("the loss is NaN"), ["fail the loss is NaN"], None),
    (OSError(errno.ENOSPC, "No space left on device"), [f"fail {FULL}"], None),
    (OSError(errno.EDQUOT, "Quota"), [f"fail {FULL}"], None),
    (OSError(errno.ENOENT, "gone"), ["fail FileNotFoundError: [Errno 2] gone"], FileNotFoundError),
    (ZeroDivisionError("division by zero"), ["fail ZeroDivisionError: division by zero"], ZeroDivisionError),
    (ValueError("λ"), ["fail ValueError: λ"], ValueError),
]


class Recorded:
    """Work that writes down how it ended."""

    name = "work 7"

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.is_open = False

    def __enter__(self) -> None:
        self.is_open = True

    def __exit__(self, *error: object) -> None:
        self.is_open = False

    def cancel(self) -> None:
        self.ended.append("cancel")

    def retry(self, reason: str) -> None:
        self.ended.append(f"retry {reason}")

    def back_off(self, error: Exception) -> float | None:
        self.ended.append("back off")
        return 30.0

    def fail(self, sentence: str) -> None:
        assert self.is_open, "a lease is held until the end of the work is written"
        self.ended.append(f"fail {sentence}")


def raises(error: BaseException) -> Any:
    def act(work: Recorded) -> None:
        raise error

    return act


@pytest.mark.parametrize(("error", "ended", "raised"), EXPECTED, ids=lambda value: type(value).__name__)
def test_the_table_says_what_becomes_of_work_that_raises(error, ended, raised):
    work = Recorded()
    if raised:
        with pytest.raises(raised):
            outcomes.perform(work, raises(error))
    else:
        pause = outcomes.perform(work, raises(error))
        assert pause == (30.0 if ended == ["back off"] else None)
    assert work.ended == ended and not work.is_open


def test_a_task_may_expect_an_error_that_is_a_bug_elsewhere():
    work = Recorded()
    outcomes.perform(work, raises(ValueError("no images")), (ValueError,))
    assert work.ended == ["fail no images"]


def test_a_process_that_is_told_to_end_writes_nothing():
    work = Recorded()
    with pytest.raises(SystemExit):
        outcomes.perform(work, raises(SystemExit()))
    assert work.ended == []


def test_work_that_was_lost_while_it_is_ended_is_left(caplog):
    class Lost(Recorded):
        def fail(self, sentence: str) -> None:
            raise LeaseLost

    with caplog.at_level(logging.ERROR):
        assert outcomes.perform(Lost(), raises(Invalid("no"))) is None
    assert "work 7 failed: no" in caplog.text


def test_every_outcome_is_in_the_table_and_the_general_comes_last():
    assert {rule.outcome for rule in outcomes.TABLE} == set(Outcome)
    for number, rule in enumerate(outcomes.TABLE):
        for later in outcomes.TABLE[number + 1 :]:
            shadowed = all(issubclass(one, rule.raised) for one in later.raised)
            assert not shadowed or rule.errnos, f"{later} is never reached: {rule}"
    assert issubclass(LabelingError, outcomes.TABLE[-1].raised)


@pytest.mark.parametrize("kind", [Lease, PortionLease, JobLease, Attempt, tasks.AskedTuning, tasks.AskedCheck])
def test_whatever_a_task_claims_can_end_in_every_way(kind):
    for way in ("cancel", "retry", "back_off", "fail", "__enter__", "__exit__"):
        assert callable(getattr(kind, way, None)), f"{kind.__name__} has no {way}"
