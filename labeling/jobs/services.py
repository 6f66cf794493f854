"""Every write to a job: asked for, claimed, kept, reported, ended, cancelled, started again, expired."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.files import File
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import jobs
from labeling.accounts.models import User
from labeling.errors import WrongState
from labeling.jobs.models import Job
from labeling.leases import LEASE, LeaseLost
from labeling.projects.models import Project
from labeling.recovery import REQUEUE_AFTER

QUEUE = "files"  # a process of its own, never behind a training
KEPT_FOR = timedelta(days=7)  # how long a result can be fetched
MOST_ACTIVE = 5  # of one person in one project at a time


class TooManyJobs(WrongState):
    """This person has enough jobs at work in this project."""

    code = "too_many_jobs"


@transaction.atomic
def create_job(*, kind: Job.Kind, project: Project, owner: User, request: dict[str, Any]) -> Job:
    """Ask for work. The same request twice, while the first is at work, is one job. Raises TooManyJobs."""
    User.objects.select_for_update().get(pk=owner.pk)  # two clicks at once must not make two jobs
    active = Job.objects.filter(project=project, owner=owner, state__in=Job.ACTIVE, cancel_requested=False)
    same = active.filter(kind=kind, request=request).first()
    if same is not None:
        return same
    if active.count() >= MOST_ACTIVE:
        raise TooManyJobs(
            _("you have {n} jobs at work in this project; wait for one to end, or cancel one").format(n=MOST_ACTIVE)
        )
    job = Job.objects.create(kind=kind, project=project, owner=owner, request=request, queued_at=timezone.now())
    _send(job)
    return job


@transaction.atomic
def claim(job_id: int) -> tuple[Job, uuid.UUID] | None:
    """Take a waiting job for this worker, or None when there is nothing to do (a message that came twice)."""
    job = Job.objects.select_for_update().filter(pk=job_id, state=Job.State.WAITING).first()
    if job is None:
        return None
    if job.cancel_requested:
        _end(job, Job.State.CANCELLED)
        return None
    now, owner = timezone.now(), uuid.uuid4()
    job.state, job.lease_owner, job.lease_until = Job.State.RUNNING, owner, now + LEASE
    job.attempts += 1
    job.started_at = job.started_at or now
    job.save()
    return job, owner


def renew(job_id: int, owner: uuid.UUID) -> bool:
    """Keep the lease. -> True when somebody asked to cancel. Raises LeaseLost."""
    if not _mine(job_id, owner).update(lease_until=timezone.now() + LEASE):
        raise LeaseLost
    return Job.objects.values_list("cancel_requested", flat=True).get(pk=job_id)


def report(job_id: int, owner: uuid.UUID, *, done: int, total: int) -> None:
    """How far the work is. Raises LeaseLost."""
    if not _mine(job_id, owner).update(done=done, total=total):
        raise LeaseLost


def finish(job_id: int, owner: uuid.UUID, *, file: Path, name: str, content_type: str, facts: dict[str, Any]) -> None:
    """Keep the result. The file is stored before the row says so, so nobody sees half of it. Raises LeaseLost."""
    field = Job._meta.get_field("result")
    with file.open("rb") as stream:
        stored = field.storage.save(f"jobs/{job_id}-{uuid.uuid4().hex}{file.suffix}", File(stream))
    try:
        with transaction.atomic():
            job = _owned(job_id, owner)
            job.result.name, job.result_name, job.result_type, job.facts = stored, name, content_type, facts
            job.expires_at = timezone.now() + KEPT_FOR
            job.done = job.total = max(job.total, 1)
            _end(job, Job.State.DONE)
    except BaseException:
        field.storage.delete(stored)
        raise


@transaction.atomic
def end(job_id: int, owner: uuid.UUID, state: Job.State, error: str = "") -> None:
    """The job was cancelled or failed: say why. Raises LeaseLost."""
    _end(_owned(job_id, owner), state, error)


@transaction.atomic
def cancel(job_id: int) -> Job:
    """Ask a job to stop; one that no worker has taken stops at once, one that is cancelled stays so.

    Raises WrongState for one that has ended.
    """
    job = Job.objects.select_for_update().get(pk=job_id)
    if job.state == Job.State.CANCELLED:
        return job
    if not job.is_active:
        raise WrongState(_("this job has ended already"))
    job.cancel_requested = True
    if job.state == Job.State.WAITING:
        _end(job, Job.State.CANCELLED)
    else:
        job.save(update_fields=["cancel_requested"])
    return job


def recover(now: datetime) -> list[str]:
    """Start again what lost its worker or its message, and remove results that have expired. -> sentences."""
    sentences = []
    for pk in Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=now).values_list("pk", flat=True):
        sentences += _revive(pk, now)
    for job in Job.objects.filter(state=Job.State.WAITING, queued_at__lt=now - REQUEUE_AFTER):
        Job.objects.filter(pk=job.pk).update(queued_at=now)
        _send(job)
    for job in Job.objects.filter(state=Job.State.DONE, expires_at__lt=now):
        job.result.delete(save=False)
        Job.objects.filter(pk=job.pk).update(state=Job.State.EXPIRED, result="")
        sentences.append(f"{job}: its result has expired and is removed")
    return sentences


@transaction.atomic
def _revive(job_id: int, now: datetime) -> list[str]:
    job = Job.objects.select_for_update().get(pk=job_id)
    if job.state != Job.State.RUNNING or job.lease_until is None or job.lease_until >= now:
        return []
    if job.cancel_requested:
        _end(job, Job.State.CANCELLED)
        return [f"{job}: its worker was gone when it was cancelled"]
    if job.attempts >= Job.MAX_ATTEMPTS:
        _end(job, Job.State.FAILED, _("The worker died {n} times in this job.").format(n=job.attempts))
        return [f"{job}: given up after {job.attempts} attempts"]
    job.state, job.lease_owner, job.lease_until, job.queued_at = Job.State.WAITING, None, None, now
    job.save()
    _send(job)
    return [f"{job}: its worker was lost, it starts again"]


def _send(job: Job) -> None:
    jobs.send("labeling.run_job", queue=QUEUE, job_id=job.pk)


def _mine(job_id: int, owner: uuid.UUID) -> Any:
    return Job.objects.filter(pk=job_id, lease_owner=owner, state=Job.State.RUNNING)


def _owned(job_id: int, owner: uuid.UUID) -> Job:
    job: Job | None = _mine(job_id, owner).select_for_update().first()
    if job is None:
        raise LeaseLost
    return job


def _end(job: Job, state: Job.State, error: str = "") -> None:
    job.state, job.error = state, error
    job.lease_owner = job.lease_until = None
    job.finished_at = timezone.now()
    job.save()
