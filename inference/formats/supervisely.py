"""Supervisely: a JSON an image below `ann`, classes and their shapes in meta.json.

Points of polygons are pixel indices in newer versions and continuous in older ones; both are taken as they are, as
coordinates of our frame. A bitmap is a PNG with the pixel index of its corner. A rectangle's corners are taken as they
are. Graphs of keypoints are skipped and listed; tags of objects are attributes, those of images are skipped.
"""

from pathlib import Path
from typing import Any

from inference.formats import values
from inference.formats.format import Format
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    LabelClass,
    Outline,
    Pixels,
    Points,
    Polygon,
    ToolObject,
)
from inference.formats.model import Line as OpenLine
from inference.formats.pngs import mask_of_png
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source
from inference.masks import tight
from inference.types import BoxMask


def recognises(source: Source) -> bool:
    return any(_is_annotation(source.json_or_none(file)) for file in source.with_suffix(".json"))


def _is_annotation(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("objects"), list):
        return False
    return isinstance(document.get("size"), dict) and "height" in document["size"]


def read(source: Source, context: Context) -> Annotations:
    meta = _meta(source)
    found = Annotations(classes=[label for label, _ in meta.values()])
    for file in source.with_suffix(".json"):
        document = source.json_or_none(file)
        if not _is_annotation(document):
            continue
        size = document["size"]
        sides = [values.whole(size.get(side), file, "size", side) for side in ("width", "height")]
        image = AnnotatedImage(file.stem, sides[0], sides[1])
        tags = values.listed(document.get("tags"))
        if tags:
            context.skip("tags of images", file.name, len(tags))
        for place, entry in enumerate(document["objects"], start=1):
            with context.one_object():
                made = _annotation(values.mapping(entry), meta, file, f"object {place}", context)
                if made is not None:
                    image.annotations.append(made)
        found.images.append(image)
    return found


def _meta(source: Source) -> dict[str, tuple[LabelClass, str]]:
    """Class name -> the class, and the shape of its objects."""
    file = source.named("meta.json")
    document = values.mapping(source.json_or_none(file)) if file is not None else {}
    found = {}
    for entry in values.listed(document.get("classes")):
        name = values.text(entry.get("title"))
        found[name] = (LabelClass(name, None, values.hex_color(entry.get("color"))), values.text(entry.get("shape")))
    return found


def _annotation(
    entry: ToolObject, meta: dict[str, tuple[LabelClass, str]], file: Path, place: str, context: Context
) -> Annotation | None:
    label = values.text(entry.get("classTitle"))
    shape = entry.get("geometryType") or entry.get("shape") or (meta[label][1] if label in meta else "")
    if entry.get("bitmap"):
        shape = "bitmap"
    if shape in ("graph", "cuboid", "cuboid_3d"):
        context.skip("keypoints" if shape == "graph" else "cuboids", place)
        return None
    attributes = {values.text(tag.get("name")): tag.get("value") for tag in values.objects_in(entry.get("tags"))}
    uid = values.text(entry.get("id") or entry.get("key"))
    return Annotation(_geometry(entry, shape, file, place), label or None, uid=uid, attributes=attributes, place=place)


def _geometry(entry: ToolObject, shape: str, file: Path, place: str) -> Geometry:
    if shape == "bitmap":
        return _bitmap(values.mapping(entry.get("bitmap")), file, place)
    points = values.mapping(entry.get("points"))
    xy = values.points(points.get("exterior"), file, place)
    holes = tuple(values.points(one, file, place) for one in values.listed(points.get("interior")))
    if shape == "rectangle" or (len(xy) == 2 and shape in ("", "any")):
        if len(xy) != 2:
            raise FormatProblem(file, f"a rectangle has two corners, this one has {len(xy)}", place=place)
        return values.rectangle(*xy[0].tolist(), *xy[1].tolist())
    if shape == "point":
        return Points(xy)
    if shape in ("line", "polyline"):
        return OpenLine(xy)
    return Outline((Polygon(xy, holes),))


def _bitmap(bitmap: ToolObject, file: Path, place: str) -> Pixels:
    bits = mask_of_png(values.text(bitmap.get("data")), file, place, is_packed=True)
    origin = values.listed(bitmap.get("origin"))
    if len(origin) != 2:
        raise FormatProblem(file, "its bitmap has no origin", place=place)
    x, y = (values.whole(one, file, place, "origin") for one in origin)
    mask = tight(BoxMask(x, y, bits))
    if mask is None:
        raise FormatProblem(file, "its bitmap holds no pixel", place=place)
    return Pixels(mask)


FORMATS = {"supervisely": Format("supervisely", "Supervisely", recognises, read)}
