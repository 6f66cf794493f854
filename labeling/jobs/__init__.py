"""Work for the workers: sending it, and jobs, the one kind of long work that a person asks for and watches.

Call `send` as `jobs.send(...)` and do not import the function by name, so that one patch in a test catches every
sender.
"""

from typing import Any

from django.db import transaction

from labeling.celery import app


def send(task: str, *, queue: str, **kwargs: Any) -> None:
    """Ask the workers by task name (the site never imports torch), once the row it needs is committed.

    While the broker is away the message is not sent, which is logged: the row says what waits, and recovery sends
    it again.
    """

    def now() -> None:  # not a partial: Django logs the name of a function that failed
        app.send_task(task, kwargs=kwargs, queue=queue)

    transaction.on_commit(now, robust=True)
