"""The protocol of a format, and where its writer puts its files."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.formats.geometry import box_of
from inference.formats.losses import Property
from inference.formats.model import AnnotatedImage, Annotations
from inference.formats.names import unique_stems
from inference.formats.problems import Context, FormatProblem, stem_of
from inference.formats.sources import Source

# Why an object is not written.
NO_PIXEL = "cover the centre of no pixel of their image"
COVERED = "lie wholly under earlier ones"


@dataclass
class Target:
    """Where a writer writes: a folder (with `file` None) or one file.

    lost      what the writer itself counts of what the format has no place for
    left_out  why -> how many objects are not written although the format has a place for them
    """

    folder: Path
    file: Path | None
    lost: Counter[Property] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, why: str) -> None:
        """An object is not written; the result says it."""
        self.left_out[why] += 1

    def document(self, name: str) -> Path:
        """The one file of a format that holds all images."""
        return self.file or self.folder / name

    def each(self, annotations: Annotations, ending: str) -> Iterator[tuple[AnnotatedImage, Path]]:
        """Every image with the file that is its own: its name with `ending` instead of its own ending."""
        if self.file is not None:
            if len(annotations.images) != 1:
                cause = f"{len(annotations.images)} images do not go into one file of this format"
                raise FormatProblem(self.file, cause, remedy="give a folder")
            yield annotations.images[0], self.file
            return
        numbered = [(f"{stem_of(image.name)}.x", number) for number, image in enumerate(annotations.images, start=1)]
        stems = unique_stems(numbered)
        changed = 0
        for image, stem in zip(annotations.images, stems, strict=True):
            changed += stem != stem_of(image.name)
            file = self.folder / f"{stem}{ending}"
            file.parent.mkdir(parents=True, exist_ok=True)
            yield image, file
        if changed:
            self.notes.append(f"{changed} images got another file name, so that each is unique and legal")

    def write_json(self, file: Path, document: Any) -> None:
        """UTF-8, compact. A number that is not finite has no place in JSON and must not be in `document`."""
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        file.write_text(text, encoding="utf-8")

    def size_of(self, image: AnnotatedImage) -> tuple[int, int]:
        """The image's size. Raises FormatProblem when nobody said it."""
        if image.size is None:
            cause = "the format needs the size of each image, and what was read does not say it"
            remedy = "give the folder that holds the images with --images, or the size with --size"
            raise FormatProblem(image.name, cause, remedy=remedy)
        return image.size

    def size_or_extent(self, image: AnnotatedImage) -> tuple[int, int]:
        """The image's size; where nobody said it, the smallest that holds its objects, and a note says so.

        For formats whose coordinates are pixels: they are right whatever the size.
        """
        if image.size is not None:
            return image.size
        note = f"the size of {image.name} is not known: the smallest that holds its objects is written"
        if note not in self.notes:
            self.notes.append(note)
        boxes = [box_of(annotation.geometry) for annotation in image.annotations]
        right = max((box[2] for box in boxes), default=1.0)
        bottom = max((box[3] for box in boxes), default=1.0)
        return max(1, math.ceil(right)), max(1, math.ceil(bottom))


@dataclass(frozen=True)
class Format:
    """One format.

    title       what it is called on pages
    recognises  by content; must not raise for any file
    write       None for a format that is only read
    keeps       what its files hold; the test of every format holds it
    endings     of the file that is written; the first is the usual one
    one_file    whether one file holds all images
    has_list    whether a list of classes that depends on what is annotated lies beside the files
    has_splits  whether its folders say which images train, validate and test
    """

    name: str
    title: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, Context], Annotations]
    write: Callable[[Annotations, Target], None] | None = None
    keeps: frozenset[Property] = frozenset()
    endings: tuple[str, ...] = (".json",)
    one_file: bool = False
    has_list: bool = False
    has_splits: bool = False

    @property
    def shares_files(self) -> bool:
        return self.one_file or self.has_list
