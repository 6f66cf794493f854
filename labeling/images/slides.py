"""Slides on the site: where their files lie, and tiles from them on demand.

A slide is uploaded, and then lies with the originals in a folder of its own, or it is registered where it is, below a
folder of the setting SLIDE_ROOTS. Its pixels are never decoded whole nor copied: a tile is a region of the level that
suits, read by a process of its own (inference/reading/tile_client.py). Label and macro pictures are read by nobody.
"""

import io
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _

from inference.reading import Unreadable, isolation, sets, tile_client
from inference.reading.child import SIDE
from inference.reading.picture import TIFF_MARKS
from inference.reading.tile_server import stamp_of
from labeling.errors import Invalid, LabelingError
from labeling.images import planes, remote_roots, slide_roots
from labeling.images.models import Image, SlideFile, originals_storage
from labeling.images.sentences import sentence
from labeling.images.slide_problems import SlideProblem
from labeling.server.slide_places import RemoteRoot

OTHER_MARKS = (b"ZISRAWFILE", b"PK\x03\x04")
DICOM_MARK = b"DICM"  # at byte 128
MOST_UNPACKED = 16 * 2**30  # bytes
CLEANED = "cleaned"  # folder of a de-identified slide, inside its own
STORED = "slides"  # folder in the storage of originals
COPIED = "copied"  # in a slide's info: it lies in a storage and is read from a whole copy


class IsSlide(LabelingError):
    """Something that needs the whole picture was asked of a slide."""

    code = "is_slide"


def decline_slide(image: Image) -> None:
    """Raises IsSlide for a slide, where the pixels of the whole image are needed."""
    if image.is_slide:
        words = _("{name} is a whole slide, which is not worked on as one picture; use its fields")
        raise IsSlide(words.format(name=image.name))


# -- coming in


def may_be_slide(source: Path) -> bool:
    """Whether the first bytes are those of a format that slides have. Others are pictures, or nothing."""
    with source.open("rb") as file:
        head = file.read(132)
    return head.startswith((*TIFF_MARKS, *OTHER_MARKS)) or head[128:132] == DICOM_MARK


def stored_root() -> Path:
    """The folder of uploaded slides. Raises Invalid where the originals are kept in object storage."""
    try:
        return Path(originals_storage().path(STORED))
    except NotImplementedError:
        words = _(
            "slides need a folder, and this server keeps files in object storage; register them below SLIDE_ROOTS"
        )
        raise Invalid(words, field="image") from None


@dataclass
class Place:
    """Where a file that may be a slide is read from: `source`, in a folder of its own where it was uploaded."""

    source: Path
    keeps: bool = False


@contextmanager
def own_folder(source: Path, name: str) -> Iterator[Place]:
    """An uploaded file, or what a ZIP holds, in a new folder of its own: a reader looks for the files beside it.

    The folder is removed at the end unless `keeps` was set. Raises Unreadable for an archive that cannot be unpacked.
    """
    folder = stored_root() / uuid.uuid4().hex
    folder.mkdir(parents=True, mode=0o700)
    place = Place(folder)
    try:
        if sets.is_archive(source):
            sets.unpack(source, folder, most_bytes=MOST_UNPACKED)
            place.source = _source_in(folder)
        else:
            suffix = PurePosixPath(name).suffix.lower()
            place.source = folder / f"slide{suffix if suffix.isascii() and len(suffix) <= 8 else ''}"
            _linked(source, place.source)
        yield place
    finally:
        if not place.keeps:
            shutil.rmtree(folder, ignore_errors=True)


def deidentify(place: Place) -> None:
    """Put the cleaned copy of a slide in the place of its file or files. Raises Unreadable, CannotStart."""
    inside = place.source.relative_to(stored_root())
    folder = stored_root() / inside.parts[0]
    clean = folder.with_name(f"{folder.name}-{CLEANED}")  # beside it: a reader looks at all files of a folder
    clean.mkdir(mode=0o700)
    try:
        made = isolation.clean_slide(place.source, clean).relative_to(clean)
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        clean.rename(folder / CLEANED)
    finally:
        shutil.rmtree(clean, ignore_errors=True)
    place.source = folder / CLEANED / made


def _linked(source: Path, target: Path) -> None:
    """The same bytes under another name; a copy where they lie in another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _source_in(folder: Path) -> Path:
    """What a reader is given of an unpacked slide: its one file, or the folder."""
    files = list(folder.iterdir())
    return files[0] if len(files) == 1 and files[0].is_file() else folder


# -- where they lie now


def file_of(slide: SlideFile) -> Path:
    """Where the slide lies now. Raises SlideProblem where its root or path is gone."""
    path = f"{slide.path}/{slide.entry}" if slide.entry else slide.path
    try:
        return slide_roots.resolved(slide.root, path) if slide.root else stored_root() / path
    except Invalid as error:
        raise SlideProblem(f"{slide.image.name}: {error}") from None


def meant(slide: SlideFile, display: planes.Display, *, waits: bool) -> tile_client.SlideFile:
    """What the processes that read slides are told. Raises SlideProblem, CopyUnderWay, NoCopy.

    waits  whether a copy from a storage is waited for; otherwise it is made in the background
    """
    root = slide_roots.remote_root(slide.root)
    if root is None:
        file, source = file_of(slide), None
        size, mtime = slide.size, slide.mtime
    elif slide.info.get(COPIED):
        source = None
        file, size, mtime = _copied(slide, root, waits=waits)
    else:
        # Not looked for here: whoever reads it notices when it is gone, and each look is a question to the storage.
        path = f"{slide.path}/{slide.entry}" if slide.entry else slide.path
        file, source = remote_roots.remote_path(slide.root, root, path), remote_roots.source_of_root(root)
        size, mtime = slide.size, slide.mtime
    return tile_client.SlideFile(
        file, size, mtime, display.page, slide.channel, views=display.views, icc=display.icc, source=source
    )


def _copied(slide: SlideFile, root: RemoteRoot, *, waits: bool) -> tuple[Path, int, int]:
    """The copy's file, its bytes and the time of its last change. The storage is asked once whether it has changed."""
    from labeling.images import slide_copies  # fsspec takes a quarter of a second, and most servers have no storage

    try:
        copy = slide_copies.copy_of(root, remote_roots.remote_path(slide.root, root, slide.path))
        if copy.stamp != (slide.size, slide.mtime):
            raise Unreadable("slide_changed")
        if waits:
            made = slide_copies.made(copy, lambda _done, _total: None)
        else:
            made = slide_copies.begun(slide.image.name, copy)
        file = made / slide.entry if slide.entry else made
        return file, *stamp(file)
    except Unreadable as error:
        raise SlideProblem(sentence(error.code, **{**error.params, "name": slide.image.name})) from None


# -- tiles


def region(
    image: Image,
    box: tuple[float, float, float, float],
    out: tuple[int, int],
    *,
    kind: str = "jpeg",
    display: planes.Display | None = None,
    waits: bool = False,
) -> bytes:
    """A rectangle of a slide as JPEG or PNG.

    box   x, y, width, height in px of level 0
    out   (width, height) of the picture
    display  which plane, channels and colours; None for what is shown at first
    waits    whether a copy from a storage is waited for, which takes minutes: in a job

    Raises SlideProblem, CopyUnderWay, NoCopy.
    """
    slide = image.slide_file
    asked = meant(slide, display or planes.first_display(slide), waits=waits)
    try:
        return tile_client.picture(asked, box, out, kind=kind)
    except Unreadable as error:
        raise SlideProblem(sentence(error.code, **{**error.params, "name": image.name})) from None
    except (tile_client.Busy, tile_client.CannotStart) as error:
        raise SlideProblem(str(error)) from None


def read_slide_tile(
    source: planes.Source,
    levels: list[tuple[int, int]],
    level: int,
    column: int,
    row: int,
    display: planes.Display | None = None,
) -> io.BytesIO:
    """A tile of the pyramid that every large image has (images/tiles.py), as a JPEG.

    source  the slide, with the corner of the image in it
    levels  (width, height) of the image's levels
    """
    width, height = levels[level]
    left, top = column * SIDE, row * SIDE
    out = (min(SIDE, width - left), min(SIDE, height - top))
    factor = 2**level
    corner = (float(source.x + left * factor), float(source.y + top * factor))
    box = (*corner, float(out[0] * factor), float(out[1] * factor))
    return io.BytesIO(region(source.file.image, box, out, display=display))


def stamp(path: Path) -> tuple[int, int]:
    """(bytes, time of the last change) as `region` compares them. Raises Unreadable."""
    return stamp_of(path)
