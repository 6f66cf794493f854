"""How a worker keeps a row that it has claimed: stages, portions and jobs are owned by a lease with a heartbeat.

The row holds the owner's id and the time until which the lease lasts. Whoever holds it renews it while the work goes
on; what lost its worker loses its lease and is started again.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from time import monotonic, sleep
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)  # how long the death of a worker goes unnoticed
RENEW_EVERY = 1.0  # seconds: how late a request to cancel is seen; a small part of the lease
AWAY = (OperationalError, InterfaceError)  # what a restarting database raises
AWAY_FOR = 60.0  # seconds that a worker waits for the database before it leaves the work to others
Answer = TypeVar("Answer")


class LeaseLost(Exception):
    """Somebody else owns this work now; whatever was being done must not be written."""


def patiently(act: Callable[[], Answer]) -> Answer:
    """What `act` answers; while the database is away, again and again. Only for acts that may happen twice: the answer
    of the first may be what was lost."""
    end = monotonic() + AWAY_FOR
    while True:
        try:
            return act()
        except AWAY:
            connection.close()
            if monotonic() > end:
                raise
            logger.warning("the database is away; trying again", exc_info=True)
            sleep(0.5)


class Heartbeat:
    """Calls `renew` once a second in a thread of its own, as long as the `with` block lasts.

    renew  extends the lease; True when somebody asked to cancel; raises LeaseLost
    """

    def __init__(self, renew: Callable[[], bool], name: str) -> None:
        self._renew, self.name = renew, name
        self.over, self.cancelled, self.lost = threading.Event(), threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()

    def stop(self) -> bool:
        """True when somebody asked to cancel. Raises LeaseLost when the work belongs to another worker now."""
        if self.lost.is_set():
            raise LeaseLost
        return self.cancelled.is_set()

    def _beat(self) -> None:
        try:
            while not self.over.wait(RENEW_EVERY):
                try:
                    if self._renew():
                        self.cancelled.set()
                except LeaseLost:
                    self.lost.set()
                    return
                except Exception:  # the database is away for a moment: the lease outlasts it, or is lost and we notice
                    logger.warning("cannot renew the lease of %s", self.name, exc_info=True)
                finally:
                    connection.close()
        finally:
            connection.close()
