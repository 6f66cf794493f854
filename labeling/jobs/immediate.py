"""Asking the interactive worker: a task whose answer somebody waits for, with the pen in hand."""

from collections.abc import Mapping
from typing import Any

from celery.exceptions import TimeoutError as NoAnswerInTime
from django.db import connection
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from labeling.celery import app
from labeling.errors import Invalid, LabelingError

PATIENCE = 8.0  # seconds; the browser then goes on without the worker


class NobodyAnswers(LabelingError):
    """The interactive worker is busy or away."""

    code = "no_worker"
    status = 503


def answer_of(task: str, given: Mapping[str, object], *, otherwise: str) -> Any:
    """Send a task and wait at most PATIENCE for its answer. A database connection is not kept meanwhile.

    otherwise  what somebody does without an answer, as a sentence

    Raises NobodyAnswers, Invalid with the worker's reason.
    """
    if not connection.in_atomic_block:
        connection.close()  # back to the pool while this thread waits
    sent = None
    try:
        sent = app.send_task(
            task, kwargs=dict(given), queue="interactive", expires=PATIENCE, ignore_result=False, retry=False
        )
        answer = sent.get(timeout=PATIENCE, interval=0.01)
    except (NoAnswerInTime, OperationalError, ConnectionError):
        words = _("The part of the server that computes at once does not answer.")
        raise NobodyAnswers(f"{words} {otherwise}") from None
    finally:
        if sent is not None:
            sent.forget()
    failed = answer.get("error")
    if isinstance(failed, str):
        raise Invalid(failed)
    return answer
