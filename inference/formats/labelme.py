"""LabelMe: one JSON an image. Shapes with one group_id and one label are the parts of one object.

Points are continuous pixels of the image, (0, 0) its corner: as ours. A `mask` shape has the first and the last
pixel of its rectangle, both included, and a PNG. An object with holes is written as a mask, one of several parts as
polygons of one group. LabelMe keeps keys that it does not know (uid, score, attributes, measurements, parent,
name).
"""

from pathlib import Path
from typing import Any

import numpy as np

from inference.formats import values
from inference.formats.format import NO_PIXEL, Format, Target
from inference.formats.geometry import ellipse, mask_of, outline_of
from inference.formats.losses import Property
from inference.formats.model import (
    UNCLASSIFIED,
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    Outline,
    Pixels,
    Points,
    Rectangle,
    ToolObject,
    polygon,
)
from inference.formats.model import Line as OpenLine
from inference.formats.pngs import mask_of_png, png_of_mask
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source
from inference.masks import tight
from inference.types import BoxMask

VERSION = "5.4.1"


def recognises(source: Source) -> bool:
    return any(_is_labelme(source.json_or_none(file)) for file in source.with_suffix(".json"))


def _is_labelme(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


# -- reading


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in source.with_suffix(".json"):
        document = source.json_or_none(file)
        if not _is_labelme(document):
            continue
        name = values.text(document.get("imagePath")).replace("\\", "/").rpartition("/")[2] or f"{file.stem}.png"
        image = AnnotatedImage(name)
        if document.get("imageWidth") and document.get("imageHeight"):
            sides = (document["imageWidth"], document["imageHeight"])
            image.width, image.height = (values.whole(side, file, "imageWidth", "the size") for side in sides)
        groups: dict[Any, Annotation] = {}
        for place, shape in enumerate(document["shapes"], start=1):
            with context.one_object():
                made = _annotation(shape, file, f"shape {place}")
                if not _joins(made, values.mapping(shape).get("group_id"), groups):
                    image.annotations.append(made)
        found.images.append(image)
    return found


def _joins(made: Annotation, group: Any, groups: dict[Any, Annotation]) -> bool:
    """Whether a polygon was added to an earlier one of its group."""
    if group is None or not isinstance(group, int | str) or not isinstance(made.geometry, Outline):
        return False
    first = groups.setdefault((group, made.label), made)
    if first is made or not isinstance(first.geometry, Outline):
        return False
    first.geometry = Outline(first.geometry.polygons + made.geometry.polygons)
    return True


def _annotation(shape: Any, file: Path, place: str) -> Annotation:
    if not isinstance(shape, dict):
        raise FormatProblem(file, "a shape must be an object", place=place)
    label = values.text(shape.get("label"))
    attributes = dict(values.mapping(shape.get("attributes")))
    attributes |= {name: True for name, value in values.mapping(shape.get("flags")).items() if value is True}
    if shape.get("description"):
        attributes["description"] = values.text(shape["description"])
    score = shape.get("score")
    return Annotation(
        geometry=_geometry(shape, file, place),
        label=None if label in ("", UNCLASSIFIED) else label,
        uid=values.text(shape.get("uid")),
        name=values.text(shape.get("name")),
        score=None if score is None else values.number(score, file, place, "score"),
        attributes=attributes,
        measurements=values.numbers(shape.get("measurements")),
        parent=values.text(shape.get("parent")),
        place=place,
    )


def _geometry(shape: ToolObject, file: Path, place: str) -> Geometry:
    kind = values.text(shape.get("shape_type")) or "polygon"
    xy = _points(shape.get("points"), file, place)
    least = {"rectangle": 2, "circle": 2, "mask": 2, "polygon": 3}.get(kind, 1)
    if len(xy) < least:
        raise FormatProblem(file, f"a {kind} has at least {least} points, this one has {len(xy)}", place=place)
    if kind == "polygon":
        return polygon(xy)
    if kind == "rectangle":
        x0, y0 = xy.min(axis=0).tolist()
        x1, y1 = xy.max(axis=0).tolist()
        return Rectangle((x0, y0, x1, y1))
    if kind == "circle":
        radius = float(np.hypot(*(xy[1] - xy[0])))
        return ellipse(float(xy[0][0]), float(xy[0][1]), radius, radius)
    if kind in ("line", "linestrip"):
        return OpenLine(xy)
    if kind in ("point", "points"):
        return Points(xy)
    if kind == "mask":
        bits = mask_of_png(values.text(shape.get("mask")), file, place)
        mask = tight(BoxMask(int(xy[0][0]), int(xy[0][1]), bits))
        if mask is None:
            raise FormatProblem(file, "its mask holds no pixel", place=place)
        return Pixels(mask)
    raise FormatProblem(file, f"the shape type {values.short(kind)} is not read", place=place)


def _points(value: Any, file: Path, place: str) -> Any:
    values.points(value, file, place)
    return np.array([[float(one[0]), float(one[1])] for one in value], np.float64).reshape(-1, 2)


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    for image, file in target.each(annotations, ".json"):
        width, height = target.size_or_extent(image)
        shapes: list[ToolObject] = []
        for number, one in enumerate(image.annotations, start=1):
            if isinstance(one.geometry, Outline) and one.geometry.has_holes:  # it becomes a mask
                target.lost[Property.SUBPIXEL] += one.geometry.is_between_pixels
            shapes += _shapes(one, number, (width, height), target)
        document: ToolObject = {
            "version": VERSION, "flags": {}, "shapes": shapes, "imagePath": image.name, "imageData": None,
            "imageHeight": height, "imageWidth": width,
        }  # fmt: skip
        target.write_json(file, document)


def _shapes(one: Annotation, number: int, size: tuple[int, int], target: Target) -> list[ToolObject]:
    about: ToolObject = {
        "label": one.label if one.label is not None else UNCLASSIFIED,
        "group_id": None,
        "flags": {},
    }
    extra = {
        "uid": one.uid, "name": one.name, "score": one.score, "attributes": one.attributes, "parent": one.parent,
        "measurements": {key: value for key, value in one.measurements.items() if np.isfinite(value)},
    }  # fmt: skip
    about |= {key: value for key, value in extra.items() if value not in (None, "", {})}
    geometry = one.geometry
    if isinstance(geometry, Rectangle):
        x0, y0, x1, y1 = geometry.box
        return [about | {"shape_type": "rectangle", "points": [[x0, y0], [x1, y1]]}]
    if isinstance(geometry, Points):
        kind = "point" if len(geometry.xy) == 1 else "points"
        return [about | {"shape_type": kind, "points": geometry.xy.tolist()}]
    if isinstance(geometry, OpenLine):
        return [about | {"shape_type": "linestrip", "points": geometry.xy.tolist()}]
    polygons = outline_of(geometry)
    if any(part.holes for part in polygons):
        mask = mask_of(geometry, size)
        if mask is None:
            target.leave_out(NO_PIXEL)
            return []
        height, width = mask.bits.shape
        points = [[mask.x, mask.y], [mask.x + width - 1, mask.y + height - 1]]
        return [about | {"shape_type": "mask", "points": points, "mask": png_of_mask(mask.bits)}]
    if len(polygons) > 1:
        about["group_id"] = number
    return [about | {"shape_type": "polygon", "points": part.shell.tolist()} for part in polygons]


KEEPS = frozenset(Property) - {
    Property.NUCLEI, Property.LOCKS, Property.CROWDS, Property.REGIONS, Property.SCALE, Property.COLORS,
}  # fmt: skip
FORMATS = {"labelme": Format("labelme", "LabelMe", recognises, read, write, KEEPS, (".json",))}
