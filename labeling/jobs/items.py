"""The files of a job: taken one after the other by its worker, each with an end of its own, and tried again.

The worker that holds the lease of the job owns all its items. What it writes of an item it writes under the lock of the
job's row, so that a worker that has lost its lease writes nothing.
"""

import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.types import Cancelled, MissingResource
from labeling.errors import LabelingError, WrongState
from labeling.jobs import services
from labeling.jobs.handlers import HandBack, Tell
from labeling.jobs.models import Job, JobItem
from labeling.jobs.stray_files import StrayFiles
from labeling.leases import AWAY, LeaseLost, patiently
from labeling.outcomes import NO_ROOM, BackOff

SHARE = 20.0  # seconds that a job may take while others wait
MOST_DEATHS = 2  # of workers at one file, then it is declined
logger = logging.getLogger(__name__)
_stray_files = StrayFiles("uploads", JobItem, after=timedelta(days=1), owner="job")


class End(Protocol):
    """Writes what came of an item. Called inside a transaction it holds with that transaction, or not at all.

    facts  the document of the job's kind, as JSON
    """

    def __call__(self, state: JobItem.State, *, facts: Mapping[str, object] | None = None, error: str = "") -> None: ...


Act = Callable[[JobItem, End], None]


def each_item(job: Job, tell: Tell, act: Act) -> None:
    """Do the waiting items of a job, one after the other, those that come to wait in the meantime among them.

    act  does one item and calls `end` once. What it raises as a LabelingError ends the whole job; a fault of ours costs
         that item only. A dead worker's successor begins with the item that was at work.

    Raises Cancelled, HandBack when the job has had its share and others wait, LeaseLost.
    """
    assert job.lease_owner is not None
    owner = job.lease_owner
    began = monotonic()
    while True:
        tell(*counted(job))
        item = patiently(lambda: next_item(job.pk, owner))
        if item is None:
            return
        _do(item, act, partial(end_item, job.pk, owner, item.pk), owner)
        if monotonic() - began > SHARE and others_wait(job):
            raise HandBack


def _do(item: JobItem, act: Act, end: End, owner: uuid.UUID) -> None:
    try:
        act(item, end)
    except (Cancelled, LeaseLost, LabelingError, *AWAY):
        raise
    except (MissingResource, BackOff):
        patiently(lambda: put_back(item, owner))
        raise
    except Exception as error:  # of this file alone; it is logged, not hidden
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        logger.exception("file %s of job %s could not be done", item.position, item.job_id)
        end(JobItem.State.DECLINED, facts={"code": "fault"})
    item.refresh_from_db()
    if item.state == JobItem.State.DONE and item.file:
        item.file.delete()


def counted(job: Job) -> tuple[int, int]:
    """How many items have ended, of how many."""
    return job.items.exclude(state__in=JobItem.OPEN).count(), job.items.count()


def others_wait(job: Job) -> bool:
    return Job.objects.filter(state=Job.State.WAITING, queue=job.queue).exclude(pk=job.pk).exists()


@transaction.atomic
def put_back(item: JobItem, owner: uuid.UUID) -> None:
    """The item waits again, and nobody died of it: what it needs is missing, or others come first. Raises LeaseLost."""
    services.owned(item.job_id, owner)
    JobItem.objects.filter(pk=item.pk).update(state=JobItem.State.WAITING, attempts=max(0, item.attempts - 1))


@transaction.atomic
def note(job_id: int, owner: uuid.UUID, item_id: int, facts: Mapping[str, object], *, is_further: bool) -> None:
    """How far the item at work is. Raises LeaseLost.

    is_further  something of it is done that a successor need not do again: deaths of workers are counted anew
    """
    job = services.owned(job_id, owner)
    item = job.items.filter(pk=item_id)
    item.update(facts=dict(facts))
    if is_further:
        item.update(attempts=1)
        job.attempts = 1
        job.save(update_fields=["attempts"])


def next_item(job_id: int, owner: uuid.UUID) -> JobItem | None:
    """The next item to be done, marked as at work; None when none is left. Raises LeaseLost."""
    while True:
        with transaction.atomic():
            job = services.owned(job_id, owner)
            item = job.items.filter(state__in=JobItem.OPEN).first()
            if item is None:
                return None
            if item.attempts < MOST_DEATHS:
                item.state, item.started_at = JobItem.State.RUNNING, timezone.now()
                item.attempts += 1
                item.save()
                return item
            end_item(job_id, owner, item.pk, JobItem.State.DECLINED, facts={"code": "worker_died"})


@transaction.atomic
def end_item(
    job_id: int,
    owner: uuid.UUID,
    item_id: int,
    state: JobItem.State,
    *,
    facts: Mapping[str, object] | None = None,
    error: str = "",
) -> None:
    """What came of an item. The job has made progress, so deaths of its workers are counted anew. Raises LeaseLost."""
    job = services.owned(job_id, owner)
    job.items.filter(pk=item_id).update(state=state, facts=dict(facts or {}), error=error, finished_at=timezone.now())
    job.done, job.total = counted(job)
    job.attempts = 1
    job.save(update_fields=["done", "total", "attempts"])


@transaction.atomic
def retry(job_id: int, *, items: Collection[int] | None = None) -> Job:
    """Read again what was declined or cancelled: all of it, or the named items. Raises WrongState."""
    job = _continued(job_id)
    wanted = job.items.filter(state__in=JobItem.AGAIN).exclude(file="", choice={})
    return _again(job, wanted if items is None else wanted.filter(pk__in=items))


@transaction.atomic
def choose(job_id: int, *, items: Collection[int], choice: Mapping[str, object]) -> Job:
    """Go on with items that need a choice, which this is. Raises WrongState."""
    job = _continued(job_id)
    wanted = job.items.filter(state=JobItem.State.CHOICE, pk__in=items).exclude(file="", choice={})
    for item in wanted:
        item.choice = {**item.choice, **choice}
        item.save(update_fields=["choice"])
    return _again(job, wanted)


def _continued(job_id: int) -> Job:
    """The job, locked. Raises WrongState for one whose files are gone or that is about to stop."""
    job = Job.objects.select_for_update().get(pk=job_id)
    if job.state == Job.State.EXPIRED:
        raise WrongState(_("the files of this job were removed; send them again"))
    if job.is_active and job.cancel_requested:
        raise WrongState(_("this job is about to stop; try again in a moment"))
    return job


def _again(job: Job, items: Any) -> Job:
    changed = items.update(
        state=JobItem.State.WAITING, facts={}, error="", attempts=0, started_at=None, finished_at=None
    )
    if not changed:
        raise WrongState(_("none of these files can be read again: each is done, waits, or was removed"))
    job.done, job.total = counted(job)
    if job.is_active:  # its worker will come to them
        job.save(update_fields=["done", "total"])
        return job
    job.attempts, job.cancel_requested = 0, False
    job.has_everything()  # as a round that is tried again: somebody may have added what was missing
    services.requeue(job)
    return job


@transaction.atomic
def discard(job_id: int) -> Job:
    """Remove the files of a job that were not read, before their time. Raises WrongState for one at work."""
    job = Job.objects.select_for_update().get(pk=job_id)
    if job.is_active:
        raise WrongState(_("this job is running; cancel it first"))
    if job.state != Job.State.EXPIRED:
        services.expire(job)
    return job


def recover(now: datetime) -> list[str]:
    """Remove files that were stored for a job which never came to be, as its process died in between. -> sentences."""
    return _stray_files.recover(now)
