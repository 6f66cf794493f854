"""Uploads on the project's page: take files, and show what becomes of each while a job reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TypedDict

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from labeling.errors import Archived, LabelingError, full_stop, sentence
from labeling.images.documents import UploadRequest
from labeling.images.similar import sentence as same_picture
from labeling.images.uploads import ItemOutcome, alike_of, item_outcomes, take_files
from labeling.jobs.estimate import TimeLeft, jobs_before, time_left
from labeling.jobs.models import Job, JobItem
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.site.forms.projects import UploadForm
from labeling.site.requests import Request, acts_of, reach_project, signed_in
from labeling.site.words import took

SHOWN_FOR = timedelta(hours=1)  # an upload of which nothing is left to do
SOON = timedelta(seconds=5)  # after an upload its first image is looked for more often
EVERY_MS = 1000
SOON_MS = 300
REFRESH_EVERY = 3  # seconds: the grid of images is fetched anew at most this often while images come in
MOST_ALIKE = 10  # sentences about the same picture twice
CLOSE = 1.3  # two estimates whose ratio is below this are said as one


@dataclass(frozen=True)
class Batch:
    """One upload as the page shows it. left: how long it still takes, in words; "" where nobody knows."""

    job: Job
    files: Sequence[ItemOutcome]
    left: str
    alike: Sequence[str]

    def of(self, *states: JobItem.State) -> list[ItemOutcome]:
        return [file for file in self.files if file.item.state in states]

    @property
    def added(self) -> list[ItemOutcome]:
        return [file for file in self.files if file.is_added]

    @property
    def ended(self) -> int:
        return len(self.files) - len(self.of(*JobItem.OPEN))

    @property
    def percent(self) -> int:
        return 100 * self.ended // max(1, len(self.files))

    @property
    def asking(self) -> list[ItemOutcome]:
        return self.of(JobItem.State.CHOICE)

    @property
    def again(self) -> list[ItemOutcome]:
        """Files that may be read again as they are."""
        return [file for file in self.of(*JobItem.AGAIN) if file.item.file]

    @property
    def is_unfinished(self) -> bool:
        """Whether files lie here that are no images."""
        return any(file.item.file for file in self.files)

    @property
    def summary(self) -> str:
        """ "7 images added, 1 declined": what came of the files so far."""
        added, declined = len(self.added), len(self.of(JobItem.State.DECLINED))
        there = len(self.of(JobItem.State.DONE)) - added
        asking, cancelled = len(self.asking), len(self.of(JobItem.State.CANCELLED))
        parts = [
            (added, ngettext("{n} image added", "{n} images added", added)),
            (there, ngettext("{n} is here already", "{n} are here already", there)),
            (asking, ngettext("{n} needs a choice", "{n} need a choice", asking)),
            (declined, ngettext("{n} declined", "{n} declined", declined)),
            (cancelled, ngettext("{n} cancelled", "{n} cancelled", cancelled)),
        ]
        return ", ".join(words.format(n=n) for n, words in parts if n)


@signed_in
@require_safe
def uploads(request: Request, project: int) -> HttpResponse:
    """The part of the page that polls while files are read. It says when images have come in, so that the page fetches
    its grid: `seen` are those the page knows, `at` is when it was told last."""
    found = reach_project(request, "oversee", project)
    seen = whole_number(request.GET.get("seen"))
    at = whole_number(request.GET.get("at")) or 0
    return answer(request, found, seen=seen, at=at)


def answer(
    request: Request, project: Project, *, seen: int | None = None, at: int = 0, problems: Sequence[str] = ()
) -> HttpResponse:
    """The part of the page, with the event "images-changed" where images have come that the page does not know.

    seen  images that the page knows; None for all that are there now
    at    when it was told last, in seconds
    """
    shown = panel(request, project)
    now = int(timezone.now().timestamp())
    has_news = seen is not None and shown["seen"] > seen
    tells = has_news and (now - at >= REFRESH_EVERY or not shown["reading"])
    if has_news and not tells and seen is not None:
        shown["seen"] = seen
    ended = "" if shown["reading"] else shown["summary"]
    context = {**shown, "at": now if tells else at, "problems": problems, "ended": ended}
    response = render(request, "site/parts/uploads.html", context)
    if tells:
        response["HX-Trigger"] = "images-changed"
    return response


class Panel(TypedDict):
    """The names of the part's template. seen: images that have come; poll: ms until it asks again."""

    project: Project
    may: set[str]
    batches: list[Batch]
    reading: bool
    poll: int
    seen: int
    summary: str


def panel(request: Request, project: Project) -> Panel:
    """What the part shows: uploads at work, those with files that are no images yet, and the latest ones."""
    now = timezone.now()
    visible = Job.objects.visible_to(request.user).filter(project=project, kind=Job.Kind.READ)
    shown = Q(state__in=Job.ACTIVE) | Q(expires_at__isnull=False) | Q(finished_at__gt=now - SHOWN_FOR)
    jobs = visible.filter(shown).exclude(state=Job.State.EXPIRED).select_related("owner")
    batches = [batch_of(job, now) for job in jobs]
    reading = [batch for batch in batches if batch.job.is_active]
    is_new = any(now - batch.job.queued_at < SOON for batch in reading)
    return {
        "project": project,
        "may": acts_of(project, project.role_of(request.user)),
        "batches": batches,
        "reading": bool(reading),
        "poll": SOON_MS if is_new else EVERY_MS,
        "seen": sum(len(batch.added) for batch in batches),
        "summary": full_stop(batches[0].summary) if batches else "",
    }


def batch_of(job: Job, now: datetime) -> Batch:
    files = item_outcomes(job)
    alike = [] if job.is_active else [same_picture(pair) for pair in alike_of(job)[:MOST_ALIKE]]
    return Batch(job, files, left_words(job, [file.item for file in files], now), alike)


def left_words(job: Job, items: Sequence[JobItem], now: datetime) -> str:
    if job.state == Job.State.WAITING:
        before = jobs_before(job)
        if not before:
            return _("waiting for the worker")
        return ngettext("{n} job is done first", "{n} jobs are done first", before).format(n=before)
    if job.cancel_requested:
        return _("stops after the current file")
    left = time_left(items, now) if job.state == Job.State.RUNNING else None
    return in_words(left) if left else ""


def in_words(left: TimeLeft) -> str:
    """ "about 20 s left", or "20 s to 2 min left" where the two estimates differ much."""
    least, most = took(left.least), took(left.most)
    if left.most <= left.least * CLOSE or least == most:
        return _("about {time} left").format(time=most)
    return _("{least} to {most} left").format(least=least, most=most)


def receive(request: Request, project: Project, files: Sequence[UploadedFile]) -> HttpResponse:
    """Files by the form of the page: stored at once, and read by a job. Raises Archived."""
    form = UploadForm(request.POST)
    problems = list(map(str, chain.from_iterable(form.errors.values())))
    if not files:
        problems.insert(0, _("No file was chosen. Choose one or more images and try again."))
    if not problems:
        try:
            take_files(project=project, owner=request.user, files=files, facts=UploadRequest(**form.cleaned_data))
        except Archived:
            raise
        except LabelingError as error:
            problems.append(sentence(error))
    if request.htmx:
        return answer(request, project, problems=problems)
    for problem in problems:
        messages.error(request, problem)
    if not problems:
        messages.success(request, _("The files are here and are being read. You can leave this page."))
    return redirect(reverse("project-images", args=[project.pk]) + "#uploads")
