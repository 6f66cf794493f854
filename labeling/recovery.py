"""Start again what lost its worker or its message.

Each room has a function `recover(now)` that does it for its own rows and returns a sentence for each thing it did. The
command `recover` (management/commands/recover.py) calls them all every few seconds.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)
REQUEUE_AFTER = timedelta(seconds=60)  # a message that the broker lost is sent again after this


@contextmanager
def isolated(what: str) -> Iterator[None]:
    """Recover one thing: an error is logged with `what`, and the next thing is tried.

    Raises the database's errors about the connection, since the next things would fail as well.
    """
    try:
        yield
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("cannot recover %s", what)
