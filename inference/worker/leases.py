"""A stage or a portion in the hands of the worker that has claimed it: everything that the worker writes of it.

Each verb waits for a database that restarts (`patient`), and raises LeaseLost where the work is somebody else's now.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from inference.documents.stage_reports import Facts, Usage
from inference.types import Cancelled, Progress
from inference.worker import needs
from inference.worker.usage import Watch
from labeling.leases import Heartbeat, patient, resource_of
from labeling.rounds import artifacts
from labeling.rounds.execution import portions, stages
from labeling.rounds.models import Artifact, Portion, Stage


@dataclass(frozen=True)
class Made:
    """What a stage hands on. artifact: None of a publication. usage: of the worker that computed it. note: why nothing
    was computed."""

    artifact: Artifact | None
    state: Stage.State = Stage.State.DONE
    note: str = ""
    usage: Usage | None = None


class Lease(Heartbeat):
    """A claimed stage: kept this worker's own while the work goes on, reported, and ended in one of five ways.

    worker  the id of this process, which is kept away from the stage when it lacks what that needs
    """

    def __init__(self, stage: Stage, owner: uuid.UUID, worker: str = "") -> None:
        super().__init__(self.renew, f"stage {stage.pk}")
        self.stage, self.row_id, self.owner, self.worker = stage, stage.pk, owner, worker
        self.watch, self.device = Watch(), ""
        self.began = monotonic()
        self.found: int | None = None  # units that were there before
        self.latest = 0
        self.last_report = 0.0

    def __enter__(self) -> "Lease":
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        needs.let_go()

    def go_on(self) -> None:
        """Raises Cancelled when somebody asked to stop, LeaseLost."""
        if self.stop():
            raise Cancelled("cancelled")

    def renew(self) -> bool:
        return stages.renew(self.row_id, self.owner, self.used())

    def used(self) -> Usage:
        """What this process uses (usage.py), the device that nets compute on where there are any, and the units it made
        in how many seconds."""
        own = {"made": self.latest - (self.found or 0), "seconds": round(monotonic() - self.began, 1)}
        device = {"device": self.device} if self.device else {}
        return Usage.model_validate({**self.watch.sample(), **own, **device})

    # -- while it is at work

    def report(self, progress: Progress) -> None:
        """Progress to the row: always when there is something to say, else at most twice a second."""
        # The first report comes after the first unit of this worker; what counts before it was there already.
        if progress.done and self.found is None:
            self.found = progress.done - 1
        self.latest = max(self.latest, progress.done)
        now = monotonic()
        last = progress.done >= progress.total
        if progress.note or progress.values or last or now - self.last_report > 0.5:
            self.last_report = now
            self.tell(progress)

    @patient
    def tell(self, progress: Progress) -> None:
        stages.report(
            self.row_id,
            self.owner,
            done=progress.done,
            total=progress.total,
            note=progress.note,
            values=progress.values,
        )

    @patient
    def say(self, text: str) -> None:
        """A line in the stage's log."""
        stages.say(self.stage.pk, text)

    @patient
    def spread(self, images: Sequence[int]) -> int:
        """Make portions of the images, and let go of the stage. -> how many; 0 when all are made already."""
        return portions.spread(self.row_id, self.owner, images)

    # -- the ways in which it ends

    @patient
    def keep(self, key: str, file: Path, sha256: str, facts: Facts) -> Made:
        """Store what the stage made; it is not finished by this. Raises Cancelled when somebody asked to stop."""
        if self.stop():
            raise Cancelled("cancelled")
        artifact = artifacts.keep(key=key, kind=self.stage.kind, file=file, sha256=sha256, facts=facts)
        return Made(artifact, usage=self.used())

    @patient
    def finish(self, key: str, made: Made) -> None:
        """The stage is done, and what waits for it can start."""
        state, usage, note = made.state, made.usage, made.note
        stages.finish(self.row_id, self.owner, key=key, artifact=made.artifact, state=state, usage=usage, note=note)

    @patient
    def cancel(self) -> None:
        stages.end(self.row_id, self.owner, state=Stage.State.CANCELLED, usage=self.used())

    @patient
    def fail(self, sentence: str) -> None:
        stages.end(self.row_id, self.owner, state=Stage.State.FAILED, error=sentence, usage=self.used())

    @patient
    def retry(self, reason: str) -> None:
        stages.hand_back(self.row_id, self.owner, reason)

    @patient
    def back_off(self, error: Exception) -> None:
        stages.hand_back_missing(self.row_id, self.owner, resource_of(error), self.worker)


class PortionLease(Lease):
    """The same for a portion of a stage. Progress goes with the renewal: the work never waits for it."""

    def __init__(self, portion: Portion, owner: uuid.UUID, worker: str = "") -> None:
        super().__init__(portion.stage, owner, worker)
        self.portion, self.row_id, self.name = portion, portion.pk, str(portion)
        self.done = 0

    def __exit__(self, *error: object) -> None:
        Heartbeat.__exit__(self, *error)  # its models stay where they are, for the next portion

    def renew(self) -> bool:
        return portions.renew(self.row_id, self.owner, done=self.done, usage=self.used())

    def report(self, progress: Progress) -> None:
        self.done = progress.done
        if progress.note:
            self.say(progress.note)

    @patient
    def finish_with(self, file: Path) -> None:
        """The units of the portion, in one file, go to whoever gathers them."""
        portions.finish(self.portion, self.owner, file=file, usage=self.used())

    @patient
    def cancel(self) -> None:
        portions.cancelled(self.row_id, self.owner)

    @patient
    def fail(self, sentence: str) -> None:
        portions.failed(self.row_id, self.owner, sentence)

    @patient
    def retry(self, reason: str) -> None:
        portions.hand_back(self.row_id, self.owner)

    @patient
    def back_off(self, error: Exception) -> None:
        portions.hand_back_missing(self.row_id, self.owner, resource_of(error), self.worker)
