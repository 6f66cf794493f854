"""W3C Web Annotations and Annotorious' own model: rectangles, polygons and ellipses on an image.

Coordinates are continuous pixels of the image, (0, 0) the corner: as ours. Read are FragmentSelector (xywh=pixel:) and
SvgSelector (polygon, rect, circle, ellipse, polyline, path of straight lines), and Annotorious' RECTANGLE, POLYGON,
MULTIPOLYGON, ELLIPSE, POLYLINE. A body with the purpose tagging or classifying is the class, a comment an attribute.
"""

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

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
    Polygon,
    Ring,
    ToolObject,
    polygon,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.rings import polygons_of_rings
from inference.formats.sources import Source

NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
STRAIGHT = re.compile(r"[MLHVZmlhvz]|" + NUMBER.pattern)


def recognises(source: Source) -> bool:
    return any(_entries(source.json_or_none(file)) is not None for file in source.with_suffix(".json", ".jsonld"))


def _entries(document: Any) -> list[Any] | None:
    """The annotations of a list, a page, or one alone; None for another document."""
    if isinstance(document, dict) and isinstance(document.get("items"), list):
        document = document["items"]
    if isinstance(document, dict) and "target" in document:
        document = [document]
    if not isinstance(document, list) or not document or not isinstance(document[0], dict):
        return None
    target = document[0].get("target")
    return document if target is not None and ("body" in document[0] or "bodies" in document[0]) else None


def read(source: Source, context: Context) -> Annotations:
    images: dict[str, AnnotatedImage] = {}
    for file in source.with_suffix(".json", ".jsonld"):
        for place, entry in enumerate(values.objects_in(_entries(source.json_or_none(file))), start=1):
            with context.one_object():
                where = f"annotation {place}"
                target = entry.get("target")
                target = values.mapping(target[0] if isinstance(target, list) and target else target)
                name = file.name.partition(".")[0]  # one image a file: a source may be a service
                made = _annotation(entry, target, file, where)
                images.setdefault(name, AnnotatedImage(name)).annotations.append(made)
    return Annotations(list(images.values()))


def _annotation(
    entry: ToolObject,
    target: ToolObject,
    file: Path,
    place: str,
) -> Annotation:
    bodies = entry.get("body", entry.get("bodies"))
    label, attributes = None, {}
    for body in bodies if isinstance(bodies, list) else [bodies]:
        content = values.mapping(body)
        if (
            content.get("purpose") in ("tagging", "classifying", "identifying")
            and content.get("value")
            and label is None
        ):
            label = values.text(content["value"])
        elif content.get("value"):
            attributes[values.text(content.get("purpose")) or "comment"] = content["value"]
    if target.get("source"):
        attributes["source"] = values.text(target["source"])
    return Annotation(
        geometry=_geometry(_selector(target), file, place),
        label=label,
        uid=values.text(entry.get("id") or entry.get("@id")),
        attributes=attributes,
        place=place,
    )


def _selector(target: ToolObject) -> ToolObject:
    selector = target.get("selector")
    if isinstance(selector, list):
        known = [one for one in selector if values.mapping(one).get("type") in ("SvgSelector", "FragmentSelector")]
        selector = next(iter(known or selector), None)
    return values.mapping(selector)


def _geometry(selector: ToolObject, file: Path, place: str) -> Geometry:
    kind = values.text(selector.get("type"))
    if kind == "FragmentSelector":
        return _fragment(values.text(selector.get("value")), file, place)
    if kind == "SvgSelector":
        return _svg(values.text(selector.get("value")), file, place)
    shape = values.mapping(selector.get("geometry"))

    def given(name: str) -> float:
        return values.number(shape.get(name), file, place, name)

    if kind == "RECTANGLE":
        return values.rectangle(given("x"), given("y"), given("x") + given("w"), given("y") + given("h"))
    if kind == "ELLIPSE":
        return ellipse(given("cx"), given("cy"), given("rx"), given("ry"))
    if kind == "POLYGON":
        return polygon(values.points(shape.get("points"), file, place))
    if kind == "POLYLINE":
        corners = [values.mapping(one).get("point") for one in values.listed(shape.get("points"))]
        xy = values.points(corners, file, place)
        return polygon(xy) if shape.get("closed") else OpenLine(xy)
    if kind == "MULTIPOLYGON":
        parts = [_polygon(part, file, place) for part in values.objects_in(shape.get("polygons"))]
        return Outline(tuple(parts))
    raise FormatProblem(file, f"the selector {values.short(kind)} is not read", place=place)


def _polygon(part: ToolObject, file: Path, place: str) -> Polygon:
    rings = [values.points(ring.get("points"), file, place) for ring in values.objects_in(part.get("rings"))]
    if not rings:
        raise FormatProblem(file, "a polygon has no ring", place=place)
    return Polygon(rings[0], tuple(rings[1:]))


def _fragment(text: str, file: Path, place: str) -> Geometry:
    what, _, numbers = text.rpartition(":")
    if not what.endswith(("xywh=pixel", "xywh")) and not text.startswith("xywh="):
        cause = f"the fragment {values.short(text)} is not xywh in pixels"
        raise FormatProblem(file, cause, place=place)
    found = [float(one) for one in NUMBER.findall(numbers.rpartition("=")[2])]
    if len(found) != 4:
        raise FormatProblem(file, f"the fragment {values.short(text)} has no four numbers", place=place)
    x, y, width, height = found
    return values.rectangle(x, y, x + width, y + height)


def _svg(text: str, file: Path, place: str) -> Geometry:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(text)
    except (SyntaxError, ValueError, DefusedXmlException, RecursionError) as error:
        raise FormatProblem(file, f"its SVG cannot be read ({error})", place=place) from error
    for element in root.iter():
        found = _svg_shape(element, file, place)
        if found is not None:
            return found
    raise FormatProblem(file, "its SVG holds no shape that is read", place=place)


def _svg_shape(element: Element, file: Path, place: str) -> Geometry | None:
    def given(name: str) -> float:
        return values.number(element.get(name) or 0, file, place, name)

    tag = element.tag.rpartition("}")[2]
    if tag in ("polygon", "polyline"):
        xy = np.array([float(one) for one in NUMBER.findall(element.get("points") or "")])
        pairs = xy[: len(xy) // 2 * 2].reshape(-1, 2)
        return polygon(pairs) if tag == "polygon" else OpenLine(pairs)
    if tag == "rect":
        return values.rectangle(given("x"), given("y"), given("x") + given("width"), given("y") + given("height"))
    if tag == "circle":
        return ellipse(given("cx"), given("cy"), given("r"), given("r"))
    if tag == "ellipse":
        return ellipse(given("cx"), given("cy"), given("rx"), given("ry"))
    if tag == "path":
        return Outline(polygons_of_rings(_path(element.get("d") or "", file, place)))
    return None


def _path(text: str, file: Path, place: str) -> list[Ring]:
    """The rings of a path of straight lines. Raises FormatProblem for curves."""
    if re.search(r"[CcSsQqTtAa]", re.sub(r"[eE][-+]?\d", "", text)):
        raise FormatProblem(file, "its path has curves, which are not read", place=place, remedy="save it as a polygon")
    rings: list[list[tuple[float, float]]] = []
    at, command = (0.0, 0.0), ""
    numbers: list[float] = []
    for word in STRAIGHT.findall(text):
        if word.isalpha():
            command, numbers = word, []
            continue
        numbers.append(float(word))
        if len(numbers) < (1 if command in "HhVv" else 2):
            continue
        at = _moved(at, command, numbers)
        numbers = []
        if command in "Mm":
            rings.append([])
            command = "L" if command == "M" else "l"
        if rings:
            rings[-1].append(at)
    found = [values.ring(one) for one in rings if len(one) > 2]
    if not found:
        raise FormatProblem(file, "its path has fewer than three points", place=place)
    return found


def _moved(at: tuple[float, float], command: str, numbers: list[float]) -> tuple[float, float]:
    x, y = at if command.islower() else (0.0, 0.0)
    if command in "Hh":
        return x + numbers[0], at[1]
    if command in "Vv":
        return at[0], y + numbers[0]
    return x + numbers[0], y + numbers[1]


FORMATS = {"w3c": Format("w3c", "W3C and Annotorious", recognises, read)}
