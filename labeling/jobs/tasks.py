"""The task that does jobs: claimed by a lease, cancelled between units, started again when its worker dies."""

import contextlib
import logging
import tempfile
from pathlib import Path
from time import monotonic

from celery import shared_task

from labeling.errors import LabelingError
from labeling.jobs import services
from labeling.jobs.handlers import HANDLERS, Cancelled, HandBack, Tell
from labeling.jobs.items import NO_ROOM
from labeling.jobs.models import Job
from labeling.leases import AWAY, Heartbeat, LeaseLost, patiently

logger = logging.getLogger(__name__)
TELL_EVERY = 0.5  # seconds between two writes of progress


@shared_task(name="labeling.run_job")
def run_job(job_id: int) -> None:
    """Do one job. A rule of the domain that says no ends it with a sentence; a bug ends it too, and is raised."""
    claimed = patiently(lambda: services.claim(job_id))
    if claimed is None:
        return
    job, owner = claimed

    def end(state: Job.State, error: str = "") -> None:
        with contextlib.suppress(LeaseLost):
            patiently(lambda: services.end(job.pk, owner, state, error))

    with Heartbeat(lambda: services.renew(job.pk, owner), f"job {job.pk}") as beat:
        try:
            _do(job, beat, lambda done, total: services.report(job.pk, owner, done=done, total=total))
        except Cancelled:
            end(Job.State.CANCELLED)
        except HandBack:
            with contextlib.suppress(LeaseLost):
                patiently(lambda: services.hand_back(job.pk, owner))
        except LeaseLost:
            logger.warning("job %s belongs to another worker now; nothing of this attempt is written", job.pk)
        except AWAY:  # the lease runs out, and the job starts again
            logger.exception("job %s: the database went away", job.pk)
        except LabelingError as error:
            end(Job.State.FAILED, str(error))
        except OSError as error:
            if error.errno not in NO_ROOM:
                end(Job.State.FAILED, f"{type(error).__name__}: {error}")
                raise
            logger.exception("job %s has no room", job.pk)
            end(Job.State.FAILED, "The disk is full. Make room, then start the job again.")
        except Exception as error:
            end(Job.State.FAILED, f"{type(error).__name__}: {error}")
            raise


def _do(job: Job, beat: Heartbeat, write: Tell) -> None:
    last = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal last
        if beat.stop():
            raise Cancelled
        if monotonic() - last > TELL_EVERY or done == total:
            last = monotonic()
            patiently(lambda: write(done, total))

    with tempfile.TemporaryDirectory(prefix="boxwise-job-") as folder:
        result = HANDLERS[job.kind](job, Path(folder), tell)
        if beat.stop():
            raise Cancelled
        assert job.lease_owner is not None
        services.finish(
            job.pk,
            job.lease_owner,
            file=result.file,
            name=result.name,
            content_type=result.content_type,
            facts=result.facts,
        )
