"""Aperio ImageScope XML, as MoNuSeg and HistoQC use it: layers of regions, one file an image.

Vertices are continuous pixels of the full resolution, (0, 0) the corner of the image: as ours. A layer is a class:
its name or, without one, the name of its first attribute that is not ImageScope's own "Description", or its colour.
A region with NegativeROA 1 is a hole of the smallest region around it. ImageScope has no parts: each becomes a
region, and all of one object say its number in the attribute "object", by which reading joins them again. LineColor
is a packed number, red in the lowest byte.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from inference.formats import values
from inference.formats.format import Format, Target
from inference.formats.geometry import corners, ellipse, outline_of
from inference.formats.losses import Property
from inference.formats.model import (
    UNCLASSIFIED,
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    LabelClass,
    Outline,
    Points,
    Polygon,
    Rectangle,
    Ring,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, read_xml, xml_root_name
from inference.formats.xmls import child, plain, save

FREEHAND, RECTANGLE, ELLIPSE, ARROW, RULER = "01234"
OBJECT = "object"  # the attribute that joins the regions of one object


def recognises(source: Source) -> bool:
    return bool(_files(source))


def _files(source: Source) -> list[Path]:
    return [file for file in source.with_suffix(".xml") if xml_root_name(file) == "Annotations"]


# -- reading


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in _files(source):
        root = read_xml(file)
        image = AnnotatedImage(file.stem)
        scale = root.get("MicronsPerPixel")
        if scale and values.number(scale, file, "MicronsPerPixel", "the scale") > 0:
            image.um_per_px = float(scale)
        for place, layer in enumerate(root.findall("Annotation"), start=1):
            label = _class(layer, place)
            known = {one.name for one in found.classes}
            if label is not None and label.name not in known:
                found.classes.append(label)
            _read_layer(image, layer, label, file, f"layer {layer.get('Id') or place}", context)
        found.images.append(image)
    return found


def _class(layer: Element, place: int) -> LabelClass | None:
    color = _color(layer.get("LineColor"))
    attributes = [one.get("Name") or "" for one in layer.findall("Attributes/Attribute")]
    names = [name for name in (layer.get("Name") or "", *attributes) if name and name != "Description"]
    if names and names[0] == UNCLASSIFIED:
        return None
    return LabelClass(names[0] if names else f"layer {layer.get('Id') or place}", None, color)


def _color(packed: str | None) -> str:
    if not packed or not packed.lstrip("-").isdigit():
        return ""
    number = int(packed) & 0xFFFFFF
    return f"#{number & 0xFF:02x}{number >> 8 & 0xFF:02x}{number >> 16:02x}"


def _read_layer(
    image: AnnotatedImage, layer: Element, label: LabelClass | None, file: Path, place: str, context: Context
) -> None:
    name = label.name if label is not None else None
    joined: dict[str, Annotation] = {}
    holes: list[tuple[Ring, str]] = []
    added: list[Annotation] = []
    for number, region in enumerate(layer.findall("Regions/Region"), start=1):
        where = f"{place}, region {region.get('Id') or number}"
        kind = region.get("Type") or FREEHAND
        if kind in (ARROW, RULER):
            context.skip("arrows and rulers", where)
            continue
        with context.one_object():
            geometry = _geometry(region, kind, file, where)
            if region.get("NegativeROA") == "1":
                hole = geometry.polygons[0].shell if isinstance(geometry, Outline) else corners(geometry.box)
                holes.append((hole, where))
                continue
            attributes = {one.get("Name") or "": one.get("Value") or "" for one in region.iter("Attribute")}
            first = joined.get(attributes.get(OBJECT, ""))
            if first is not None and isinstance(first.geometry, Outline) and isinstance(geometry, Outline):
                first.geometry = Outline(first.geometry.polygons + geometry.polygons)
                continue
            made = Annotation(geometry, name, name=region.get("Text") or "", place=where)
            if attributes.get(OBJECT):
                joined[attributes[OBJECT]] = made
            added.append(made)
    for hole, where in holes:
        with context.one_object():
            _cut_out(added, hole, file, where)
    image.annotations += added


def _geometry(region: Element, kind: str, file: Path, place: str) -> Outline | Rectangle:
    vertices = [[vertex.get("X"), vertex.get("Y")] for vertex in region.findall("Vertices/Vertex")]
    xy = values.points(vertices, file, place)
    if not len(xy):
        raise FormatProblem(file, "the region has no vertex", place=place)
    x0, y0 = xy.min(axis=0).tolist()
    x1, y1 = xy.max(axis=0).tolist()
    if kind == RECTANGLE and len(xy) in (2, 4):
        return Rectangle((x0, y0, x1, y1))
    if kind == ELLIPSE and len(xy) in (2, 4):
        return ellipse((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2)
    return Outline((Polygon(xy),))


def _cut_out(added: list[Annotation], hole: Ring, file: Path, place: str) -> None:
    """Give a hole to the smallest polygon of the layer that it lies in."""
    import shapely

    shape = shapely.Polygon(hole).buffer(0) if len(hole) > 2 else shapely.Point(hole[0])
    best: tuple[float, Annotation, int] | None = None
    for one in added:
        for place_of_part, part in enumerate(_parts(one.geometry)):
            area = shapely.Polygon(part.shell).buffer(0)
            if area.covers(shape) and (best is None or area.area < best[0]):
                best = (area.area, one, place_of_part)
    if best is None:
        raise FormatProblem(file, "the negative region lies in no other region of its layer", place=place)
    _, one, place_of_part = best
    parts = list(_parts(one.geometry))
    parts[place_of_part] = Polygon(parts[place_of_part].shell, (*parts[place_of_part].holes, hole))
    one.geometry = Outline(tuple(parts))


def _parts(geometry: Geometry) -> tuple[Polygon, ...]:
    if isinstance(geometry, Rectangle):
        return (Polygon(corners(geometry.box)),)
    return geometry.polygons if isinstance(geometry, Outline) else ()


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    names: list[str | None] = [*annotations.class_names()]
    for image, file in target.each(annotations, ".xml"):
        root = Element("Annotations")
        if image.um_per_px is not None:
            root.set("MicronsPerPixel", plain(image.um_per_px))
        with_none = [*names, None] if any(one.label is None for one in image.annotations) else names
        number = 0
        for place, name in enumerate(with_none, start=1):
            layer = _layer(root, place, name, annotations.color_of(name or ""))
            for one in image.annotations:
                if one.label == name and not isinstance(one.geometry, Points | OpenLine):
                    number = _write_regions(layer, one, number)
        save(root, file)


def _layer(root: Element, place: int, name: str | None, color: str) -> Element:
    rgb = values.rgb(color) or [0, 255, 0]
    packed = rgb[0] | rgb[1] << 8 | rgb[2] << 16
    shown = name if name is not None else UNCLASSIFIED
    layer = child(
        root, "Annotation", Id=str(place), Name=shown, ReadOnly="0", Type="4", LineColor=str(packed), Visible="1"
    )
    child(layer, "Attributes")
    regions = child(layer, "Regions")
    child(regions, "RegionAttributeHeaders")
    return regions


def _write_regions(layer: Element, one: Annotation, number: int) -> int:
    """The regions of one object, numbered on. -> the last number"""
    if isinstance(one.geometry, Rectangle):
        _region(layer, number + 1, RECTANGLE, corners(one.geometry.box), one.name, "", is_hole=False)
        return number + 1
    assert not isinstance(one.geometry, Points | OpenLine)
    parts = outline_of(one.geometry)
    mark = str(number + 1) if len(parts) > 1 else ""
    for part in parts:
        number += 1
        _region(layer, number, FREEHAND, part.shell, one.name, mark, is_hole=False)
        for hole in part.holes:
            number += 1
            _region(layer, number, FREEHAND, hole, "", "", is_hole=True)
    return number


def _region(layer: Element, number: int, kind: str, ring: Ring, text: str, mark: str, *, is_hole: bool) -> None:
    x, y = ring.T
    area = abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2)
    about = {"Id": str(number), "Type": kind, "Zoom": "1", "Text": text, "NegativeROA": str(int(is_hole))}
    region = child(layer, "Region", Area=plain(area), DisplayId=str(number), **about)
    attributes = child(region, "Attributes")
    if mark:
        child(attributes, "Attribute", Name=OBJECT, Id="0", Value=mark)
    vertices = child(region, "Vertices")
    for place_x, place_y in ring.tolist():
        child(vertices, "Vertex", X=plain(place_x), Y=plain(place_y))


KEEPS = frozenset(
    (
        Property.MASKS, Property.HOLES, Property.PARTS, Property.OVERLAPS, Property.SUBPIXEL, Property.BOXES,
        Property.MANY, Property.CLASSES, Property.NAMES_OF_OBJECTS, Property.EMPTY, Property.NAMES, Property.SCALE,
        Property.COLORS,
    )
)  # fmt: skip
FORMATS = {"aperio": Format("aperio", "Aperio XML", recognises, read, write, KEEPS, (".xml",))}
