"""How a worker keeps what it has claimed: the part of tasks.py that renews leases and outlasts a database's restart."""

import logging
import threading
import uuid
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

from inference.types import Progress
from inference.usage import Watch
from labeling.rounds import portions, stages
from labeling.rounds.models import Portion

logger = logging.getLogger(__name__)
RENEW_EVERY = 1.0  # seconds: how late a wish to cancel is seen; a small part of the lease
AWAY = (OperationalError, InterfaceError)  # what a restarting database raises
AWAY_FOR = 60.0  # seconds that a worker waits for it before it leaves the work to the sweeper
Answer = TypeVar("Answer")


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


class Lease:
    """Keeps a claimed stage this worker's own while the work goes on, and carries progress to the row."""

    def __init__(self, row_id: int, owner: uuid.UUID) -> None:
        self.row_id, self.owner = row_id, owner
        self.watch, self.device = Watch(), ""
        self.began = monotonic()
        self.found: int | None = None  # units that were there before
        self.latest = 0
        self.over, self.cancelled, self.lost = threading.Event(), threading.Event(), threading.Event()
        self.last_report = 0.0
        self.thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> "Lease":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()

    def _keep(self) -> None:
        try:
            while not self.over.wait(RENEW_EVERY):
                try:
                    if self.renew():
                        self.cancelled.set()
                except stages.LeaseLost:
                    self.lost.set()
                    return
                except Exception:  # the database is away for a moment: the lease outlasts it, or is lost and we notice
                    logger.warning("cannot renew the lease of %s", self.row_id, exc_info=True)
                finally:
                    connection.close()
        finally:
            connection.close()

    def stop(self) -> bool:
        """True when somebody asked to stop. Raises LeaseLost when the work belongs to another worker now."""
        if self.lost.is_set():
            raise stages.LeaseLost
        return self.cancelled.is_set()

    def report(self, progress: Progress) -> None:
        """Progress to the row: always when there is something to say, else at most twice a second."""
        self.count(progress)
        now = monotonic()
        last = progress.done >= progress.total
        if progress.note or progress.values or last or now - self.last_report > 0.5:
            self.last_report = now
            patiently(lambda: self.tell(progress))

    def renew(self) -> bool:
        return stages.renew(self.row_id, self.owner, self.used())

    def count(self, progress: Progress) -> None:
        """The first report comes after the first unit of this worker; what counts before it was there already."""
        if progress.done and self.found is None:
            self.found = progress.done - 1
        self.latest = max(self.latest, progress.done)

    def used(self) -> dict[str, Any]:
        """What this process uses (inference/usage.py), the device that nets compute on where there are any, and the
        units it made in how many seconds."""
        own: dict[str, Any] = {"made": self.latest - (self.found or 0), "seconds": round(monotonic() - self.began, 1)}
        return self.watch.sample() | own | ({"device": self.device} if self.device else {})

    def tell(self, progress: Progress) -> None:
        stages.report(
            self.row_id, self.owner,
            done=progress.done, total=progress.total, note=progress.note, values=progress.values,
        )  # fmt: skip


class PortionLease(Lease):
    """The same for a portion of a stage. Progress goes with the renewal: the work never waits for it."""

    def __init__(self, portion: Portion, owner: uuid.UUID) -> None:
        super().__init__(portion.pk, owner)
        self.portion, self.done = portion, 0

    def renew(self) -> bool:
        return portions.renew(self.row_id, self.owner, done=self.done, usage=self.used())

    def report(self, progress: Progress) -> None:
        self.done = progress.done
        if progress.note:
            patiently(lambda: stages.say(self.portion.stage_id, progress.note))
