"""Leases: how a row is owned by one worker at a time, for how long, and what happens when its worker dies.

The row holds the owner's id and the time until which the lease lasts. Whoever holds the lease renews it while the work
goes on; a row that lost its worker loses its lease, and recovery (labeling/recovery.py) starts it again. `Leased` are
the columns, `Work` the verbs of one kind of row on the side of the database, `Lease` the same verbs in the hands of the
worker that holds one. How patient all of them are stands in `Patience`.
"""

import enum
import functools
import logging
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection, models, transaction
from django.utils import timezone

from inference import types
from inference.documents.stage_reports import MissingKind, MissingResource

logger = logging.getLogger(__name__)
RENEW_EVERY = 1.0  # seconds: how late a request to cancel is seen; a small part of the lease
AWAY = (OperationalError, InterfaceError)  # what a restarting database raises
AWAY_FOR = 60.0  # seconds that a worker waits for the database before it leaves the work to others
Answer = TypeVar("Answer")
Given = ParamSpec("Given")


@dataclass(frozen=True)
class Patience:
    """For how long whom is waited for.

    lasts     a lease, after its last renewal: how long the death of its holder goes unnoticed
    attempts  a row whose holder died so often is given up
    resend    a message that waits for so long may be lost, and is sent again
    pauses    before a holder who lacks what the row needs may try it again, after the first time, the second ...; the
              last pause again and again
    """

    lasts: timedelta
    attempts: int
    resend: timedelta
    pauses: tuple[timedelta, ...]

    def pause(self, times: int) -> timedelta:
        """The pause after it was declined so many times before."""
        return self.pauses[min(times, len(self.pauses) - 1)]


WORKERS = Patience(
    lasts=timedelta(seconds=30),
    attempts=3,
    resend=timedelta(seconds=60),
    pauses=tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 15)),
)
LEASE = WORKERS.lasts


class LeaseLost(Exception):
    """Somebody else owns this work now; whatever was being done must not be written."""


class Leased(models.Model):
    """The columns of a row that is owned through a lease. The model adds a `state` with WAITING and RUNNING."""

    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        abstract = True

    def take(self, now: datetime, lasts: timedelta = WORKERS.lasts) -> uuid.UUID:
        """Begin a lease. -> the id of its owner. The caller holds the row and saves it."""
        owner = uuid.uuid4()
        self.lease_owner, self.lease_until = owner, now + lasts
        self.attempts += 1
        return owner

    def let_go(self) -> None:
        """End the lease. The caller holds the row and saves it."""
        self.lease_owner = self.lease_until = None

    def has_expired(self, now: datetime) -> bool:
        """Whether the lease ran out before its holder ended it."""
        return self.lease_until is not None and self.lease_until < now


class Backoff(models.Model):
    """The columns of a leased row that waits while workers lack what it needs: memory, a GPU.

    The worker that lacks it hands the row back, and does not take it again before `again_at`; others may at once.
    """

    NOTHING_MISSING: ClassVar[dict[str, Any]] = {
        "missing_resource": {},
        "again_at": None,
        "times_declined": 0,
        "declined_by": [],
    }

    missing_resource = models.JSONField(
        default=dict, help_text="what is missing for it to go on (execution/backoff.py)"
    )
    again_at = models.DateTimeField(null=True, help_text="when the workers of `declined_by` may try it again")
    times_declined = models.PositiveSmallIntegerField(default=0, help_text="times in a row that it was held back")
    declined_by = models.JSONField(default=list, help_text="ids of the workers that lack it")

    class Meta:
        abstract = True

    @property
    def missing(self) -> MissingResource | None:
        """What is missing for it to go on; None for nothing."""
        return MissingResource.stored(self.missing_resource) if self.missing_resource else None

    def keep_away(self, missing: MissingResource, worker: str, now: datetime) -> None:
        """Keep `worker` away from the row for a while. The caller holds the row and saves it.

        A second worker that lacks it within the same pause joins it: pauses grow with the times that nobody could.
        """
        if self.again_at is None or self.again_at <= now:
            self.again_at = now + WORKERS.pause(self.times_declined)
            self.times_declined += 1
            self.declined_by = []
        self.missing_resource = missing.as_json()
        if worker not in self.declined_by:
            self.declined_by = [*self.declined_by, worker]

    def is_kept_away(self, worker: str, now: datetime) -> bool:
        """Whether this worker has to leave the row alone."""
        return self.again_at is not None and self.again_at > now and worker in self.declined_by

    def has_everything(self) -> None:
        """Nothing is missing any more. The caller saves the row."""
        for name, value in self.NOTHING_MISSING.items():
            setattr(self, name, value)


class Fate(enum.Enum):
    """What becomes of a row that has lost its worker."""

    CANCELLED = "its worker was gone when it was cancelled"
    GIVEN_UP = "given up after {attempts} attempts"
    AGAIN = "its worker was lost, it {goes_on}"


Row = TypeVar("Row", bound=Leased)


class Work(Generic[Row]):
    """One kind of leased row. The verbs are the same for all kinds; a subclass says what is special about its own.

    `is_waiting` to `send` are for subclasses; everybody else calls the verbs.
    """

    model: type[Row]
    patience = WORKERS
    WAITING, RUNNING = "waiting", "running"  # of the model's own State
    goes_on = "goes on where it stopped"

    def takeable(self, pk: int, worker: str, now: datetime) -> Row | None:
        """The waiting row, locked; None when it is not there, does not wait, or is nothing for this worker."""
        rows = self.model._default_manager.select_for_update(of=("self",))
        return rows.filter(pk=pk, state=self.WAITING).first()

    def begin(self, row: Row, now: datetime) -> None:
        """What else changes when the row is taken, in the same transaction; `claim` saves the row."""

    def locked(self, pk: int) -> Row | None:
        """The row with all that is written together with it, locked in the order in which everybody locks them."""
        return self.model._default_manager.select_for_update().filter(pk=pk).first()

    def is_cancelled(self, row: Row) -> bool:
        """Whether somebody has asked to stop it."""
        return False

    def lost(self, row: Row, fate: Fate, sentence: str, now: datetime) -> None:
        """Write what becomes of a row that has lost its worker. It is locked, and its lease has ended."""
        raise NotImplementedError

    def late(self, before: datetime) -> Iterable[Row]:
        """The rows whose message was sent before then and that still wait for a worker."""
        raise NotImplementedError

    def send(self, row: Row) -> None:
        """Ask a worker to take it."""
        raise NotImplementedError

    # -- the verbs

    @transaction.atomic
    def claim(self, pk: int, worker: str = "") -> tuple[Row, uuid.UUID] | None:
        """Take a waiting row for this worker; None when there is nothing to do, as for a message that came twice.

        -> the row and the id of the lease's owner, which every later call must name
        """
        now = timezone.now()
        row = self.takeable(pk, worker, now)
        if row is None:
            return None
        owner = row.take(now, self.patience.lasts)
        row.state = self.RUNNING  # type: ignore[attr-defined]  # Leased says that the model adds it
        self.begin(row, now)
        row.save()
        return row, owner

    def mine(self, pk: int, owner: uuid.UUID) -> "models.QuerySet[Row]":
        """The row, where this owner still holds it."""
        return self.model._default_manager.filter(pk=pk, lease_owner=owner, state=self.RUNNING)

    def renew(self, pk: int, owner: uuid.UUID, **changed: Any) -> None:
        """Keep the lease, and write `changed` with it. Raises LeaseLost."""
        self.change(pk, owner, lease_until=timezone.now() + self.patience.lasts, **changed)

    def change(self, pk: int, owner: uuid.UUID, **changed: Any) -> None:
        """Write columns of a row that is held. Raises LeaseLost."""
        if not self.mine(pk, owner).update(**changed):
            raise LeaseLost

    def owned(self, pk: int, owner: uuid.UUID) -> Row:
        """The row, locked, for the worker that holds its lease. Raises LeaseLost."""
        row = self.locked(pk)
        if row is None or row.lease_owner != owner or row.state != self.RUNNING:  # type: ignore[attr-defined]
            raise LeaseLost
        return row

    def expire(self, pk: int, owner: uuid.UUID) -> None:
        """End the lease at once, so that recovery starts the row again where it stopped. Raises LeaseLost."""
        self.change(pk, owner, lease_until=timezone.now())

    def fate(self, row: Row) -> Fate:
        if self.is_cancelled(row):
            return Fate.CANCELLED
        return Fate.GIVEN_UP if row.attempts >= self.patience.attempts else Fate.AGAIN

    @transaction.atomic
    def revive(self, pk: int, now: datetime) -> list[str]:
        """Decide what becomes of a row whose lease ran out. -> a sentence, or nothing when it has one again."""
        row = self.locked(pk)
        if row is None or row.state != self.RUNNING or not row.has_expired(now):  # type: ignore[attr-defined]
            return []
        fate = self.fate(row)
        words = fate.value.format(attempts=row.attempts, goes_on=self.goes_on)
        sentence = f"{row}: {words}"
        row.let_go()
        self.lost(row, fate, sentence, now)
        return [sentence]


# -- in the hands of the worker


def resource_of(error: Exception) -> MissingResource:
    """What a worker lacks, as the row keeps it."""
    assert isinstance(error, types.MissingResource)  # the only thing that work waits for
    missing = MissingResource(what=MissingKind(error.what), worker=error.worker)
    return missing if error.needs is None else missing.with_(needs=error.needs, free=error.free)


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


def patient(act: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The function, called `patiently`."""

    @functools.wraps(act)
    def until_done(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        return patiently(lambda: act(*args, **kwargs))

    return until_done


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
