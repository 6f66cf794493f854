"""The files of one upload, each on its own: what came of one never depends on the others."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.utils.translation import gettext as _

from labeling.errors import Archived, Invalid, LabelingError
from labeling.images.models import Image
from labeling.images.sentences import note_sentences
from labeling.images.services import AlreadyThere, add_image
from labeling.projects.models import Project

MOST_BYTES = 512 * 1024 * 1024
log = logging.getLogger(__name__)


class Outcome(StrEnum):
    ADDED = "added"
    ALREADY_THERE = "already_there"
    DECLINED = "declined"


@dataclass(frozen=True)
class FileResult:
    """What came of one file. Plain values only, so that a job of many files can store a list of these.

    image  key of the image that was added, or that is the same picture
    code   of the error, for programs; "" where the file was added
    words  the error as a sentence, or, of a file that was added, what people should know of it, each a sentence
    """

    name: str
    outcome: Outcome
    image: int | None = None
    code: str = ""
    words: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def take_files(*, project: Project, files: Iterable[UploadedFile], facts: dict[str, Any]) -> list[FileResult]:
    """Add every file that can be read; the others are declined, each for its own reason. Raises Archived."""
    return [take_file(project=project, file=file, facts=facts) for file in files]


def take_file(*, project: Project, file: UploadedFile, facts: dict[str, Any]) -> FileResult:
    """Add one file. facts: the arguments of add_image that all files share. Raises Archived, nothing else."""
    name = file.name or "image"
    try:
        image = add_upload(project=project, file=file, facts=facts)
    except Archived:
        raise
    except AlreadyThere as error:
        return FileResult(name, Outcome.ALREADY_THERE, error.image.pk, error.code, (str(error),))
    except LabelingError as error:
        return FileResult(name, Outcome.DECLINED, None, error.code, (str(error),))
    except Exception:  # a fault of ours in one file must not take the others with it; it is logged, not hidden
        log.exception("an uploaded file could not be added")
        words = _("{name} could not be added because of a fault in Boxwise, which is written to its log").format(
            name=name
        )
        return FileResult(name, Outcome.DECLINED, None, "fault", (words,))
    return FileResult(image.name, Outcome.ADDED, image.pk, "", tuple(note_sentences(image.reading["notes"])))


def add_upload(*, project: Project, file: UploadedFile, facts: dict[str, Any]) -> Image:
    """One uploaded file as an image. A large one is on disk and is never read into this process.

    Raises what add_image raises, and Invalid for a file that is too large.
    """
    if (file.size or 0) > MOST_BYTES:
        words = _("{name} is larger than {size} MiB; cut it into smaller fields")
        raise Invalid(words.format(name=file.name, size=MOST_BYTES // 2**20), field="image")
    name = file.name or "image"
    if isinstance(file, TemporaryUploadedFile):  # on disk already, as every large one is
        return add_image(project=project, name=name, content=Path(file.temporary_file_path()), **facts)
    return add_image(project=project, name=name, content=file.read(), **facts)
