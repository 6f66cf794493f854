"""CoNSeP and HoVer-Net `.mat`: inst_map (H, W), type_map, inst_type (n, 1), inst_centroid (n, 2), one file an
image.

Label maps: a pixel is an index, so nothing moves; the centroid is x, y of pixel indices, half a pixel less than
ours. Row i of inst_type is the i-th id in ascending order. Types are numbers from 1; `class_names`, which other
programs ignore, names them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from inference.formats.format import Format, Target
from inference.formats.losses import Property
from inference.formats.model import (
    AnnotatedImage,
    Annotations,
    LabelClass,
    ToolObject,
)
from inference.formats.painting import objects_of, paint
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, head_of

FIELDS = ("inst_map", "type_map", "inst_type", "class_names")
HDF5 = b"\x89HDF"

HEAD = b"MATLAB 5.0 MAT-file, made by Boxwise"


def recognises(source: Source) -> bool:
    return any(_has_map(file) for file in source.with_suffix(".mat"))


def _has_map(file: Path) -> bool:
    from scipy.io import whosmat

    try:
        return any(name == "inst_map" for name, _, _ in whosmat(str(file)))
    except Exception:  # a damaged file may raise anything; version 7.3 raises NotImplementedError
        return b"inst_map" in head_of(file, 2**20)


# -- reading


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in source.with_suffix(".mat"):
        if not _has_map(file):
            continue
        document = _load(file)
        labels = _whole(document.get("inst_map"), file, "inst_map")
        names = _names(document.get("class_names"))
        image = AnnotatedImage(file.stem, labels.shape[1], labels.shape[0])
        objects = objects_of(labels)
        types = _types(document, labels, len(objects), file)
        for (_, annotation), number in zip(objects, types, strict=True):
            if number > 0:
                annotation.label = names.get(number, f"type {number}")
            image.annotations.append(annotation)
        found.images.append(image)
        known = {label.name for label in found.classes}
        numbered = names or {number: f"type {number}" for number in sorted(set(types)) if number > 0}
        found.classes += [LabelClass(name, number) for number, name in numbered.items() if name not in known]
    return found


def _load(file: Path) -> ToolObject:
    from scipy.io import loadmat

    try:
        if head_of(file, 4) == HDF5 or b"MATLAB 7.3" in head_of(file, 128):
            cause = "the file is of MATLAB's version 7.3"
            raise FormatProblem(file, cause, remedy="save it with -v7")
        found: ToolObject = loadmat(str(file), variable_names=list(FIELDS))
    except FormatProblem:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise FormatProblem(file, f"the file cannot be read ({error})", remedy="save it again") from error
    return found


def _whole(values: Any, file: Path, name: str) -> Any:
    """(H, W) of whole numbers; the files hold floats."""
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "uif" or not np.isfinite(array).all():
        raise FormatProblem(file, f"{name} must be a map of whole numbers")
    if (array < 0).any() or (array != np.rint(array)).any():
        raise FormatProblem(file, f"{name} holds numbers that are no ids")
    return array.astype(np.int64)


def _types(document: ToolObject, labels: Any, count: int, file: Path) -> list[int]:
    """The type of each object in order: of inst_type, else the commonest of type_map under it, else 0."""
    given = document.get("inst_type")
    if given is not None and np.size(given) == count:
        return [int(number) for number in np.ravel(given)]
    types = document.get("type_map")
    if types is None:
        return [0] * count
    types = _whole(types, file, "type_map")
    if types.shape != labels.shape:
        raise FormatProblem(file, "type_map and inst_map have different sizes")
    ids = np.unique(labels[labels > 0])
    return [int(np.bincount(types[labels == one]).argmax()) for one in ids]


def _names(given: Any) -> dict[int, str]:
    if given is None:
        return {}
    names = [str(np.ravel(one)[0]) if np.size(one) else "" for one in np.ravel(given)]
    return dict(enumerate(names, start=1))


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    from scipy.io import savemat

    names = annotations.class_names()
    numbers = {name: number for number, name in enumerate(names, start=1)}
    for image, file in target.each(annotations, ".mat"):
        painted = paint(image, target, on_pages=False)
        labels = painted.pages[0]
        types = [numbers[one.label] if one.label is not None else 0 for one in painted.objects]
        type_map = np.array([0, *types], np.float64)[labels]
        document: ToolObject = {
            "inst_map": labels.astype(np.float64),
            "type_map": type_map,
            "inst_type": np.array(types, np.float64).reshape(-1, 1),
            "inst_centroid": _centroids(labels, len(types)),
        }
        if names:
            cells = np.empty((len(names), 1), object)
            cells[:, 0] = names
            document["class_names"] = cells
        savemat(str(file), document, do_compression=True)
        _drop_the_clock(file)


def _drop_the_clock(file: Path) -> None:
    """scipy writes the time into the description at the head of the file; equal work gives equal files."""
    with file.open("r+b") as opened:
        opened.write(HEAD.ljust(116))


def _centroids(labels: Any, count: int) -> Any:
    """(n, 2) x, y of pixel indices."""
    rows, columns = np.nonzero(labels)
    ids = labels[rows, columns]
    sizes = np.maximum(np.bincount(ids, minlength=count + 1)[1:], 1)
    x = np.bincount(ids, columns, minlength=count + 1)[1:] / sizes
    y = np.bincount(ids, rows, minlength=count + 1)[1:] / sizes
    return np.stack([x, y], axis=1)


KEEPS = frozenset(
    (
        Property.MASKS, Property.HOLES, Property.PARTS, Property.MANY, Property.CLASSES, Property.EMPTY, Property.NAMES,
    )
)  # fmt: skip
FORMATS = {"consep": Format("consep", "CoNSeP and HoVer-Net .mat", recognises, read, write, KEEPS, (".mat",))}
