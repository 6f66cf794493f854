"""The task that does jobs: claimed by a lease, cancelled between units, started again when its worker dies."""

import socket
import tempfile
import uuid
from pathlib import Path
from time import monotonic

from inference.types import Cancelled, MissingResource
from labeling import outcomes
from labeling.jobs import services
from labeling.jobs.handlers import HANDLERS, Result
from labeling.jobs.models import Job
from labeling.leases import Heartbeat, patient, patiently, resource_of

TELL_EVERY = 0.5  # seconds between two writes of progress
WORKER = f"{socket.gethostname()} {uuid.uuid4().hex[:12]}"  # this process: one that is started again may have more


class JobLease(Heartbeat):
    """A job that this worker has claimed, and what the worker writes of it."""

    def __init__(self, job: Job, owner: uuid.UUID) -> None:
        super().__init__(self.renew, f"job {job.pk}")
        self.job, self.owner = job, owner
        self.last_report = 0.0

    def renew(self) -> bool:
        return services.renew(self.job.pk, self.owner)

    def tell(self, done: int, total: int) -> None:
        """How far the work is, at most twice a second. Raises Cancelled when somebody asked to stop, LeaseLost."""
        self.go_on()
        if monotonic() - self.last_report > TELL_EVERY or done == total:
            self.last_report = monotonic()
            patiently(lambda: services.report(self.job.pk, self.owner, done=done, total=total))

    def go_on(self) -> None:
        """Raises Cancelled when somebody asked to stop, LeaseLost."""
        if self.stop():
            raise Cancelled("cancelled")

    def finish(self, made: Result) -> None:
        services.finish(
            self.job.pk,
            self.owner,
            file=made.file,
            name=made.name,
            content_type=made.content_type,
            facts=made.facts,
        )

    @patient
    def cancel(self) -> None:
        services.end(self.job.pk, self.owner, Job.State.CANCELLED)

    @patient
    def retry(self, reason: str) -> None:
        services.JOBS.expire(self.job.pk, self.owner)

    @patient
    def back_off(self, error: Exception) -> None:
        if isinstance(error, MissingResource):
            services.hand_back_missing(self.job.pk, self.owner, resource_of(error), WORKER)
        else:
            services.hand_back(self.job.pk, self.owner)

    @patient
    def fail(self, sentence: str) -> None:
        services.end(self.job.pk, self.owner, Job.State.FAILED, sentence)


def claim_job(job_id: int) -> JobLease | None:
    claimed = patiently(lambda: services.claim(job_id, WORKER))
    return JobLease(*claimed) if claimed else None


@outcomes.task("labeling.run_job", claim=claim_job)
def run_job(lease: JobLease) -> None:
    """Do one job: its handler writes into an empty folder, and what it made is kept."""
    with tempfile.TemporaryDirectory(prefix="boxwise-job-") as folder:
        made = HANDLERS[lease.job.kind](lease.job, Path(folder), lease.tell)
        lease.go_on()
        lease.finish(made)
