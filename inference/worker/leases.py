"""How a worker keeps what it has claimed: the part of tasks.py that renews leases and outlasts a database's restart."""

import uuid
from time import monotonic

from inference.documents.stages import Usage
from inference.types import Progress
from inference.worker.usage import Watch
from labeling.leases import Heartbeat, patiently
from labeling.rounds.execution import portions, stages
from labeling.rounds.models import Portion


class Lease(Heartbeat):
    """Keeps a claimed stage this worker's own while the work goes on, and carries progress to the row."""

    def __init__(self, row_id: int, owner: uuid.UUID) -> None:
        super().__init__(self.renew, f"row {row_id}")
        self.row_id, self.owner = row_id, owner
        self.watch, self.device = Watch(), ""
        self.began = monotonic()
        self.found: int | None = None  # units that were there before
        self.latest = 0
        self.last_report = 0.0

    def __enter__(self) -> "Lease":
        super().__enter__()
        return self

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

    def used(self) -> Usage:
        """What this process uses (usage.py), the device that nets compute on where there are any, and the units it made
        in how many seconds."""
        own = {"made": self.latest - (self.found or 0), "seconds": round(monotonic() - self.began, 1)}
        device = {"device": self.device} if self.device else {}
        return Usage.model_validate({**self.watch.sample(), **own, **device})

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
