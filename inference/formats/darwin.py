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
from inference.formats.model import AnnotatedImage, Annotation, Annotations, Geometry, Outline, Points, Ring
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.rings import polygons_of_rings
from inference.formats.sources import Source


def recognises(source: Source) -> bool:
    return any(_is_darwin(source.json_or_none(file)) for file in source.with_suffix(".json"))


def _is_darwin(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("annotations"), list):
        return False
    return isinstance(document.get("item"), dict) and "slots" in document["item"]


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in source.with_suffix(".json"):
        document = source.json_or_none(file)
        if not _is_darwin(document):
            continue
        item = document["item"]
        slot = values.mapping(next(iter(values.listed(item.get("slots"))), None))
        image = AnnotatedImage(values.text(item.get("name")) or file.stem)
        if slot.get("width") and slot.get("height"):
            sides = (slot["width"], slot["height"])
            image.width, image.height = (values.whole(side, file, "slot", "the size") for side in sides)
        for place, entry in enumerate(document["annotations"], start=1):
            with context.one_object():
                where = f"annotation {place}"
                geometry = _geometry(values.mapping(entry), file, where)
                if geometry is None:
                    others = set(entry) - {"id", "name", "slot_names", "bounding_box", "annotators", "properties"}
                    context.skip(f"annotations of type {', '.join(sorted(others)) or 'none'}", where)
                    continue
                label, uid = values.text(entry.get("name")) or None, values.text(entry.get("id"))
                image.annotations.append(Annotation(geometry, label, uid=uid, place=where))
        found.images.append(image)
    return found


def _geometry(entry: dict[str, Any], file: Path, place: str) -> Geometry | None:
    if "polygon" in entry:
        shape = values.mapping(entry["polygon"])
        paths = shape.get("paths") or [shape.get("path")]
        rings = [values.ring(_points(path, file, place)) for path in paths]
        if any(len(one) < 3 for one in rings):
            raise FormatProblem(file, "a path of its polygon has fewer than three points", place=place)
        return Outline(polygons_of_rings(rings))
    if "ellipse" in entry:
        shape = values.mapping(entry["ellipse"])
        ((cx, cy),) = _points([shape.get("center")], file, place)
        ((rx, ry),) = _points([shape.get("radius")], file, place)
        turned = np.rad2deg(values.number(shape.get("angle") or 0, file, place, "angle"))
        return ellipse(float(cx), float(cy), float(rx), float(ry), float(turned))
    if "keypoint" in entry:
        return Points(_points([entry["keypoint"]], file, place))
    if "line" in entry:
        return OpenLine(_points(values.mapping(entry["line"]).get("path"), file, place))
    if "bounding_box" in entry and not {"skeleton", "tag", "raster_layer", "mask", "string"} & set(entry):
        box = values.mapping(entry["bounding_box"])
        x, y, width, height = (values.number(box.get(key), file, place, key) for key in ("x", "y", "w", "h"))
        return values.rectangle(x, y, x + width, y + height)
    return None


def _points(listed: Any, file: Path, place: str) -> Ring:
    pairs = [values.mapping(one) for one in values.listed(listed)]
    numbers = [[values.number(pair.get(key), file, place, key) for key in ("x", "y")] for pair in pairs]
    return np.array(numbers, np.float64).reshape(-1, 2)


FORMATS = {"darwin": Format("darwin", "V7 Darwin", recognises, read)}
