"""Slides that are registered where they lie, as the job that reads files gets at them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.reading import Unreadable
from labeling.images import slide_roots
from labeling.images.documents import UploadFacts
from labeling.images.services import UnreadableImage
from labeling.jobs.models import JobItem

COPYING = "copying"
NEEDS_WHOLE = "needs_whole"  # a reader's code: the file lies in a storage and its format is not read in parts


@contextmanager
def registered(root: str, path: str) -> Iterator[Path]:
    """A slide where it lies. Raises Invalid for one that is gone, or that a link leads away from its root."""
    place = slide_roots.resolved(root, path)
    slide_roots.decline_links(place)
    yield place


def copied(item: JobItem, root: str, place: Path) -> Path:
    """A copy of a slide that lies in a storage, made with progress. Raises UnreadableImage, NoCopy."""
    from labeling.images import slide_copies  # fsspec takes a quarter of a second, and most servers have no storage

    remote = slide_roots.remote_root(root)
    if remote is None:
        raise UnreadableImage(item.name, NEEDS_WHOLE, {})
    last = -1

    def tell(done: int, total: int) -> None:
        nonlocal last
        percent = min(99, 100 * done // max(1, total))
        if percent > last:
            last = percent
            facts = UploadFacts(code=COPYING, params={"percent": percent})
            JobItem.objects.filter(pk=item.pk, state=JobItem.State.RUNNING).update(facts=facts.as_json())

    try:
        return slide_copies.made(slide_copies.copy_of(remote, place), tell)
    except Unreadable as error:
        raise UnreadableImage(item.name, error.code, error.params) from None
