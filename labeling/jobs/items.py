"""The files of a job: taken one after the other by its worker, each with an end of its own, and tried again.

The worker that holds the lease of the job owns all its items. What it writes of an item it writes under the lock of the
job's row, so that a worker that has lost its lease writes nothing.
"""

import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.types import Cancelled
from labeling.errors import LabelingError, WrongState
from labeling.jobs import services
from labeling.jobs.handlers import HandBack, Tell
from labeling.jobs.models import Job, JobItem
from labeling.leases import AWAY, LeaseLost, patiently
from labeling.outcomes import NO_ROOM
from labeling.recovery import isolated

SHARE = 20.0  # seconds that a job may take while others wait
MOST_DEATHS = 2  # of workers at one file, then it is declined
STRAY_AFTER = timedelta(days=1)  # a file in the storage that belongs to no job
CLEAN_EVERY = timedelta(hours=1)  # for such files
logger = logging.getLogger(__name__)
_next_cleaning = datetime.min.replace(tzinfo=UTC)


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
        _do(item, act, partial(end_item, job.pk, owner, item.pk))
        if monotonic() - began > SHARE and _others_wait(job):
            raise HandBack


def _do(item: JobItem, act: Act, end: End) -> None:
    try:
        act(item, end)
    except (Cancelled, LeaseLost, LabelingError, *AWAY):
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


def _others_wait(job: Job) -> bool:
    return Job.objects.filter(state=Job.State.WAITING).exclude(pk=job.pk).exists()


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
    services.requeue(job)
    return job


@transaction.atomic
def discard(job_id: int) -> Job:
    """Remove the files of a job that were not read, before their time. Raises WrongState for one at work."""
    job = Job.objects.select_for_update().get(pk=job_id)
    if job.is_active:
        raise WrongState(_("this job is at work; cancel it first"))
    if job.state != Job.State.EXPIRED:
        services.expire(job)
    return job


def recover(now: datetime) -> list[str]:
    """Remove files that were stored for a job which never came to be, as its process died in between. -> sentences.

    Looks once in a while only: a storage may be slow to list.
    """
    global _next_cleaning
    if now < _next_cleaning:
        return []
    _next_cleaning = now + CLEAN_EVERY
    storage = JobItem._meta.get_field("file").storage
    try:
        there = storage.listdir("uploads")[1]
    except FileNotFoundError:  # nothing was uploaded yet
        return []
    sentences = []
    for name in (f"uploads/{name}" for name in there):
        with isolated(name):
            is_old = storage.get_modified_time(name) < now - STRAY_AFTER
            if is_old and not JobItem.objects.filter(file=name).exists():
                storage.delete(name)
                sentences.append(f"{name}: belonged to no job and is removed")
    return sentences
