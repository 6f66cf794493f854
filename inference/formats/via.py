"""VIA, the VGG Image Annotator: JSON of versions 1 (regions an object) and 2 (a list, or a project), CSV of both.

Coordinates are pixels of the image on a canvas, continuous, (0, 0) the corner: as ours. VIA has attributes and no
classes: the class is the first attribute of the names in CLASS_KEYS, the others stay attributes.
"""

import json
from pathlib import Path

import numpy as np

from inference.formats import values
from inference.formats.format import Format
from inference.formats.geometry import ellipse
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    Points,
    ToolObject,
    polygon,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, head_of, read_table

CLASS_KEYS = ("class", "label", "name", "category", "type")


def recognises(source: Source) -> bool:
    return any(_entries(source, file) is not None for file in source.with_suffix(".json")) or bool(_tables(source))


def _entries(source: Source, file: Path) -> list[ToolObject] | None:
    """The images of a VIA file; None for another file."""
    document = source.json_or_none(file)
    if isinstance(document, dict) and isinstance(document.get("_via_img_metadata"), dict):
        document = document["_via_img_metadata"]
    if not isinstance(document, dict) or not document:
        return None
    entries = list(document.values())
    is_via = all(isinstance(one, dict) and "filename" in one and "regions" in one for one in entries)
    return entries if is_via else None


def _tables(source: Source) -> list[Path]:
    return [file for file in source.with_suffix(".csv") if b"region_shape_attributes" in head_of(file, 4096)]


def read(source: Source, context: Context) -> Annotations:
    images: dict[str, AnnotatedImage] = {}
    for file in source.with_suffix(".json"):
        for entry in _entries(source, file) or []:
            name = values.text(entry["filename"])
            regions = entry["regions"]
            listed = list(regions.values()) if isinstance(regions, dict) else regions
            for place, region in enumerate(values.objects_in(listed), start=1):
                where = f"{name}, region {place}"
                shape = values.mapping(region.get("shape_attributes"))
                attributes_of_region = values.mapping(region.get("region_attributes"))
                _add(images, name, shape, attributes_of_region, file, where, context)
            images.setdefault(name, AnnotatedImage(name))
    for file in _tables(source):
        for line, row in read_table(file):
            name = row.get("filename") or row.get("#filename") or ""
            shape = _parsed(row.get("region_shape_attributes") or "")
            attributes_of_region = _parsed(row.get("region_attributes") or "")
            if shape:
                _add(images, name, shape, attributes_of_region, file, f"line {line}", context)
            images.setdefault(name, AnnotatedImage(name))
    return Annotations(list(images.values()))


def _parsed(text: str) -> ToolObject:
    """JSON of version 2, or `key=value;...` of version 1, whose lists are `[1:2:3]`."""
    if text.startswith("{"):
        try:
            return values.mapping(json.loads(text))
        except ValueError:
            return {}
    found: ToolObject = {}
    for pair in text.split(";"):
        key, equals, value = pair.partition("=")
        if equals:
            found[key] = value[1:-1].split(":") if value.startswith("[") else value
    return found


def _add(
    images: dict[str, AnnotatedImage],
    name: str,
    shape: ToolObject,
    attributes_of_region: ToolObject,
    file: Path,
    place: str,
    context: Context,
) -> None:
    with context.one_object():
        geometry = _geometry(shape, file, place)
        key = next((key for key in CLASS_KEYS if attributes_of_region.get(key)), None)
        label = values.text(attributes_of_region[key]) if key is not None else None
        attributes = {other: value for other, value in attributes_of_region.items() if other != key and value != ""}
        image = images.setdefault(name, AnnotatedImage(name))
        image.annotations.append(Annotation(geometry, label, attributes=attributes, place=place))


def _geometry(shape: ToolObject, file: Path, place: str) -> Geometry:
    def given(name: str) -> float:
        return values.number(shape.get(name), file, place, name)

    kind = shape.get("name")
    if kind == "rect":
        return values.rectangle(given("x"), given("y"), given("x") + given("width"), given("y") + given("height"))
    if kind == "circle":
        return ellipse(given("cx"), given("cy"), given("r"), given("r"))
    if kind == "ellipse":
        turned = np.rad2deg(given("theta")) if shape.get("theta") else 0.0
        return ellipse(given("cx"), given("cy"), given("rx"), given("ry"), float(turned))
    if kind == "point":
        return Points(np.array([[given("cx"), given("cy")]]))
    if kind in ("polygon", "polyline"):
        xs, ys = values.listed(shape.get("all_points_x")), values.listed(shape.get("all_points_y"))
        if len(xs) != len(ys):
            raise FormatProblem(file, f"it has {len(xs)} x and {len(ys)} y", place=place)
        xy = np.array(
            [[values.number(x, file, place, "x"), values.number(y, file, place, "y")] for x, y in zip(xs, ys)]
        )
        return polygon(xy) if kind == "polygon" else OpenLine(xy.reshape(-1, 2))
    raise FormatProblem(file, f"the shape {values.short(kind)} is not one of VIA", place=place)


FORMATS = {"via": Format("via", "VIA", recognises, read)}
