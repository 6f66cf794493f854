"""Proposing in tests: asking for cells, doing the job as a worker does, and reading what was published."""

import numpy as np

from inference.masks import unpack
from inference.methods import proposing
from inference.types import BoxMask
from labeling.images.models import Image
from labeling.jobs import tasks
from labeling.jobs.models import Job, JobItem
from labeling.rounds.proposing.services import Wanted, propose
from labeling.rounds.weights.promotion import current_publications

S = JobItem.State


def new_job(image, owner, **wanted):
    """A job that proposes on one image and that no worker has taken."""
    return propose(project=image.project, by=owner, wanted=Wanted(images=[image.pk], **wanted))


def work(job):
    """Let a worker do the job. -> it, as it is then."""
    tasks.run_job(job.pk)
    job.refresh_from_db()
    return job


def finished_job(image, owner, **wanted):
    """The same with its work done; asserts that it was."""
    job = work(new_job(image, owner, **wanted))
    assert job.state == Job.State.DONE, job.error
    assert set(job.items.values_list("state", flat=True)) == {S.DONE}, list(job.items.values("error", "facts"))
    return job


def current(image):
    """The publication that people see on an image; None for none."""
    return current_publications(Image.objects.filter(pk=image.pk)).first()


def cells(publication):
    return list(publication.layer.annotations.order_by("pk"))


def mask_of(row):
    return BoxMask(row.mask_x, row.mask_y, unpack(bytes(row.mask_bits), row.mask_width, row.mask_height))


def covers(rows, width, height):
    """How often each pixel is in a mask."""
    counts = np.zeros((height, width), int)
    for row in rows:
        mask = mask_of(row)
        h, w = mask.bits.shape
        counts[mask.y : mask.y + h, mask.x : mask.x + w] += mask.bits
    return counts


def middle(row):
    return (row.x0 + row.x1) / 2, (row.y0 + row.y1) / 2


def watch_tiles(monkeypatch):
    """-> (image, core) of every tile that is looked at from now on."""
    seen = []
    find = proposing.Proposer._found

    def found(self, field, tile, centres):
        seen.append((field.image, tile.core))
        return find(self, field, tile, centres)

    monkeypatch.setattr(proposing.Proposer, "_found", found)
    return seen
