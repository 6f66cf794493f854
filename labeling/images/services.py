"""Bringing images in: read in a process of their own, stored as plain 8-bit RGB, named by the server."""

import hashlib
import io
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

from inference.documents.reading import Header, Reading, ReadNote, ReadPicture
from inference.reading import Unreadable, isolation
from labeling.errors import Invalid, LabelingError
from labeling.images import slide_roots, slides, tiles
from labeling.images.facts import Fact, checked
from labeling.images.models import Image, ImageKind, ScaleSource, SlideFile
from labeling.images.names import clean
from labeling.images.patients import Specimen, Split
from labeling.images.quota import decline_over_quota, size_below, slide_bytes
from labeling.images.sentences import sentence
from labeling.images.similar import picture_hash
from labeling.images.specimens import place_new_image, stated_parts
from labeling.projects.models import Project
from labeling.server.slide_places import RemoteRoot

SCALES_DIFFER = 0.02  # relative difference from which a typed scale is said to contradict the file's


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
        words = _("{name} is in this project already, as {same}")
        if image.deleted_at is not None:
            words = _("{name} was deleted here, as {same}, and can be restored")
        super().__init__(words.format(name=name, same=image.name), field="image")
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
    centre: str = "",
    patient: str = "",
    block: str = "",
    slide: str = "",
    scanner: str = "",
    stain: str = "",
    tags: Sequence[str] = (),
    um_per_px: float | None = None,
    scale_source: str = ScaleSource.TYPED,
    split: str = Split.TRAIN,
    may_divide: bool = False,
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
    centre ... slide  where the tissue comes from (images/patients.py)
    split          of an image whose patient is new here or not stated; others join the split of their patient
    may_divide     a data set's own parts may divide a patient (Patient.split)
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
        hides = project.deidentifies
        found = read(from_here, folder, name, page=page, channel=channel, slide=open_as if place else "", writing=hides)
        if hides:
            found = found.with_(header=found.header.with_(scanner=without_number(found.header)))
        if hides and place is not None and found.slide is not None and below is None:
            found = deidentified(place, found, folder, name, page=page, channel=channel)
        given: dict[str, Fact] = {"stain": stain, "scanner": scanner or found.header.scanner, "tags": tags}
        named = checked({"centre": centre, "patient": patient, "block": block, "slide": slide})
        specimen = Specimen(**stated_parts(named))
        image = Image(
            project=project, name=name, width=found.width, height=found.height, split=split, synthetic=synthetic,
            sha256=found.sha256, low=found.low, high=found.high,
            magnification=found.header.objective, **checked(given),
        )  # fmt: skip
        contradictions = set_scale(image, found, um_per_px, scale_source)
        if hides:
            contradictions += notes_of_deidentification(found)
        image.reading = reading_of(found, contradictions).as_json()
        with PIL.Image.open(folder / "thumbnail.jpg") as thumbnail:
            image.phash = picture_hash(thumbnail)

        def settle() -> None:
            if place_new_image(image, specimen, may_divide=may_divide):
                _say_that_it_joins(image)

        if place is not None and found.slide is not None:
            _store_slide(image, folder, found, place, below, settle, stored)
            return image
        if below is not None:
            raise UnreadableImage(name, "no_slide_in_folder", {})
        kept = source if is_original and project.keeps_originals and not hides else None
        _store(image, folder, original=kept, reference=reference, settle=settle, stored=stored)
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
    settle: Callable[[], None],
    stored: Callable[[Image], None] | None,
) -> None:
    """Keep a slide whose file stays where it is. Raises AlreadyThere."""
    image.kind = ImageKind.SLIDE
    slide = found.slide
    assert slide is not None
    remote = slide_roots.remote_root(below[0]) if below is not None else None
    is_copied = remote is not None and isinstance(place.source, Path)
    info = {**slide.info, slides.COPIED: True} if is_copied else slide.info
    there = place.source if below is None else slide_roots.resolved(*below)
    try:
        if remote is not None and is_copied:
            size, mtime = _stamp_of_copied(place.source, remote, there)
        else:
            size, mtime = slides.stamp(there / slide.entry if slide.entry else there)
    except Unreadable as error:
        raise UnreadableImage(image.name, error.code, error.params) from None
    root, path = below if below is not None else ("", place.source.relative_to(slides.stored_root()).as_posix())
    row = SlideFile(
        root=root, path=path, entry=slide.entry, size=size, mtime=mtime, reader=slide.reader, page=found.page,
        channel=found.channel, info=info, removed=list(slide.removed), tissue=slide.tissue.as_json(),
    )  # fmt: skip

    def keep(kept: Image) -> None:
        row.image = kept
        row.save()
        kept.slide_bytes = slide_bytes(row)
        fresh = Project.objects.get(pk=kept.project_id)  # whoever uploads may know an older quota
        decline_over_quota(fresh, kept.slide_bytes, waiting=False)
        kept.save(update_fields=["slide_bytes"])
        if stored is not None:
            stored(kept)

    _store(image, folder, original=None, reference=None, settle=settle, stored=keep)
    place.keeps = True


def _stamp_of_copied(source: Path, root: RemoteRoot, there: Path) -> tuple[int, int]:
    """Of a slide in a storage that was read from a copy: of the content that was copied.

    Raises Unreadable where another one lies there by now, since a copy takes minutes.
    """
    from labeling.images import slide_copies  # fsspec takes a quarter of a second, and most servers have no storage

    now = slide_copies.copy_of(root, there)
    if now.file != source:
        raise Unreadable("slide_changed")
    return now.stamp


def read(
    source: Path,
    folder: Path,
    name: str,
    *,
    page: int | None,
    channel: int | None,
    slide: str = "",
    writing: bool = False,
) -> ReadPicture:
    """What inference.reading.child says of a file, its pictures written into `folder`.

    Raises UnreadableImage, CannotRead.
    """
    try:
        return isolation.read_file(
            source, folder, page=page, channel=channel, tiles_from=tiles.TILED_FROM, slide=slide, writing=writing
        )
    except Unreadable as error:
        raise UnreadableImage(name, error.code, error.params) from None
    except isolation.CannotStart as error:
        raise CannotRead(str(error)) from error


def deidentified(
    place: slides.Place, found: ReadPicture, folder: Path, name: str, *, page: int | None, channel: int | None
) -> ReadPicture:
    """An uploaded slide, with its cleaned copy in the place of its file. -> what is said of that copy.

    found  of the file as it came: what it said of the scanner stays, and the names of what is left out

    Raises UnreadableImage, CannotRead.
    """
    assert found.slide is not None
    try:
        slides.deidentify(place)
    except Unreadable as error:
        raise UnreadableImage(name, error.code, error.params) from None
    except isolation.CannotStart as error:
        raise CannotRead(str(error)) from error
    copy = read(place.source, folder, name, page=page, channel=channel, slide="slide", writing=False)
    assert copy.slide is not None
    kept = {"vendor": found.header.vendor, "scanner": found.header.scanner, "objective": found.header.objective}
    info = {**copy.slide.info, **kept, "format": found.slide.info["format"], "mpp_x": found.slide.info["mpp_x"]}
    info |= {"mpp_y": found.slide.info["mpp_y"], "deidentified": True}
    facts = copy.slide.with_(info=info, removed=found.slide.removed)
    return copy.with_(slide=facts, header=found.header, scale=found.scale, writing=found.writing)


def without_number(header: Header) -> str:
    """The scanner as the file names it. What Aperio writes there is the name of the single machine: its maker stays."""
    return header.vendor if header.scanner.startswith("Aperio") else header.scanner


def notes_of_deidentification(found: ReadPicture) -> list[ReadNote]:
    """What people should know of a file in a project that de-identifies: names of what was left out, and a warning."""
    notes = []
    if found.removed:
        notes.append(ReadNote(code="left_out", params={"names": ", ".join(found.removed)[:500]}))
    if found.writing:
        notes.append(ReadNote(code="may_show_writing", params={}))
    return notes


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


def _sizes(folder: Path, original: Path | None) -> dict[str, int]:
    """Bytes that an image will take, before anything is stored."""
    pictures = size_below(folder / "pixels.png") + size_below(folder / "thumbnail.jpg")
    return {"pixels": pictures, "originals": size_below(original) if original else 0}


def _say_that_it_joins(image: Image) -> None:
    params = {"patient": image.patient_label, "split": image.split}
    image.reading["notes"] = [*image.reading.get("notes", []), {"code": "joined_patient", "params": params}]


@transaction.atomic
def _store(
    image: Image,
    folder: Path,
    *,
    original: Path | None,
    reference: "np.ndarray[tuple[int, ...], np.dtype[np.integer]] | None",
    settle: Callable[[], None],
    stored: Callable[[Image], None] | None,
) -> None:
    """Keep an image that was read, with its files. Raises AlreadyThere.

    settle  gives it its patient, with the project's row locked: nobody moves the patient in between
    """
    project = image.project
    locked = Project.objects.for_change(
        project.pk
    )  # two uploads at once must not take one position or both be the first
    same = Image.everything.filter(project=project, sha256=image.sha256, purged_at__isnull=True).first()
    if same is not None:
        raise AlreadyThere(image.name, same)
    image.position = (Image.everything.filter(project=project).aggregate(last=Max("position"))["last"] or 0) + 1
    settle()
    sizes = _sizes(folder, original)
    decline_over_quota(locked, sum(sizes.values()), waiting=False)
    image.pixel_bytes, image.original_bytes = sizes["pixels"], sizes["originals"]
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
    if not isinstance(content, bytes):
        yield content
        return
    path = folder / "upload"
    path.write_bytes(content)
    yield path
