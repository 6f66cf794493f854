"""What the files of a project take in the storage, and how much they may take."""

import os
from pathlib import Path

from django.conf import settings
from django.db.models import Sum
from django.utils.translation import gettext as _

from labeling.errors import LabelingError
from labeling.images.models import Image, SlideFile, originals_storage
from labeling.images.resumable_uploads import ResumableUpload
from labeling.jobs.models import Job, JobItem
from labeling.projects.models import Project

GIB = 2**30
KINDS = {"pixels": "pixel_bytes", "originals": "original_bytes", "tiles": "tile_bytes", "slides": "slide_bytes"}


class OverQuota(LabelingError):
    """There is no room for it; `facts` are in bytes."""

    code = "over_quota"


def quota_of(project: Project) -> int | None:
    """Bytes that the files of a project may take: its own quota, at most the server's. None: no limit."""
    limits = [project.quota_bytes, settings.STORAGE_QUOTA_GIB * GIB or None]
    return min((limit for limit in limits if limit is not None), default=None)


def image_bytes(project: Project) -> dict[str, int]:
    """Kind -> bytes of the files of images, deleted ones among them, and "uploads": files that wait to be read.

    A file that is still arriving counts as a whole, so that one that has begun can end.
    """
    sums = Image.everything.filter(project=project).aggregate(**{kind: Sum(column) for kind, column in KINDS.items()})
    waiting = JobItem.objects.filter(job__project=project, job__kind=Job.Kind.READ).exclude(file="")
    uploads = waiting.aggregate(bytes=Sum("size"))["bytes"]
    arriving = ResumableUpload.objects.filter(project=project, job=None).aggregate(bytes=Sum("size"))["bytes"]
    return {kind: int(sums[kind] or 0) for kind in KINDS} | {"uploads": int(uploads or 0) + int(arriving or 0)}


def decline_over_quota(project: Project, more: int, *, waiting: bool = True) -> None:
    """Raises OverQuota where `more` bytes do not fit.

    waiting  whether files that wait to be read count: not for the image that one of them becomes
    """
    quota = quota_of(project)
    if quota is None:
        return
    usage = image_bytes(project)
    used = sum(usage.values()) - (0 if waiting else usage["uploads"])
    if used + more <= quota:
        return
    words = _(
        "this project may take {quota} of storage and takes {used}; {more} more do not fit. Remove what is not needed "
        "(Settings, Storage), or ask whoever runs the server for a larger quota"
    )
    error = OverQuota(words.format(quota=in_gib(quota), used=in_gib(used), more=in_gib(more)), field="image")
    error.facts = {"quota": quota, "used": used, "more": more}
    raise error


def in_gib(count: int) -> str:
    """ "1.50 GiB", "20 MiB"."""
    return f"{count / GIB:.2f} GiB" if count >= GIB else f"{-(-count // 2**20)} MiB"


def size_below(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 for what is not there."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for inside, _folders, files in os.walk(path):
        total += sum(Path(inside, name).lstat().st_size for name in files)
    return total


def slide_bytes(slide: SlideFile) -> int:
    """Of an uploaded slide; 0 for one that is registered where it lies, which is not this project's storage."""
    if slide.root:
        return 0
    return size_below(Path(originals_storage().path("slides")) / slide.path.partition("/")[0])
