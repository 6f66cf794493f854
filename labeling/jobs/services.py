"""Every write to a job: asked for, claimed, kept, reported, ended, cancelled, started again, expired."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.core.files import File
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.documents.stage_reports import MissingResource
from labeling import jobs
from labeling.accounts.models import User
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import WrongState
from labeling.jobs.models import Job, JobItem
from labeling.leases import Fate, Work
from labeling.projects.models import Project
from labeling.recovery import isolated, recover_leased

FILES = "files"  # the queue of a process of its own, never behind a training
KEPT_FOR = timedelta(days=7)  # how long a result can be fetched, and a file that was not read be read again
# Of one person in one project at a time. A script may send one file a request, so there may be many of those.
MOST_ACTIVE = {
    Job.Kind.EXPORT: 5,
    Job.Kind.READ: 100,
    Job.Kind.IMPORT: 5,
    Job.Kind.FIELDS: 20,
    Job.Kind.PROPOSE: 5,
    Job.Kind.AGREEMENT: 2,
    Job.Kind.CONSENSUS: 20,
    Job.Kind.CERTIFICATE: 5,
    Job.Kind.CLASS_MERGE: 20,
    Job.Kind.VECTORS: 2,
    Job.Kind.CELL_MAP: 2,
    Job.Kind.COPY: 5,
}


class TooManyJobs(WrongState):
    """This person has enough jobs at work in this project."""

    code = "too_many_jobs"


@dataclass(frozen=True)
class NewItem:
    """A file of a job that is asked for.

    file    its name in uploads_storage; "" where it is declined for `facts`, or lies elsewhere
    choice  what holds for this item alone; one without a file waits where there is such a choice
    """

    name: str
    size: int
    file: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    choice: Mapping[str, object] = field(default_factory=dict)


@transaction.atomic
def create_job(
    *,
    kind: Job.Kind,
    project: Project,
    owner: User,
    request: Mapping[str, object],
    items: Sequence[NewItem] = (),
    queue: str = FILES,
) -> Job:
    """Ask for work. The same request twice, while the first is at work, is one job, unless it brings files of its own.

    request  the document of the job's kind, as JSON
    queue    of the workers that do it

    Raises TooManyJobs.
    """
    User.objects.select_for_update().get(pk=owner.pk)  # two clicks at once must not make two jobs
    active = Job.objects.filter(project=project, owner=owner, kind=kind, state__in=Job.ACTIVE, cancel_requested=False)
    same = None if items else active.filter(request=dict(request)).first()
    if same is not None:
        return same
    if active.count() >= MOST_ACTIVE[kind]:
        words = _("you have {n} running jobs in this project; wait for one to end, or cancel one")
        raise TooManyJobs(words.format(n=MOST_ACTIVE[kind]))
    job = Job.objects.create(
        kind=kind, project=project, owner=owner, request=dict(request), queued_at=timezone.now(), total=len(items),
        queue=queue,
    )  # fmt: skip
    JobItem.objects.bulk_create(_row(job, position, item) for position, item in enumerate(items, start=1))
    if kind == Job.Kind.EXPORT:
        record(Act.EXPORT_REQUESTED, project=project, by=owner, job=job.pk, request=dict(request))
    JOBS.send(job)
    return job


def add_items(job: Job, items: Sequence[NewItem]) -> None:
    """More items for a job at work. The caller holds the row lock."""
    last = job.items.order_by("position").last()
    first = 1 if last is None else last.position + 1
    JobItem.objects.bulk_create(_row(job, position, item) for position, item in enumerate(items, start=first))
    job.total += len(items)
    job.save(update_fields=["total"])


def _row(job: Job, position: int, item: NewItem) -> JobItem:
    state = JobItem.State.WAITING if item.file or item.choice else JobItem.State.DECLINED
    return JobItem(
        job=job, position=position, state=state, name=item.name, size=item.size, file=item.file,
        facts=dict(item.facts), choice=dict(item.choice),
    )  # fmt: skip


class Jobs(Work[Job]):
    """Jobs as leased rows."""

    model = Job
    goes_on = "starts again"

    def takeable(self, pk: int, worker: str, now: datetime) -> Job | None:
        """Not where the worker is kept away."""
        job = super().takeable(pk, worker, now)
        return None if job is None or job.is_kept_away(worker, now) else job

    def begin(self, row: Job, now: datetime) -> None:
        row.started_at = row.started_at or now
        row.missing_resource = {}

    def is_cancelled(self, row: Job) -> bool:
        return row.cancel_requested

    def lost(self, row: Job, fate: Fate, sentence: str, now: datetime) -> None:
        match fate:
            case Fate.CANCELLED:
                _end(row, Job.State.CANCELLED)
            case Fate.GIVEN_UP:
                _end(row, Job.State.FAILED, _("The worker died {n} times in this job.").format(n=row.attempts))
            case Fate.AGAIN:
                requeue(row)

    def late(self, before: datetime) -> QuerySet[Job]:
        waiting = Job.objects.filter(state=Job.State.WAITING, queued_at__lt=before)
        return waiting.filter(Q(again_at__isnull=True) | Q(again_at__lt=timezone.now()))

    def send(self, row: Job) -> None:
        jobs.send("labeling.run_job", queue=row.queue, job_id=row.pk)


JOBS = Jobs()
claim, owned = JOBS.claim, JOBS.owned


def renew(job_id: int, owner: uuid.UUID) -> bool:
    """Keep the lease. -> True when somebody asked to cancel. Raises LeaseLost."""
    JOBS.renew(job_id, owner)
    return Job.objects.values_list("cancel_requested", flat=True).get(pk=job_id)


def report(job_id: int, owner: uuid.UUID, *, done: int, total: int) -> None:
    """How far the work is. Raises LeaseLost."""
    JOBS.change(job_id, owner, done=done, total=total)


def finish(
    job_id: int, owner: uuid.UUID, *, file: Path | None, name: str, content_type: str, facts: Mapping[str, object]
) -> None:
    """The job is done; keep its result, where there is one. The file is stored before the row says so, so nobody sees
    half of it. Raises LeaseLost."""
    storage = Job._meta.get_field("result").storage
    stored = ""
    if file is not None:
        with file.open("rb") as stream:
            stored = storage.save(f"jobs/{job_id}-{uuid.uuid4().hex}{file.suffix}", File(stream))
    try:
        with transaction.atomic():
            job = owned(job_id, owner)
            job.result.name, job.result_name, job.result_type, job.facts = stored, name, content_type, dict(facts)
            job.done = job.total = max(job.total, 1)
            job.has_everything()
            _end(job, Job.State.DONE)
    except BaseException:
        if stored:
            storage.delete(stored)
        raise


@transaction.atomic
def end(job_id: int, owner: uuid.UUID, state: Job.State, error: str = "") -> None:
    """The job was cancelled or failed: say why. Raises LeaseLost."""
    _end(owned(job_id, owner), state, error)


@transaction.atomic
def hand_back(job_id: int, owner: uuid.UUID) -> None:
    """Put the job at the end of the queue; what it has done stays done. Raises LeaseLost."""
    job = owned(job_id, owner)
    job.attempts = 0
    requeue(job)


@transaction.atomic
def hand_back_missing(job_id: int, owner: uuid.UUID, missing: MissingResource, worker: str) -> None:
    """Hand the job back because this worker lacks what it needs (leases.Backoff). What it has done stays done.

    The message goes out once more for the others; this worker will not take it before the pause is over.
    Raises LeaseLost.
    """
    job = owned(job_id, owner)
    job.keep_away(missing, worker, timezone.now())
    job.attempts -= 1  # nobody died
    requeue(job)


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
    """Start again what lost its worker or its message, and remove what has expired. -> sentences."""
    sentences = recover_leased(JOBS, now)
    for pk in Job.objects.filter(expires_at__lt=now).exclude(state=Job.State.EXPIRED).values_list("pk", flat=True):
        with isolated(f"job {pk}"), transaction.atomic():
            job = Job.objects.select_for_update().get(pk=pk)
            if not job.is_active and job.expires_at is not None and job.expires_at < now:
                expire(job)
                sentences.append(f"{job}: what it kept has expired and is removed")
    return sentences


def expire(job: Job) -> None:
    """Remove the result and the files that were not read, with their names. The caller holds the row lock."""
    if job.result:
        job.result.delete(save=False)
    for item in job.items.exclude(file=""):
        item.file.delete(save=False)
    job.items.update(file="")
    job.items.exclude(state=JobItem.State.DONE).delete()
    job.state = Job.State.EXPIRED
    job.save(update_fields=["state", "result"])


def requeue(job: Job) -> None:
    """Let the job wait for a worker again, unless somebody asked to stop it. The caller holds the row lock."""
    if job.cancel_requested:
        _end(job, Job.State.CANCELLED)
        return
    job.let_go()
    job.state, job.error = Job.State.WAITING, ""
    job.queued_at, job.finished_at, job.expires_at = timezone.now(), None, None
    job.save()
    JOBS.send(job)


def _end(job: Job, state: Job.State, error: str = "") -> None:
    now = timezone.now()
    if state == Job.State.DONE and job.items.filter(state=JobItem.State.WAITING).exists():
        requeue(job)  # somebody chose for a file after the worker had looked for the last one
        return
    if state != Job.State.DONE:
        job.items.filter(state__in=JobItem.OPEN).update(state=JobItem.State.CANCELLED, finished_at=now)
    job.state, job.error = state, error
    job.let_go()
    job.finished_at = now
    keeps_something = job.result or job.items.exclude(file="").exists()
    job.expires_at = now + KEPT_FOR if keeps_something else None
    job.save()
