"""Datumaro's JSON: items with bbox, polygon, mask (run lengths), ellipse, polyline and points.

Coordinates are continuous pixels, (0, 0) the corner: as ours. Labels of whole images, captions, skeletons and 3-D
shapes are skipped and listed.
"""

from pathlib import Path
from typing import Any

import numpy as np

from inference.formats import values
from inference.formats.coco import runs_of
from inference.formats.format import Format
from inference.formats.geometry import ellipse
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    LabelClass,
    Points,
    ToolObject,
    polygon,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source

SHAPES = ("bbox", "polygon", "mask", "ellipse", "polyline", "points")


def recognises(source: Source) -> bool:
    return any(_is_datumaro(source.json_or_none(file)) for file in source.with_suffix(".json"))


def _is_datumaro(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        return False
    return isinstance(document.get("categories"), dict)


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in source.with_suffix(".json"):
        document = source.json_or_none(file)
        if not _is_datumaro(document):
            continue
        entries = values.listed(values.mapping(document["categories"].get("label")).get("labels"))
        names = [values.text(values.mapping(entry).get("name")) for entry in entries]
        known = {label.name for label in found.classes}
        found.classes += [LabelClass(name, number) for number, name in enumerate(names) if name not in known]
        for place, item in enumerate(document["items"], start=1):
            found.images.append(_image(values.mapping(item), names, file, f"item {place}", context))
    return found


def _image(
    item: ToolObject,
    names: list[str],
    file: Path,
    place: str,
    context: Context,
) -> AnnotatedImage:
    about = values.mapping(item.get("image") or item.get("media"))
    name = values.text(about.get("path") or item.get("id")).replace("\\", "/").rpartition("/")[2]
    image = AnnotatedImage(name or values.text(item.get("id")))
    size = values.listed(about.get("size"))
    if len(size) == 2:
        image.height, image.width = (values.whole(side, file, place, "size") for side in size)
    for number, entry in enumerate(values.objects_in(item.get("annotations")), start=1):
        where = f"{place}, annotation {number}"
        kind = entry.get("type")
        if kind not in SHAPES:
            context.skip("labels of images" if kind == "label" else f"annotations of type {kind}", where)
            continue
        with context.one_object():
            image.annotations.append(_annotation(entry, names, image, file, where))
    return image


def _annotation(
    entry: ToolObject,
    names: list[str],
    image: AnnotatedImage,
    file: Path,
    place: str,
) -> Annotation:
    label = None
    if entry.get("label_id") is not None:
        number = values.whole(entry["label_id"], file, place, "label_id")
        if not 0 <= number < len(names):
            raise FormatProblem(file, f"its label_id {number} is no place in the list of labels", place=place)
        label = names[number]
    attributes = dict(values.mapping(entry.get("attributes")))
    score = attributes.pop("score", None)
    return Annotation(
        geometry=_geometry(entry, image, file, place),
        label=label,
        score=None if score is None else values.number(score, file, place, "score"),
        attributes=attributes,
        crowd=attributes.get("is_crowd") is True,
        place=place,
    )


def _geometry(
    entry: ToolObject,
    image: AnnotatedImage,
    file: Path,
    place: str,
) -> Geometry:
    kind = entry["type"]
    if kind == "mask":
        return runs_of(values.mapping(entry.get("rle")), image, file, place)
    if kind in ("bbox", "ellipse"):
        numbers = entry.get("bbox") if kind == "bbox" else entry.get("points")
        if not isinstance(numbers, list) or len(numbers) != 4:
            raise FormatProblem(file, f"a {kind} has four numbers", place=place)
        a, b, c, d = (values.number(one, file, place, kind) for one in numbers)
        if kind == "bbox":
            return values.rectangle(a, b, a + c, b + d)
        return ellipse((a + c) / 2, (b + d) / 2, abs(c - a) / 2, abs(d - b) / 2)
    xy = values.flat_points(entry.get("points"), file, place)
    if kind == "polygon":
        return polygon(xy)
    return Points(xy) if kind == "points" else OpenLine(np.array(xy))


FORMATS = {"datumaro": Format("datumaro", "Datumaro JSON", recognises, read)}
