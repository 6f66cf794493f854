"""PanNuke: masks.npy (n, H, W, classes + 1), a channel a class with its own ids, the last for background.

A pixel is an index, so nothing moves. All images have one size. The five classes of PanNuke are the channels of a
file with six; other classes are named by classes.csv beside it, and the images by images.csv. Objects of one class
that overlap lose the pixels to the earlier one; those of different classes keep them.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from inference.formats.format import COVERED, NO_PIXEL, Format, Target
from inference.formats.geometry import mask_of
from inference.formats.losses import Property
from inference.formats.model import UNCLASSIFIED, AnnotatedImage, Annotations, LabelClass
from inference.formats.painting import areas_of, objects_of
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, head_of, is_object_array, read_array, read_table

CLASSES = ("Neoplastic", "Inflammatory", "Connective", "Dead", "Epithelial")


def recognises(source: Source) -> bool:
    return any(_is_masks(file) for file in source.with_suffix(".npy"))


def _is_masks(file: Path) -> bool:
    """Whether it is an array of numbers (n, H, W, channels), and not the pictures, which have three channels."""
    if is_object_array(file) or not head_of(file, 6).startswith(b"\x93NUMPY"):
        return False
    try:
        array = read_array(file)
    except FormatProblem:
        return False
    return array.ndim == 4 and array.dtype.kind in "uif" and 2 <= array.shape[-1] <= 256 and "image" not in file.name


# -- reading


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in source.with_suffix(".npy"):
        if not _is_masks(file):
            continue
        array = read_array(file)
        names = _names(file, array.shape[-1] - 1)
        titles = _column(file.with_name("images.csv"), "name")
        for place in range(len(array)):
            title = titles[place] if place < len(titles) else f"{file.stem}_{place:05d}"
            image = AnnotatedImage(title, array.shape[2], array.shape[1])
            for channel, name in enumerate(names):
                labels = np.asarray(array[place, :, :, channel])
                if not np.isfinite(labels).all() or labels.min(initial=0) < 0:
                    cause = "the mask holds numbers that are no ids"
                    raise FormatProblem(file, cause, place=f"image {place}, channel {channel}")
                for _, one in objects_of(labels.astype(np.int64)):
                    one.label = None if name == UNCLASSIFIED else name
                    one.place = f"image {place}, {name}, {one.place}"
                    image.annotations.append(one)
            found.images.append(image)
        known = {label.name for label in found.classes}
        fresh = [name for name in names if name not in known and name != UNCLASSIFIED]
        found.classes += [LabelClass(name, number) for number, name in enumerate(fresh)]
    return found


def _names(file: Path, count: int) -> list[str]:
    given = _column(file.with_name("classes.csv"), "name")
    if len(given) == count:
        return given
    return list(CLASSES) if count == len(CLASSES) else [f"class {number}" for number in range(count)]


def _column(file: Path, name: str) -> list[str]:
    """A column of a table; empty without the table."""
    if not file.is_file():
        return []
    return [row.get(name, "") for _, row in read_table(file)]


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    names = annotations.class_names()
    if set(names) <= set(CLASSES):
        names = list(CLASSES)
    if any(one.label is None for one in annotations.each()):
        names = [*names, UNCLASSIFIED]
    sizes = {target.size_of(image) for image in annotations.images}
    document = target.document("masks.npy")
    if len(sizes) != 1:
        cause = f"PanNuke's arrays want images of one size, and there are {len(sizes)} sizes"
        raise FormatProblem(document, cause, remedy="write another format, or cut the images to one size")
    width, height = next(iter(sizes))
    shape = (len(annotations.images), height, width, len(names) + 1)
    array = np.lib.format.open_memmap(document, "w+", np.float64, shape)
    for place, image in enumerate(annotations.images):
        array[place] = _channels(image, names, (width, height), target)
    array.flush()
    _table(document.with_name("classes.csv"), names)
    _table(document.with_name("images.csv"), [image.name for image in annotations.images])


def _channels(
    image: AnnotatedImage,
    names: list[str],
    size: tuple[int, int],
    target: Target,
) -> Any:
    """(H, W, classes + 1); ids are unique in the image, as PanNuke's are."""
    width, height = size
    channels = np.zeros((height, width, len(names) + 1))
    for number, one in enumerate(areas_of(image), start=1):
        mask = mask_of(one.geometry, size)
        if mask is None:
            target.leave_out(NO_PIXEL)
            continue
        channel = names.index(one.label if one.label is not None else UNCLASSIFIED)
        rows = slice(mask.y, mask.y + mask.bits.shape[0])
        columns = slice(mask.x, mask.x + mask.bits.shape[1])
        window = channels[rows, columns, channel]
        free = mask.bits & (window == 0)
        target.lost[Property.OVERLAPS] += bool((mask.bits & ~free).any())
        if not free.any():
            target.leave_out(COVERED)
        window[free] = number
    channels[..., -1] = ~channels[..., :-1].any(axis=-1)
    return channels


def _table(file: Path, names: list[str]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(("number", "name"))
        writer.writerows(enumerate(names))


KEEPS = frozenset(
    (Property.MASKS, Property.HOLES, Property.PARTS, Property.MANY, Property.CLASSES, Property.EMPTY, Property.NAMES)
)
FORMATS = {"pannuke": Format("pannuke", "PanNuke", recognises, read, write, KEEPS, (".npy",), one_file=True)}
