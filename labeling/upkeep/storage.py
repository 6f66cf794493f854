"""The storage that a project takes, by kind, and what of it can be removed safely."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid
from labeling.images import tiles
from labeling.images.models import Image
from labeling.images.quota import KINDS, image_bytes
from labeling.jobs.models import Job
from labeling.jobs.services import expire
from labeling.projects.models import Project
from labeling.rounds.models import Artifact
from labeling.upkeep.measuring import size_of
from labeling.upkeep.purging import at_work, purge

# What a clean-up removes, each by itself: tiles are cut again when somebody looks; deleted images cannot be restored
# after it; results of jobs (exports) can be made again.
TILES, DELETED, RESULTS = "tiles", "deleted", "results"
REMOVABLE = (TILES, DELETED, RESULTS)


@dataclass(frozen=True)
class Removal:
    """What a clean-up removes, or would: how many images or jobs, and their bytes."""

    kind: str
    count: int
    bytes: int


def usage(project: Project) -> dict[str, int]:
    """Kind -> bytes. Beside those of images: "rounds" are weights and results of rounds, "results" exports.

    A round's artifact that several projects use counts in each of them. Rounds and results do not count for the quota.
    """
    rounds = Artifact.objects.filter(stages__round__project=project).distinct().aggregate(bytes=Sum("size"))["bytes"]
    results = sum(_result_bytes(job) for job in _finished_jobs(project))
    return image_bytes(project) | {"rounds": int(rounds or 0), "results": results}


def _finished_jobs(project: Project) -> list[Job]:
    return [job for job in Job.objects.filter(project=project).exclude(result="") if not job.is_active]


def _result_bytes(job: Job) -> int:
    return size_of(job.result)


def clean_up(*, project: Project, kinds: Collection[str], dry_run: bool) -> list[Removal]:
    """Remove what can be removed safely. -> what was removed; with dry_run what would be.

    Raises Invalid for a kind that is none of REMOVABLE, Archived. Deleted images stay while the project has a round or
    a job at work.
    """
    unknown = sorted(set(kinds) - set(REMOVABLE))
    if unknown:
        known = ", ".join(REMOVABLE)
        raise Invalid(_("what is removed is one of {known}").format(known=known), field="kinds")
    Project.objects.get(pk=project.pk).decline_if_archived()
    remove = {TILES: _tiles, DELETED: _deleted, RESULTS: _results}
    removed = [remove[kind](project, dry_run) for kind in REMOVABLE if kind in kinds]
    for one in removed:
        if one.count and not dry_run:
            record(Act.FILES_REMOVED, project=project, subject=one.kind, count=one.count, bytes=one.bytes)
    return removed


def _tiles(project: Project, dry_run: bool) -> Removal:
    images = list(Image.objects.filter(project=project, tile_bytes__gt=0))
    total = sum(image.tile_bytes or 0 for image in images)
    if not dry_run:
        for image in images:
            tiles.remove(image)
            Image.everything.filter(sha256=image.sha256).update(tile_bytes=0)
    return Removal(TILES, len(images), total)


def _deleted(project: Project, dry_run: bool) -> Removal:
    images = Image.everything.filter(project=project, deleted_at__isnull=False, purged_at__isnull=True)
    images = images.exclude(project__in=at_work())
    found = list(images.order_by("pk"))
    total = sum(_stored_bytes(image) for image in found)
    if not dry_run:
        for image in found:
            purge(image.pk)
    return Removal(DELETED, len(found), total)


def _stored_bytes(image: Image) -> int:
    """Of all kinds; a picture has no slide_bytes, and what nobody has measured yet does not count."""
    sizes = [getattr(image, column) for column in KINDS.values()]
    return sum(size or 0 for size in sizes)


def _results(project: Project, dry_run: bool) -> Removal:
    jobs = _finished_jobs(project)
    total = sum(_result_bytes(job) for job in jobs)
    if not dry_run:
        for job in jobs:
            with transaction.atomic():
                expire(Job.objects.select_for_update().get(pk=job.pk))
    return Removal(RESULTS, len(jobs), total)


@transaction.atomic
def change_quota(*, project: Project, quota_bytes: int | None) -> Project:
    """A quota of its own for a project, or none; the server's holds beside it. Raises Archived."""
    locked = Project.objects.for_change(project.pk)
    before = locked.quota_bytes
    locked.quota_bytes = quota_bytes
    locked.save(update_fields=["quota_bytes"])
    record(Act.PROJECT_CHANGED, project=locked, subject="quota_bytes", before=before, after=quota_bytes)
    return locked
