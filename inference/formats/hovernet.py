"""HoVer-Net's JSON: one file an image, `nuc` of id -> bbox, centroid, contour, type, type_prob; beside it
type_info.json.

A contour is OpenCV's: pixel indices x, y of the border pixels, which belong to the nucleus (contours.py), so it
runs half a pixel inside of our outline. bbox is [[row, column], [row, column]], the last excluded; the centroid is
x, y of pixel indices, so half a pixel less than ours. One contour has no holes and one part. Types are numbers:
type_info.json (number -> [name, colour]) names them, as HoVer-Net's own file does.
"""

from pathlib import Path
from typing import Any

import numpy as np

from inference.formats import values
from inference.formats.contours import contour_of, mask_of_contour
from inference.formats.format import NO_PIXEL, Format, Target
from inference.formats.geometry import TooLarge, mask_of
from inference.formats.losses import Property
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    LabelClass,
    Pixels,
    ToolObject,
)
from inference.formats.painting import areas_of
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source

TYPES = "type_info.json"


def recognises(source: Source) -> bool:
    return bool(_files(source))


def _files(source: Source) -> list[Path]:
    return [file for file in source.with_suffix(".json") if _is_nuclei(source.json_or_none(file))]


def _is_nuclei(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("nuc"), dict)


# -- reading


def read(source: Source, context: Context) -> Annotations:
    types = _types(source)
    found = Annotations(classes=list(types.values()))
    for file in _files(source):
        image = AnnotatedImage(file.stem)
        for key, nucleus in source.json(file)["nuc"].items():
            with context.one_object():
                image.annotations.append(_annotation(values.mapping(nucleus), types, file, f"nucleus {key}"))
        found.images.append(image)
    return found


def _types(source: Source) -> dict[int, LabelClass]:
    """type_info.json beside the file, or in the folder; empty without one."""
    file = source.named(TYPES)
    if file is None and (source.root / TYPES).is_file():
        file = source.root / TYPES
    if file is None:
        return {}
    found = {}
    for key, value in values.mapping(source.json_or_none(file)).items():
        if str(key).isdigit() and isinstance(value, list) and value and int(key) > 0:
            color = values.hex_color(value[1]) if len(value) > 1 else ""
            found[int(key)] = LabelClass(values.text(value[0]), int(key), color)
    return found


def _annotation(nucleus: ToolObject, types: dict[int, LabelClass], file: Path, place: str) -> Annotation:
    xy = values.points(nucleus.get("contour"), file, place)
    if np.abs(xy).max(initial=0) > 1e8:
        raise FormatProblem(file, "a coordinate is beyond 1e8 px", place=place)
    try:
        mask = mask_of_contour(np.rint(xy).astype(np.int64))
    except TooLarge as error:
        raise FormatProblem(file, str(error), place=place) from error
    if mask is None:
        raise FormatProblem(file, "its contour has no point", place=place)
    number = nucleus.get("type")
    score = nucleus.get("type_prob")
    label = None
    if number is not None:
        known = values.whole(number, file, place, "type")
        label = types[known].name if known in types else f"type {known}" if known else None
    return Annotation(
        Pixels(mask),
        label,
        score=None if score is None else values.number(score, file, place, "type_prob"),
        place=place,
    )


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    names = annotations.class_names()
    numbers = {name: number for number, name in enumerate(names, start=1)}
    for image, file in target.each(annotations, ".json"):
        nuclei: ToolObject = {}
        for one in areas_of(image):
            entry = _entry(one, image, target)
            if entry is not None:
                kind = numbers[one.label] if one.label is not None else 0
                nuclei[str(len(nuclei) + 1)] = entry | {"type": kind if names else None, "type_prob": one.score}
        target.write_json(file, {"mag": None, "nuc": nuclei})
    if names:
        about: dict[str, list[Any]] = {"0": ["nolabe", [0, 0, 0]]}
        for name, number in numbers.items():
            about[str(number)] = [name, values.rgb(annotations.color_of(name)) or [0, 0, 0]]
        folder = target.file.parent if target.file is not None else target.folder
        target.write_json(folder / TYPES, about)


def _entry(one: Annotation, image: AnnotatedImage, target: Target) -> ToolObject | None:
    mask = mask_of(one.geometry, image.size)
    if mask is None:
        target.leave_out(NO_PIXEL)
        return None
    contour, _ = contour_of(mask)
    height, width = mask.bits.shape
    rows, columns = np.nonzero(mask.bits)
    return {
        "bbox": [[mask.y, mask.x], [mask.y + height, mask.x + width]],
        "centroid": [float(columns.mean()) + mask.x, float(rows.mean()) + mask.y],
        "contour": contour.tolist(),
    }


KEEPS = frozenset(
    (
        Property.MASKS, Property.OVERLAPS, Property.MANY, Property.CLASSES, Property.SCORES, Property.EMPTY,
        Property.NAMES, Property.COLORS,
    )
)  # fmt: skip
FORMATS = {"hovernet": Format("hovernet", "HoVer-Net JSON", recognises, read, write, KEEPS, (".json",))}
