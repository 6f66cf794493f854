"""Reference masks that people bring to their own images: added, replaced, removed.

They are for measuring alone: no stage learns from them. They judge once they are in a locked set (reference.py), and
the set's rules hold: masks that were locked and are changed here stop every further round until the set is locked anew,
so that is only done when whoever asks has confirmed it.
"""

import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.errors import Archived, Invalid, LabelingError, WrongState
from labeling.images.label_maps import read_label_map
from labeling.images.models import Image, Split, learned_from
from labeling.projects.models import Project
from labeling.rounds.reference import current, locked_images

MOST_BYTES = 512 * 2**20  # of one file
ENDINGS = ("_mask", "-mask", "_masks", "-masks", "_label", "-label", "_labels", "-labels", "_reference", "-reference")


class MasksThere(WrongState):
    """The image has reference masks already, and nobody has confirmed that they are to be replaced."""

    code = "masks_there"


@dataclass(frozen=True)
class Added:
    """What became of one file: the image it belongs to, how many cells it holds, and sentences worth reading."""

    file: str
    image: Image
    cells: int
    replaced: bool
    notes: tuple[str, ...]


@transaction.atomic
def set_reference(*, image: Image, content: bytes, name: str, replace: bool = False) -> Added:
    """Store a label map as the image's reference masks.

    content  PNG or TIFF of whole numbers, of the image's size (images/label_maps.py)
    replace  whoever asks knows that the image has masks, which then go

    Raises BadLabelMap, MasksThere, Archived.
    """
    Project.objects.for_change(image.project_id)
    image = Image.objects.select_for_update().get(pk=image.pk)
    found = read_label_map(content, name, width=image.width, height=image.height)
    had = bool(image.reference)
    if had and not replace:
        raise MasksThere(
            _(
                "{image} has reference masks already, so {file} was not stored. Confirm that they are to be replaced."
            ).format(image=image.name, file=name),
            field="replace",
        )
    notes = [*found.notes, *(_locked_note(image) if had else ()), *_training_note(image)]
    _drop_file(image)
    image.reference.save(f"{uuid.uuid4().hex}.png", ContentFile(found.as_png()), save=False)
    image.save(update_fields=["reference"])
    return Added(name, image, found.cells, had, tuple(notes))


@transaction.atomic
def remove_reference(*, image: Image, confirmed: bool = False) -> tuple[str, ...]:
    """Take an image's reference masks away. -> what follows from it, in sentences.

    Raises MasksThere without a confirmation, Invalid where there are none, Archived.
    """
    Project.objects.for_change(image.project_id)
    image = Image.objects.select_for_update().get(pk=image.pk)
    if not image.reference:
        raise Invalid(_("{image} has no reference masks").format(image=image.name), field="image")
    if not confirmed:
        raise MasksThere(
            _("Confirm that the reference masks of {image} are to be removed.").format(image=image.name),
            field="confirmed",
        )
    notes = tuple(_locked_note(image))
    _drop_file(image)
    image.reference = ""
    image.save(update_fields=["reference"])
    return notes


def _drop_file(image: Image) -> None:
    """Delete the stored file once the new state is committed; until then a rollback still needs it."""
    if image.reference:
        storage, name = image.reference.storage, str(image.reference.name)
        transaction.on_commit(lambda: storage.delete(name), robust=True)


def _locked_note(image: Image) -> list[str]:
    """What follows from changing masks that are locked."""
    if image.pk not in locked_images(image.project):
        return []
    locked = current(image.project)
    words = _(
        "{image} is in the locked reference set {n}: no round starts until the set is locked anew with the masks as "
        "they are now."
    )
    return [words.format(image=image.name, n=locked.number if locked else 0)]


def _training_note(image: Image) -> list[str]:
    if image.split != Split.TRAIN:
        return []
    words = _(
        "{image} is in training, so its masks measure nothing. Put it into validation or test, then lock the reference "
        "set."
    )
    return [words.format(image=image.name)]


def add_references(
    *, project: Project, files: Sequence["UploadedFile[Any]"], image: Image | None = None, replace: bool = False
) -> tuple[list[Added], list[LabelingError]]:
    """Several label maps at once: each is stored or declined by itself.

    image  the one that the only file belongs to; None: each file goes to the image of its name
    ->     what was stored, and why the others were not. Raises Invalid when no file was sent, or several for one image.
    """
    if not files:
        raise Invalid(_("No file was chosen. Choose label maps as 16-bit PNG or TIFF."), field="masks")
    if image is not None and len(files) > 1:
        raise Invalid(_("choose one file for one image, or leave the image to the names of the files"), field="masks")
    added: list[Added] = []
    declined: list[LabelingError] = []
    for file in files:
        name = PurePath((file.name or "masks").replace("\\", "/")).name
        try:
            if (file.size or 0) > MOST_BYTES:
                raise Invalid(
                    _("{name} is larger than {size} MiB").format(name=name, size=MOST_BYTES // 2**20), field="masks"
                )
            chosen = image or image_named(project, name)
            added.append(set_reference(image=chosen, content=file.read(), name=name, replace=replace))
        except Archived:
            raise
        except LabelingError as error:
            declined.append(error)
    return added, declined


def image_named(project: Project, file: str) -> Image:
    """The image that a file belongs to: of the same name, apart from the ending, capitals and one of ENDINGS.

    Raises Invalid when there is none, or more than one.
    """
    images = list(learned_from(project).order_by("position"))
    for wanted in _stems(file):
        found = [image for image in images if wanted == _stem(image.name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise Invalid(
                _("{file} fits {n} images of the same name. Choose the image for this file.").format(
                    file=file, n=len(found)
                ),
                field="masks",
            )
    raise Invalid(
        _("{file} fits no image. Name the file like its image, or choose the image for it.").format(file=file),
        field="masks",
    )


def _stem(name: str) -> str:
    base = PurePath(name.replace("\\", "/")).name
    return unicodedata.normalize("NFC", PurePath(base).stem).casefold()


def _stems(file: str) -> list[str]:
    """The names that an image of this file may have, the most exact first."""
    stem = _stem(file)
    return [stem, *(stem.removesuffix(ending) for ending in ENDINGS if stem.endswith(ending))]


@dataclass(frozen=True)
class Referenced:
    """An image with reference masks; locked: they are part of the locked reference set."""

    image: Image
    locked: bool


def referenced(project: Project) -> list[Referenced]:
    """The images with reference masks, in order."""
    locked = locked_images(project)
    images = project.images.exclude(reference="").order_by("position")
    return [Referenced(image, image.pk in locked) for image in images]
