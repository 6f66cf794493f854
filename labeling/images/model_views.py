"""The pixels that models see of fields whose slides have several channels, made when a stage needs them.

A snapshot names them (FieldView) by their hash, so that a round's keys depend on the channels; they lie in the storage
below views/ID of the image, and are made anew when they are gone.
"""

import logging
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from inference.documents.snapshot import Snapshot, SnapshotImage
from labeling.images import slides
from labeling.images.models import Image
from labeling.images.planes import model_display

log = logging.getLogger(__name__)


def name_of(image: int, digest: str) -> str:
    return f"views/{image}/{digest}.png"


def make_missing(content: Snapshot) -> None:
    """Make the views of a snapshot that are not there. One that cannot be made is logged; its field is unreadable."""
    for entry in content.images:
        if entry.view is None or default_storage.exists(entry.pixels):
            continue
        try:
            _store(entry.pixels, _pixels(entry))
        except (slides.SlideProblem, Image.DoesNotExist) as error:
            log.warning("the view of image %s cannot be made: %s", entry.image, error)


def _store(name: str, png: bytes) -> None:
    """Under its name a view is whole: a worker that dies while it writes leaves a file that nobody reads."""
    try:
        path = Path(default_storage.path(name))
    except NotImplementedError:  # object storage shows a file once it is whole
        default_storage.save(name, ContentFile(png))
        return
    part = default_storage.save(f"{name}.part", ContentFile(png))
    Path(default_storage.path(part)).replace(path)


def _pixels(entry: SnapshotImage) -> bytes:
    """A PNG. Raises SlideProblem, Image.DoesNotExist."""
    view = entry.view
    assert view is not None
    slide = Image.everything.select_related("slide_file").get(pk=view.slide)
    display = model_display(slide.slide_file, view.channels)
    box = (float(view.x), float(view.y), float(entry.width), float(entry.height))
    return slides.region(slide, box, (entry.width, entry.height), kind="png", display=display, waits=True)


def remove(image: int) -> None:
    """Remove the views of a field, by its key; they are made anew when a round needs them."""
    folder = f"views/{image}"
    try:
        _folders, files = default_storage.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in files:
        default_storage.delete(f"{folder}/{name}")
