"""Removing the files of images that were deleted long enough ago. Their rows stay, with what was drawn on them.

The row says first that the files are gone, so that nobody restores an image without files; then the files are removed,
and last their names. Who dies in between is followed by the next look, which finds the names.
"""

import shutil
from datetime import datetime

from django.db import transaction
from django.db.models import BigIntegerField, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import timezone

from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.gallery.models import CellVectorFile
from labeling.images import model_views, tiles
from labeling.images.models import Image, SlideFile
from labeling.images.slides import COPIED, stored_root
from labeling.jobs.models import Job
from labeling.projects.models import Project
from labeling.recovery import isolated
from labeling.rounds.models import Round
from labeling.upkeep.deleting import grace
from labeling.upkeep.measuring import measure

AT_ONCE = 200  # images of one look; the next one comes in some seconds
FILES = ("pixels", "thumbnail", "original", "reference")


def expired(now: datetime) -> QuerySet[Image]:
    """Deleted images whose time to be restored is over, and those whose files a purge that died has left."""
    over = Q(purged_at__isnull=True, deleted_at__lt=now - grace())
    unfinished = Q(purged_at__isnull=False) & ~Q(thumbnail="")
    waiting = Image.everything.filter(deleted_at__isnull=False).filter(over | unfinished)
    return waiting.exclude(project__in=at_work()).order_by("pk")


def at_work() -> QuerySet[Project]:
    """The projects with a round or a job at work, which may read files of images that were deleted meanwhile. A job
    that copies images reads those of another project (upkeep/copying_images.py)."""
    jobs = Job.objects.filter(state__in=Job.ACTIVE)
    source = Cast(KeyTextTransform("source", "request"), BigIntegerField())
    copied = jobs.filter(kind=Job.Kind.COPY).annotate(source=source).values("source")
    has_work = Q(rounds__state__in=Round.ACTIVE) | Q(pk__in=jobs.values("project")) | Q(pk__in=copied)
    return Project.objects.filter(has_work)


def recover(now: datetime) -> list[str]:
    """Purge what has expired, in projects without a round or a job at work. -> sentences."""
    sentences = []
    for key in list(expired(now).values_list("pk", flat=True)[:AT_ONCE]):
        with isolated(f"image {key}"):
            if purge(key, now):
                sentences.append(f"image {key} is deleted and its time is over: its files are removed")
    unmeasured = Image.everything.filter(pixel_bytes__isnull=True, purged_at__isnull=True)
    for key in list(unmeasured.order_by().values_list("project", flat=True).distinct()[:1]):
        with isolated(f"the sizes of project {key}"):
            measure(Project.objects.get(pk=key))
    return sentences


def purge(key: int, now: datetime | None = None) -> bool:
    """Remove the files of a deleted image. -> whether it still was to be removed, and nobody had restored it."""
    moment = now or timezone.now()
    with transaction.atomic():
        image = Image.everything.select_for_update(of=("self",)).filter(pk=key, deleted_at__isnull=False).first()
        if image is None:
            return False
        if image.purged_at is None:
            image.purged_at = moment
            image.save(update_fields=["purged_at"])
            record(Act.FILES_REMOVED, project=image.project, subject=image.name, image=image.pk)
    remove_files(image)
    nothing = dict.fromkeys(FILES, "")
    sizes = dict.fromkeys(("pixel_bytes", "original_bytes", "tile_bytes", "slide_bytes"), 0)
    Image.everything.filter(pk=key).update(**nothing, **sizes)
    return True


def remove_files(image: Image) -> None:
    """Everything that is stored for an image; what is not there is passed over."""
    for name in FILES:
        file = getattr(image, name)
        if file:
            file.storage.delete(file.name)
    remove_vectors(image)
    remove_tiles(image)
    model_views.remove(image.pk)
    slide = SlideFile.objects.filter(image=image.pk).first()
    if slide is not None:
        remove_slide(slide)


def remove_vectors(image: Image) -> None:
    """What its cells look like can be computed from its pixels alone."""
    for kept in CellVectorFile.objects.filter(layer__image=image.pk):
        kept.file.storage.delete(str(kept.file.name))
        kept.delete()


def remove_tiles(image: Image) -> None:
    """The tiles are named by the pixels: another project may show the same picture."""
    same = Image.everything.filter(sha256=image.sha256, purged_at__isnull=True).exclude(pk=image.pk)
    if not same.exists():
        tiles.remove(image)


def remove_slide(slide: SlideFile) -> None:
    """An uploaded slide lies in a folder of its own; one that is registered where it lies stays there, and of the copy
    from a storage nothing is left, unless another project shows it."""
    folder = slide.path.partition("/")[0]
    if slide.info.get(COPIED):
        where = {name: getattr(slide, name) for name in ("root", "path", "size", "mtime")}
        others = SlideFile.objects.filter(**where, image__purged_at__isnull=True).exclude(image=slide.image_id)
        if not others.exists():
            from labeling.images import slide_copies  # fsspec takes a quarter of a second; most servers have no storage

            slide_copies.forget(f"{slide.root}/{slide.path}", (slide.size, slide.mtime))
    if slide.root or not folder or folder in (".", ".."):
        return
    shutil.rmtree(stored_root() / folder, ignore_errors=True)
