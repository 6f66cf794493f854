"""V7 Darwin JSON 2.0: boxes, polygons, ellipses, keypoints and lines.

Coordinates are continuous pixels of the item, (0, 0) the corner: as ours. The paths of one polygon are outlines and
holes by the even-odd rule. Tags, skeletons, raster layers and strings are skipped and listed.
"""

from pathlib import Path
from typing import Any

import numpy as np

from inference.formats import values
from inference.formats.format import Format
from inference.formats.geometry import ellipse
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    Outline,
    Points,
    Rectangle,
    Ring,
    ToolObject,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.rings import polygons_of_rings
from inference.formats.sources import Source

ABOUT = {"id", "name", "slot_names", "bounding_box", "annotators", "properties"}  # keys that are no geometry
OTHERS = {"skeleton", "tag", "raster_layer", "mask", "string"}  # which may have a bounding box besides


def recognises(source: Source) -> bool:
    return any(_is_darwin(source.json_or_none(file)) for file in source.with_suffix(".json"))


def _is_darwin(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("annotations"), list):
        return False
    item = document.get("item")
    return isinstance(item, dict) and "slots" in item


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in source.with_suffix(".json"):
        document = source.json_or_none(file)
        if not _is_darwin(document):
            continue
        image = _image(document["item"], file)
        for place, entry in enumerate(document["annotations"], start=1):
            with context.one_object():
                made = _annotation(values.mapping(entry), file, f"annotation {place}", context)
                if made is not None:
                    image.annotations.append(made)
        found.images.append(image)
    return found


def _image(item: ToolObject, file: Path) -> AnnotatedImage:
    image = AnnotatedImage(values.text(item.get("name")) or file.stem)
    slots = values.listed(item.get("slots"))
    slot = values.mapping(slots[0]) if slots else {}
    if slot.get("width") and slot.get("height"):
        image.width = values.whole(slot["width"], file, "slot", "width")
        image.height = values.whole(slot["height"], file, "slot", "height")
    return image


def _annotation(
    entry: ToolObject,
    file: Path,
    place: str,
    context: Context,
) -> Annotation | None:
    geometry = _geometry(entry, file, place)
    if geometry is None:
        types = sorted(set(entry) - ABOUT) or ["none"]
        context.skip(f"annotations of type {', '.join(types)}", place)
        return None
    return Annotation(
        geometry=geometry,
        label=values.text(entry.get("name")) or None,
        uid=values.text(entry.get("id")),
        place=place,
    )


def _geometry(entry: ToolObject, file: Path, place: str) -> Geometry | None:
    """None for an annotation without a geometry that is read."""
    if "polygon" in entry:
        return _polygon(values.mapping(entry["polygon"]), file, place)
    if "ellipse" in entry:
        return _ellipse(values.mapping(entry["ellipse"]), file, place)
    if "keypoint" in entry:
        return Points(_points([entry["keypoint"]], file, place))
    if "line" in entry:
        path = values.mapping(entry["line"]).get("path")
        return OpenLine(_points(path, file, place))
    if "bounding_box" in entry and not OTHERS & set(entry):
        return _box(values.mapping(entry["bounding_box"]), file, place)
    return None


def _polygon(shape: ToolObject, file: Path, place: str) -> Outline:
    paths = values.listed(shape.get("paths")) or [shape.get("path")]
    rings = [values.ring(_points(path, file, place)) for path in paths]
    if any(len(one) < 3 for one in rings):
        cause = "a path of its polygon has fewer than three points"
        raise FormatProblem(file, cause, place=place)
    return Outline(polygons_of_rings(rings))


def _ellipse(shape: ToolObject, file: Path, place: str) -> Outline:
    centre, radius = (shape.get(key) for key in ("center", "radius"))
    (cx, cy), (rx, ry) = _points([centre, radius], file, place).tolist()
    angle = values.number(shape.get("angle") or 0, file, place, "angle")
    return ellipse(cx, cy, rx, ry, float(np.rad2deg(angle)))


def _box(box: ToolObject, file: Path, place: str) -> Rectangle:
    x, y, width, height = (values.number(box.get(key), file, place, key) for key in ("x", "y", "w", "h"))
    return values.rectangle(x, y, x + width, y + height)


def _points(listed: Any, file: Path, place: str) -> Ring:
    found = []
    for one in values.listed(listed):
        pair = values.mapping(one)
        x = values.number(pair.get("x"), file, place, "x")
        y = values.number(pair.get("y"), file, place, "y")
        found.append((x, y))
    return np.array(found, np.float64).reshape(-1, 2)


FORMATS = {"darwin": Format("darwin", "V7 Darwin", recognises, read)}
