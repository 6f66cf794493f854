"""Reading, writing, and both: the functions that the command, the data sets and the website's import call."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inference.formats.checks import tidied
from inference.formats.format import Format, Target
from inference.formats.geometry import TooLarge
from inference.formats.losses import Loss, losses_of
from inference.formats.model import (
    Annotations,
    ToolObject,
)
from inference.formats.problems import EVERY_IMAGE, Context, FormatProblem, Listed, stem_of
from inference.formats.registry import BOTH_WAYS, format_named, recognise
from inference.formats.sources import PICTURES, Source, files_in, open_source
from inference.types import InferenceError

# Endings that say the format by themselves.
BY_ENDING = {
    ".geojson": "geojson", ".mat": "consep", ".roi": "roi", ".zip": "roi", ".png": "png", ".tif": "tiff",
    ".tiff": "tiff", ".ome.tif": "ome", ".ome.tiff": "ome", "_seg.npy": "cellpose", "_cp_outlines.txt": "cellpose",
    ".dcm": "dicom",
}  # fmt: skip


@dataclass
class Reading:
    """What was read: the annotations, by which format, and what of the file is not in them."""

    format: str
    annotations: Annotations
    skipped: dict[str, Listed] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)
    declined: list[FormatProblem] = field(default_factory=list)


@dataclass
class Conversion:
    """What `convert` did. `losses` is what the new format cannot hold, `skipped` what the old one held besides."""

    source: str
    target: str
    images: int
    objects: int
    classes: list[str]
    files: list[str]
    losses: list[Loss]
    reading: Reading
    notes: list[str]

    def as_json(self) -> ToolObject:
        skipped = [
            {"what": what, "count": one.count, "places": one.places} for what, one in self.reading.skipped.items()
        ]
        return {
            "from": self.source,
            "to": self.target,
            "images": self.images,
            "objects": self.objects,
            "classes": self.classes,
            "files": self.files,
            "losses": [{"what": str(loss.what), "count": loss.count} for loss in self.losses],
            "skipped": skipped,
            "remarks": dict(self.reading.remarks),
            "notes": self.notes,
        }


def read(
    path: Path, *, format: str = "", sizes: Mapping[str, tuple[int, int]] | None = None, strict: bool = True
) -> Reading:
    """The annotations in a file, a folder or a zip.

    format  a name of the registry; without one it is recognised by content
    sizes   name or stem of an image -> (width, height) px, for formats that do not say it
    strict  a bad object raises; without it the others are read, and it is in `declined`

    Raises FormatProblem that names the file, the place and the remedy.
    """
    return read_source(open_source(path), format=format, sizes=sizes, strict=strict)


def read_source(
    source: Source, *, format: str = "", sizes: Mapping[str, tuple[int, int]] | None = None, strict: bool = True
) -> Reading:
    """The same of what is open already: its JSON is not parsed again."""
    path = source.path
    chosen = format_named(format) if format else recognise(source)
    context = Context(sizes=sizes or {}, strict=strict)
    source.problems.clear()  # those of other formats
    try:
        annotations = chosen.read(source, context)
    except RecursionError as error:
        raise FormatProblem(path, "the file is nested too deep", remedy="it is no file of annotations") from error
    for problem in source.problems.values():
        context.decline(problem)
    if not annotations.images and context.declined:
        raise context.declined[0]
    if not annotations.images:
        cause = f"it holds no annotations of the format {chosen.name}"
        raise FormatProblem(path, cause, remedy="name its format with --from, or let it be recognised")
    fill_in_sizes(annotations, context)
    tidied(annotations, context, path)
    return Reading(chosen.name, annotations, context.skipped, context.remarks, context.declined)


def fill_in_sizes(annotations: Annotations, context: Context) -> None:
    """Give each image whose size the file does not say the size that the caller knows."""
    for image in annotations.images:
        found = context.size_of(image.name)
        if image.size is None and found is not None:
            image.width, image.height = found


def write(annotations: Annotations, out: Path, *, format: str) -> tuple[list[str], list[Loss], list[str]]:
    """Write a file or a folder. -> names of the files, what the format cannot hold, notes.

    Everything is written beside the target first: when something fails nothing is there. Raises FormatProblem.
    """
    chosen = format_named(format)
    if chosen.write is None:
        raise InferenceError(f"{chosen.title} is only read; write {', '.join(BOTH_WAYS)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    is_file = names_a_file(out, chosen)
    with tempfile.TemporaryDirectory(prefix=".boxwise-", dir=out.parent) as temporary:
        folder = Path(temporary)
        target = Target(folder, folder / out.name if is_file else None)
        try:
            chosen.write(annotations, target)
            losses = losses_of(annotations, chosen.keeps)
        except TooLarge as error:
            raise FormatProblem(out, str(error), remedy="cut the image into fields") from error
        written = sorted(file for file in folder.rglob("*") if file.is_file())
        names = [str(file.relative_to(folder)) for file in written]
        destination = out.parent if is_file else out
        for file, name in zip(written, names, strict=True):
            place = destination / name
            place.parent.mkdir(parents=True, exist_ok=True)
            _replace(file, place)
    losses += [Loss(what, count) for what, count in target.lost.items() if count]
    left_out = [f"{count} objects are not written: they {why}" for why, count in target.left_out.items()]
    return names, losses, target.notes + left_out


def _replace(file: Path, place: Path) -> None:
    try:
        os.replace(file, place)
    except OSError:  # another file system
        shutil.move(file, place)


def names_a_file(out: Path, format: Format) -> bool:
    """Whether OUT is one file: it is there as one, or ends as the format's files do."""
    if out.is_dir():
        return False
    return out.is_file() or out.name.lower().endswith(format.endings)


def format_of_target(out: Path) -> str:
    """The format that OUT's ending says. Raises InferenceError when it does not."""
    for ending in sorted(BY_ENDING, key=len, reverse=True):
        if out.name.lower().endswith(ending) and not out.is_dir():
            return BY_ENDING[ending]
    raise InferenceError(f"{out.name} does not say which format to write; name it with --to ({', '.join(BOTH_WAYS)})")


def convert(
    path: Path,
    out: Path,
    *,
    source: str = "",
    target: str = "",
    images: Path | None = None,
    size: tuple[int, int] | None = None,
) -> Conversion:
    """Read `path` and write `out`.

    images  folder with the images, whose sizes are used where `path` says none
    size    (width, height) px of every image whose size nothing else says

    Raises InferenceError with the file, the place and the remedy.
    """
    wanted = target or format_of_target(out)
    format_named(wanted)
    sizes = sizes_in(images) if images is not None else {}
    if size is not None:
        sizes[EVERY_IMAGE] = size
    reading = read(path, format=source, sizes=sizes)
    files, losses, notes = write(reading.annotations, out, format=wanted)
    return Conversion(
        source=reading.format,
        target=wanted,
        images=len(reading.annotations.images),
        objects=sum(1 for _ in reading.annotations.each()),
        classes=reading.annotations.class_names(),
        files=files,
        losses=losses,
        reading=reading,
        notes=notes,
    )


def sizes_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Name and stem -> (width, height) px of every picture file in a folder, from its header alone.

    Raises FormatProblem for a folder without pictures. Two pictures of one stem are known by their names only.
    """
    from inference.reading import Unreadable, identify

    if not folder.is_dir():
        raise FormatProblem(folder, "there is no such folder", remedy="give the folder that holds the images")
    found: dict[str, tuple[int, int]] = {}
    doubtful: set[str] = set()
    for file in files_in(folder):
        if file.suffix.lower() not in PICTURES:
            continue
        try:
            about = identify(file)
        except (Unreadable, OSError):
            continue
        size = (about.width, about.height)
        found[file.name] = size
        found[str(file.relative_to(folder))] = size
        stem = stem_of(file.name)
        if found.setdefault(stem, size) != size:
            doubtful.add(stem)
    if not found:
        raise FormatProblem(folder, "the folder holds no picture that can be read")
    return {name: size for name, size in found.items() if name not in doubtful}
