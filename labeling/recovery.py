"""Start again what lost its worker or its message.

Each room has a function `recover(now)` that does it for its own rows and returns a sentence for each thing it did. The
command `recover` (management/commands/recover.py) calls them all every few seconds. Rows that are owned through a lease
are all recovered by `recover_leased`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from labeling.leases import AWAY, WORKERS, Work

logger = logging.getLogger(__name__)
REQUEUE_AFTER = WORKERS.resend  # a message that the broker lost is sent again after this


@contextmanager
def isolated(what: str) -> Iterator[None]:
    """Recover one thing: an error is logged with `what`, and the next thing is tried.

    Raises the database's errors about the connection, since the next things would fail as well.
    """
    try:
        yield
    except AWAY:
        raise
    except Exception:
        logger.exception("cannot recover %s", what)


def recover_leased(work: Work[Any], now: datetime) -> list[str]:
    """Start the rows of one kind again that lost their worker or their message. -> sentences.

    A message that only waits behind long work is sent twice then: claiming a row is what counts.
    """
    sentences = []
    rows = work.model._default_manager
    kind = work.model._meta.verbose_name
    for pk in rows.filter(state=work.RUNNING, lease_until__lt=now).values_list("pk", flat=True):
        with isolated(f"{kind} {pk}"):
            sentences += work.revive(pk, now)
    for row in work.late(now - work.patience.resend):
        with isolated(f"{kind} {row.pk}"):
            rows.filter(pk=row.pk).update(queued_at=now)
            work.send(row)
    return sentences
