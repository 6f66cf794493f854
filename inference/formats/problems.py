"""What a reader or a writer cannot do, as sentences with the file, the place in it and the remedy."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inference.types import InferenceError

MOST_PLACES = 5  # that a result names of one kind


class FormatProblem(InferenceError):
    """A file cannot be read or written. str() names the file, the place, the cause and the remedy."""

    code = "format_problem"

    def __init__(self, file: Path | str, cause: str, *, place: str = "", remedy: str = "") -> None:
        self.file = file.name if isinstance(file, Path) else file
        self.place = place
        self.cause = cause
        self.remedy = remedy
        where = f"{self.file}, {place}" if place else self.file
        super().__init__(f"{where}: {cause}{'; ' + remedy if remedy else ''}")


@dataclass
class Listed:
    """How often something happened, and the first places."""

    count: int = 0
    places: list[str] = field(default_factory=list)


EVERY_IMAGE = "*"  # in place of a name: the size of every image that is not named


@dataclass
class Context:
    """What a reader is told, and what it tells.

    sizes     stem or name of an image, or EVERY_IMAGE -> (width, height) px
    strict    a bad object raises; else it is put into `declined` and the others are read
    skipped   kinds of content that no annotation of ours can hold, with their places
    remarks   what people should look at, for example outlines that cross themselves
    """

    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    strict: bool = True
    skipped: dict[str, Listed] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)
    declined: list[FormatProblem] = field(default_factory=list)

    def skip(self, what: str, place: str, count: int = 1) -> None:
        listed = self.skipped.setdefault(what, Listed())
        listed.count += count
        if len(listed.places) < MOST_PLACES:
            listed.places.append(place)

    def decline(self, problem: FormatProblem) -> None:
        """A bad object: raise, or keep the sentence and go on with the next object."""
        if self.strict:
            raise problem
        self.declined.append(problem)

    @contextmanager
    def one_object(self) -> Iterator[None]:
        """What goes wrong inside concerns one object of the file only."""
        try:
            yield
        except FormatProblem as problem:
            self.decline(problem)

    def size_of(self, name: str) -> tuple[int, int] | None:
        """The size of the image with this name, endings and folders apart; None when nobody told."""
        return self.sizes.get(name) or self.sizes.get(stem_of(name)) or self.sizes.get(EVERY_IMAGE)

    def needed_size(self, name: str, file: Path | str) -> tuple[int, int]:
        found = self.size_of(name)
        if found is None:
            raise FormatProblem(
                file,
                f"the format does not say how large the image {name} is",
                remedy="give the folder that holds the images with --images, or the size with --size",
            )
        return found


def stem_of(name: str) -> str:
    """The name of a file without its folders and its ending."""
    base = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    stem, dot, ending = base.rpartition(".")
    return stem if dot and stem and ending.isalnum() and len(ending) <= 5 else base
