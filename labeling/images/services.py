"""Bringing images in: read in a process of their own, stored as plain 8-bit RGB, named by the server."""

import hashlib
import io
import math
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import PIL.Image
from django.core.files import File
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from inference.documents.reading import Reading, ReadNote, ReadPicture
from inference.reading import Unreadable, isolation
from labeling.errors import Invalid, LabelingError
from labeling.images import slides, tiles
from labeling.images.models import FACTORS, Image, ImageKind, ScaleSource, SlideFile, Split
from labeling.images.names import clean
from labeling.images.sentences import sentence
from labeling.images.similar import picture_hash
from labeling.projects.models import Project

SCALES_DIFFER = 0.02  # relative difference from which a typed scale is said to contradict the file's
SHORTEST_LINE = 5  # px: one pixel more or less is a fifth of it
SETTABLE = (ScaleSource.NOMINAL, ScaleSource.TYPED, ScaleSource.MEASURED)


class UnreadableImage(Invalid):
    """The upload is no image that can be used; says which and why. `reason` is a code of images/sentences.py."""

    code = "unreadable_image"

    def __init__(self, name: str, reason: str, params: Mapping[str, str | int | float]) -> None:
        super().__init__(sentence(reason, **{**params, "name": name}), field="image")
        self.reason, self.params = reason, params


class AlreadyThere(Invalid):
    """The project has this picture: `image` is it."""

    code = "already_there"

    def __init__(self, name: str, image: Image) -> None:
        super().__init__(
            _("{name} is in this project already, as {same}").format(name=name, same=image.name), field="image"
        )
        self.image = image


class CannotRead(LabelingError):
    """Files cannot be read at the moment, whatever they hold."""

    code = "cannot_read"
    status = 503


def add_image(
    *,
    project: Project,
    name: str,
    content: bytes | Path,
    group: str = "",
    scanner: str = "",
    site: str = "",
    stain: str = "",
    um_per_px: float | None = None,
    scale_source: str = ScaleSource.TYPED,
    split: str = Split.TRAIN,
    synthetic: bool = False,
    reference: "np.ndarray[tuple[int, ...], np.dtype[np.integer]] | None" = None,
    page: int | None = None,
    channel: int | None = None,
    is_original: bool = True,
    open_as: str = "auto",
    below: tuple[str, str] | None = None,
    stored: Callable[[Image], None] | None = None,
) -> Image:
    """Store one image at the end of the project.

    content        the file's bytes, or where the file is (it is not changed)
    scanner        when empty, what the file itself says
    um_per_px      when None, what the file itself says; `scale_source` says where a number comes from
    reference      (H, W) label map, kept for evaluation only
    page, channel  which picture of a file that holds several, from 1
    is_original    whether `content` is a file as somebody brought it, to be kept where the project keeps originals
    open_as        "picture", "slide", or "auto": a picture where the whole can be opened (reading/slide_entry.py)
    below          (root, path) of a slide that is registered where it lies; then `content` is that place
    stored         called in the transaction that stores the image, so that what it writes is true if and only if the
                   image is there

    Raises UnreadableImage, AlreadyThere when the same picture is in the project, Invalid, CannotRead.
    """
    name = clean(name)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="boxwise-")))
        source = stack.enter_context(_on_disk(content, folder))
        place = stack.enter_context(_place_of(source, name, below, open_as))
        from_here = place.source if place else source
        found = read(from_here, folder, name, page=page, channel=channel, slide=open_as if place else "")
        facts: dict[str, str | float | None] = {"site": site, "stain": stain, "group": group}
        facts["scanner"] = scanner or found.header.scanner
        image = Image(
            project=project, name=name, width=found.width, height=found.height, split=split, synthetic=synthetic,
            sha256=found.sha256, low=found.low, high=found.high,
            magnification=found.header.objective, **checked(facts),
        )  # fmt: skip
        contradictions = set_scale(image, found, um_per_px, scale_source)
        image.reading = reading_of(found, contradictions).as_json()
        with PIL.Image.open(folder / "thumbnail.jpg") as thumbnail:
            image.phash = picture_hash(thumbnail)
        if place is not None and found.slide is not None:
            _store_slide(image, folder, found, place, below, stored)
            return image
        if below is not None:
            raise UnreadableImage(name, "no_slide_in_folder", {})
        kept = source if is_original and project.keeps_originals else None
        _store(image, folder, original=kept, reference=reference, stored=stored)
        if found.tiled:
            # After the project's row is free. When it fails the image is there all the same, and read_tile cuts.
            tiles.keep_once(image, folder / "tiles.bin")
    return image


@contextmanager
def _place_of(source: Path, name: str, below: tuple[str, str] | None, open_as: str) -> Iterator[slides.Place | None]:
    """Where a file that may be a slide is read from: a folder of its own, so that no other upload lies beside it.

    None for what can only be a picture. Raises UnreadableImage.
    """
    if below is not None:
        yield slides.Place(source)
        return
    if open_as == "picture" or not slides.may_be_slide(source):
        yield None
        return
    try:
        with slides.own_folder(source, name) as place:
            yield place
    except Unreadable as error:
        raise UnreadableImage(name, error.code, error.params) from None


def _store_slide(
    image: Image,
    folder: Path,
    found: ReadPicture,
    place: slides.Place,
    below: tuple[str, str] | None,
    stored: Callable[[Image], None] | None,
) -> None:
    """Keep a slide whose file stays where it is. Raises AlreadyThere."""
    image.kind = ImageKind.SLIDE
    slide = found.slide
    assert slide is not None
    size, mtime = slides.stamp(place.source / slide.entry)
    root, path = below if below is not None else ("", place.source.relative_to(slides.stored_root()).as_posix())
    row = SlideFile(
        root=root, path=path, entry=slide.entry, size=size, mtime=mtime, reader=slide.reader, page=found.page,
        channel=found.channel, info=slide.info, removed=list(slide.removed), tissue=slide.tissue.as_json(),
    )  # fmt: skip

    def keep(kept: Image) -> None:
        row.image = kept
        row.save()
        if stored is not None:
            stored(kept)

    _store(image, folder, original=None, reference=None, stored=keep)
    place.keeps = True


def read(
    source: Path, folder: Path, name: str, *, page: int | None, channel: int | None, slide: str = ""
) -> ReadPicture:
    """What inference.reading.child says of a file, its pictures written into `folder`.

    Raises UnreadableImage, CannotRead.
    """
    try:
        return isolation.read_file(source, folder, page=page, channel=channel, tiles_from=tiles.TILED_FROM, slide=slide)
    except Unreadable as error:
        raise UnreadableImage(name, error.code, error.params) from None
    except isolation.CannotStart as error:
        raise CannotRead(str(error)) from error


def set_scale(image: Image, found: ReadPicture, typed: float | None, source: str) -> list[ReadNote]:
    """The scale that was typed, or else the file's own. -> a note where the two contradict each other."""
    own = found.scale.mean if found.scale else None
    if typed is not None:
        image.um_per_px, image.scale_source = typed, source
        if own and abs(own - typed) > SCALES_DIFFER * own:
            params = {"file": f"{own:.4g}", "typed": f"{typed:.4g}"}
            return [ReadNote(code="scale_disagrees", params=params)]
    elif own:
        image.um_per_px, image.scale_source = round(own, 6), ScaleSource.FILE
    return []


def reading_of(found: ReadPicture, notes: Sequence[ReadNote]) -> Reading:
    """What is kept of a file. notes: further ones, beside the reader's own."""
    return Reading(
        **found.header.given(),
        page=found.page,
        pages=found.pages,
        channel=found.channel,
        channels=found.channels,
        scale=found.scale,
        notes=(*found.notes, *notes),
    )


@transaction.atomic
def _store(
    image: Image,
    folder: Path,
    *,
    original: Path | None,
    reference: "np.ndarray[tuple[int, ...], np.dtype[np.integer]] | None",
    stored: Callable[[Image], None] | None,
) -> None:
    """Keep an image that was read, with its files. Raises AlreadyThere."""
    project = image.project
    Project.objects.for_change(project.pk)  # two uploads at once must not take one position or both be the first
    same = Image.objects.filter(project=project, sha256=image.sha256).first()
    if same is not None:
        raise AlreadyThere(image.name, same)
    image.position = (Image.objects.filter(project=project).aggregate(last=Max("position"))["last"] or 0) + 1
    stem = uuid.uuid4().hex  # never a name that a user chose
    if not image.is_slide:
        with (folder / "pixels.png").open("rb") as pixels:
            image.pixels.save(f"{stem}.png", File(pixels), save=False)
    with (folder / "thumbnail.jpg").open("rb") as thumbnail:
        image.thumbnail.save(f"{stem}.jpg", File(thumbnail), save=False)
    if original is not None:
        with original.open("rb") as file:
            image.original_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            image.original.save(f"{stem}.bin", File(file), save=False)
    if reference is not None:
        labels = io.BytesIO()
        PIL.Image.fromarray(np.asarray(reference).astype(np.uint16)).save(labels, "PNG")
        image.reference.save(f"{stem}.png", ContentFile(labels.getvalue()), save=False)
    image.save()
    if stored is not None:
        stored(image)


@contextmanager
def _on_disk(content: bytes | Path, folder: Path) -> Iterator[Path]:
    if isinstance(content, Path):
        yield content
        return
    path = folder / "upload"
    path.write_bytes(content)
    yield path


def change_image(*, image: Image, **facts: str | float | None) -> Image:
    """What was said of an image, mended: of FACTORS, `um_per_px` and `split` those that are named; the others stay.

    `scale_source` goes with `um_per_px`, and is "typed" where it is not named. Rounds keep what they learned from: a
    snapshot is frozen. Raises Invalid that names the field.
    """
    facts = checked(facts)
    for name, value in facts.items():
        setattr(image, name, value)
    image.save(update_fields=list(facts))
    return image


def measure_scale(*, image: Image, ends: tuple[tuple[float, float], tuple[float, float]], um: float) -> Image:
    """The scale of an image by a line along a scale bar in it.

    ends  (x, y) of both, in pixels of the image
    um    how long the bar is

    Raises Invalid for a line that is too short to measure with, or leaves the image.
    """
    (x0, y0), (x1, y1) = ends
    if max(x0, x1) > image.width or max(y0, y1) > image.height:
        raise Invalid(_("the line leaves the image"), field="x1")
    pixels = math.hypot(x1 - x0, y1 - y0)
    if pixels < SHORTEST_LINE:
        words = _("the line is shorter than {n} pixels; draw it along the whole bar")
        raise Invalid(words.format(n=SHORTEST_LINE), field="x1")
    return change_image(image=image, um_per_px=um / pixels, scale_source=ScaleSource.MEASURED)


def change_images(*, project: Project, images: Sequence[int], **facts: str | float | None) -> int:
    """The same facts for many images of a project, all or none. -> how many. Raises Invalid."""
    facts = checked(facts)
    wanted = set(images)
    with transaction.atomic():
        there = Image.objects.select_for_update().filter(project=project, pk__in=wanted)
        unknown = wanted - set(there.order_by().values_list("pk", flat=True))
        if unknown:
            raise Invalid(
                _("image {key} is not in this project; nothing was changed").format(key=min(unknown)), field="images"
            )
        if facts:
            there.update(**facts)
    return len(wanted)


def checked(facts: dict[str, str | float | None]) -> dict[str, str | float | None]:
    """The facts as they are stored. Raises Invalid that names the field."""
    made = _with_scale_source(facts)
    for name, value in facts.items():
        if name in FACTORS:
            made[name] = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", str(value or "")).split())[:200]
        elif name == "split":
            if value not in Split.values:
                raise Invalid(f"split must be one of {', '.join(Split.values)}", field="split")
        elif name == "scale_source":
            continue
        elif name == "um_per_px":
            if value is not None and not 0.001 <= float(value) <= 1000:
                raise Invalid(
                    _("µm per pixel must be from 0.001 to 1000, or empty when it is not known"), field="um_per_px"
                )
        else:
            raise Invalid(_("an image has no {name} that can be changed").format(name=name), field=name)
    return made


def _with_scale_source(facts: dict[str, str | float | None]) -> dict[str, str | float | None]:
    """A scale always comes with where it is from; none is from nowhere. Raises Invalid."""
    if "um_per_px" not in facts:
        if "scale_source" in facts:
            raise Invalid(_("where the scale comes from is said together with µm per pixel"), field="scale_source")
        return dict(facts)
    source = facts.get("scale_source") or ScaleSource.TYPED
    if source not in SETTABLE:
        known = ", ".join(SETTABLE)
        raise Invalid(_("the source of a scale must be one of {known}").format(known=known), field="scale_source")
    return {**facts, "scale_source": ScaleSource.UNKNOWN if facts["um_per_px"] is None else source}


def stated(project: Project) -> dict[str, list[str]]:
    """Of each of FACTORS the values that some image of the project has, in order: what is offered when one is typed."""
    rows = Image.objects.filter(project=project).order_by().values_list(*FACTORS).distinct()
    return {name: sorted({row[i] for row in rows} - {""}) for i, name in enumerate(FACTORS)}
