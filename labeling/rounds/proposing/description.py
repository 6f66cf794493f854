"""What a job that proposes cells says of itself, in the reader's language."""

from dataclasses import asdict, dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from inference.documents.base import JsonObject
from inference.documents.proposing import ProposalChoice, ProposalRequest, ProposedFacts
from labeling.jobs.handlers import describes
from labeling.jobs.models import Job, JobItem
from labeling.rounds.execution.backoff import SENTENCES, in_words, remedy_of
from labeling.rounds.models import Round
from labeling.rounds.proposing.estimate import time_left
from labeling.rounds.proposing.services import Progress, progress_of

REASONS = {
    "gone": gettext_lazy("It left the project while the job was running."),
    "fault": gettext_lazy(
        "A fault in Boxwise, which is written to the worker’s log. Propose on it again; if it stays, report it."
    ),
    "worker_died": gettext_lazy(
        "The worker died twice at this image, mostly for want of memory. Free memory, or propose on a region of it."
    ),
}


@dataclass(frozen=True)
class Described:
    """A job, with its progress and its images that got no proposals because something went wrong."""

    job: Job
    progress: Progress
    seconds_left: float | None
    waits: str
    remedy: str
    declined: list[tuple[str, str]]
    models: str
    licence: str
    elsewhere: bool
    withdrawn: bool

    @property
    def headline(self) -> str:
        """ "412 cells proposed in 8 images"."""
        done = self.progress.images - self.progress.declined
        cells = ngettext("{n} cell proposed", "{n} cells proposed", self.progress.cells).format(n=self.progress.cells)
        images = ngettext("in {n} image", "in {n} images", done).format(n=done)
        return f"{cells} {images}"

    @property
    def percent(self) -> int:
        everything = self.progress.all_megapixels
        return int(100 * self.progress.megapixels / everything) if everything else 0


def described_job(job: Job) -> Described:
    items = list(job.items.all())
    asked = ProposalRequest.stored(job.request)
    missing = job.missing if job.is_active else None
    left = time_left(items) if job.state == Job.State.RUNNING else None
    return Described(
        job=job,
        progress=progress_of(items),
        seconds_left=left.total_seconds() if left is not None else None,
        waits=in_words(missing, _(SENTENCES[missing.what])) if missing is not None else _behind_a_round(job),
        remedy=in_words(missing, _(remedy_of(missing))) if missing is not None else "",
        declined=[(item.name, reason_of(item)) for item in items if item.state == JobItem.State.DECLINED],
        models=", ".join(model.name for model in asked.models.values()),
        licence=asked.licence,
        elsewhere=asked.elsewhere,
        withdrawn=bool(job.facts.get("withdrawn")),
    )


def _behind_a_round(job: Job) -> str:
    """Why a job waits although it lacks nothing: the workers are at a round of its project. "" where they are not."""
    if job.state != Job.State.WAITING:
        return ""
    running = Round.objects.filter(project=job.project_id, state=Round.State.RUNNING).first()
    if running is None:
        return ""
    return _("no worker is free, and round {n} of this project is running").format(n=running.number)


def reason_of(item: JobItem) -> str:
    code = ProposedFacts.stored(item.facts).code
    return str(REASONS[code]) if code in REASONS else item.error


@describes(Job.Kind.PROPOSE)
def described(job: Job) -> JsonObject:
    about = described_job(job)
    return {
        "items": [_as_json(item) for item in job.items.all()],
        "proposals": {
            **asdict(about.progress),
            "headline": about.headline,
            "seconds_left": about.seconds_left,
            "waits_for": about.waits,
            "remedy": about.remedy,
            "models": about.models,
            "licence": about.licence,
            "elsewhere": about.elsewhere,
            "withdrawn": about.withdrawn,
        },
    }


def _as_json(item: JobItem) -> JsonObject:
    return {
        "id": item.pk,
        "name": item.name,
        "size": item.size,
        "state": item.state,
        "code": ProposedFacts.stored(item.facts).code,
        "detail": reason_of(item),
        "image": ProposalChoice.stored(item.choice).image,
    }
