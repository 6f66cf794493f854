"""GeoJSON as QuPath reads and writes it: a FeatureCollection, a list of features, one feature, bare geometries, or one
of these a line.

Coordinates are pixels of the full resolution, continuous, with pixel (0, 0) covering [0, 1) x [0, 1): as ours. QuPath
moves annotations of a slide whose tissue begins beside the corner (MRXS) by nothing: its origin is the corner of the
level 0 image as QuPath opens it.

id -> uid; properties.objectType, name, classification (0.2: {name, colorRGB}; later: {name, color}; a nested class
"A: B" stays one name), isLocked, isEllipse (of the feature's properties or its geometry), measurements (0.2: a list of
{name, value}; later: a map), metadata (text) -> attributes; nucleusGeometry -> nucleus. Boxwise's own exports say in
metadata what a feature is: `region`, `status`.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from inference.formats import values
from inference.formats.checks import valid_parts
from inference.formats.format import Format, Target
from inference.formats.geometry import box_of, corners, outline_of
from inference.formats.losses import Property
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    LabelClass,
    Outline,
    Points,
    Polygon,
    Rectangle,
    Region,
    Ring,
    ToolObject,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source

SUFFIXES = (".geojson", ".json", ".ndjson", ".geojsonl")
GEOMETRIES = (
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"
)  # fmt: skip
REGION_CLASSES = {"fully_annotated": "Region*", "ignore": "Ignore*"}
REGION_COLORS = {"fully_annotated": [0, 158, 115], "ignore": [150, 150, 150]}
OWN_METADATA = ("status", "region", "parent", "crowd", "score", "box")  # keys that are fields of ours


def recognises(source: Source) -> bool:
    return any(_is_geojson(source.peek(file)) for file in source.with_suffix(*SUFFIXES))


def _is_geojson(document: Any) -> bool:
    if isinstance(document, list):
        return bool(document) and _is_geojson(document[0])
    if not isinstance(document, dict):
        return False
    kind = document.get("type")
    is_bare = kind in GEOMETRIES and ("coordinates" in document or "geometries" in document)
    return kind in ("FeatureCollection", "Feature") or "features" in document or is_bare


# -- reading


def read(source: Source, context: Context) -> Annotations:
    """One image a file, with the file's name."""
    found = Annotations()
    classes: dict[str, LabelClass] = {}
    for file in source.with_suffix(*SUFFIXES):
        document = source.peek(file)
        if _is_geojson(document):
            found.images.append(_read_image(source, file, document, classes, context))
    found.classes = list(classes.values())
    return found


def _read_image(
    source: Source, file: Path, document: Any, classes: dict[str, LabelClass], context: Context
) -> AnnotatedImage:
    image = AnnotatedImage(file.name.removesuffix(file.suffix))
    for place, feature in enumerate(_features(source, file, document), start=1):
        with context.one_object():
            _add(image, feature, classes, file, f"feature {place}", context)
    return image


def _features(source: Source, file: Path, document: Any) -> Any:
    """The features and bare geometries, whatever they are wrapped in."""
    if isinstance(document, dict) and "features" in document:
        return source.items(file, "features")
    if isinstance(document, dict):
        return iter([document])
    return _unwrapped(source.items(file, ""))


def _unwrapped(documents: Any) -> Any:
    for document in documents:
        if isinstance(document, dict) and document.get("type") == "FeatureCollection":
            yield from values.listed(document.get("features"))
        else:
            yield document


def _add(
    image: AnnotatedImage, feature: Any, classes: dict[str, LabelClass], file: Path, place: str, context: Context
) -> None:
    if not isinstance(feature, dict):
        raise FormatProblem(file, "a feature must be an object", place=place)
    is_feature = feature.get("type") == "Feature" or "geometry" in feature
    properties = values.mapping(feature.get("properties")) if is_feature else {}
    metadata = values.mapping(properties.get("metadata"))
    shape = feature.get("geometry") if is_feature else feature
    if shape is None:
        context.skip("features without geometry", place)
        return
    status = metadata.get("status")
    if status in ("rejected", "proposals"):
        context.skip(f"{status} cells", place)
        return
    shape = values.mapping(shape)
    is_ellipse = properties.get("isEllipse") is True or shape.get("isEllipse") is True
    geometry = _geometry(shape, file, place, is_ellipse=is_ellipse)
    region = values.text(metadata.get("region"))
    if region in REGION_CLASSES and isinstance(geometry, Outline):
        image.regions.append(Region(region, _rectangle_of(geometry, file, place).box))
        return
    is_box = metadata.get("box") == "1" or status == "boxes"
    if is_box and isinstance(geometry, Outline):
        geometry = _rectangle_of(geometry, file, place)
    label = _class(properties, classes)
    nucleus = properties.get("nucleusGeometry") or feature.get("nucleusGeometry")
    image.annotations.append(
        Annotation(
            geometry=geometry,
            label=label,
            uid=values.text(feature.get("id")),
            kind=_kind(properties),
            name=values.text(properties.get("name")),
            score=_score(metadata, file, place),
            attributes={key: value for key, value in metadata.items() if key not in OWN_METADATA},
            measurements=_measurements(properties.get("measurements")),
            nucleus=_nucleus(nucleus, file, place),
            is_locked=properties.get("isLocked") is True,
            crowd=metadata.get("crowd") == "1" or status == "cannot_tell",
            parent=values.text(metadata.get("parent")),
            place=place,
        )
    )


def _rectangle_of(outline: Outline, file: Path, place: str) -> Rectangle:
    """The rectangle that an outline stands for."""
    if not any(map(len, outline.rings)):
        raise FormatProblem(file, "the polygon has no point", place=place)
    return values.rectangle(*box_of(outline))


def _kind(properties: ToolObject) -> str:
    """QuPath writes objectType since 0.4 and object_type before, older versions in capitals."""
    kind = values.text(properties.get("objectType") or properties.get("object_type")).lower()
    return kind.removeprefix("pathannotationobject") or "annotation"


def _score(metadata: ToolObject, file: Path, place: str) -> float | None:
    return values.number(metadata["score"], file, place, "score") if "score" in metadata else None


def _class(properties: ToolObject, classes: dict[str, LabelClass]) -> str | None:
    found = properties.get("classification")
    if isinstance(found, str):
        found = {"name": found}
    if not isinstance(found, dict):
        return None
    name = values.text(found.get("name"))
    if not name and isinstance(found.get("names"), list):
        name = ": ".join(values.text(one) for one in found["names"])
    if not name:
        return None
    color = found.get("color", found.get("colorRGB"))
    classes.setdefault(name, LabelClass(name, None, values.hex_color(color)))
    return name


def _measurements(found: Any) -> dict[str, float]:
    """A map, or the older list of {name, value}."""
    if isinstance(found, list):
        found = {values.text(one.get("name")): one.get("value") for one in values.objects_in(found)}
    return values.numbers(found)


def _nucleus(shape: Any, file: Path, place: str) -> Outline | None:
    if not isinstance(shape, dict):
        return None
    found = _geometry(shape, file, place, is_ellipse=False)
    return found if isinstance(found, Outline) else None


def _geometry(shape: ToolObject, file: Path, place: str, *, is_ellipse: bool) -> Geometry:
    kind = shape.get("type")
    at = shape.get("coordinates")
    if kind == "Polygon":
        return Outline((_polygon(at, file, place),), is_ellipse)
    if kind == "MultiPolygon":
        return Outline(tuple(_polygon(one, file, place) for one in values.listed(at)), is_ellipse)
    if kind == "Point":
        return Points(values.points([at], file, place))
    if kind == "MultiPoint":
        return Points(_open(at, file, place))
    if kind == "LineString":
        return OpenLine(_open(at, file, place))
    if kind == "MultiLineString":
        return OpenLine(_open(_joined_lines(at), file, place))
    if kind == "GeometryCollection":
        return _collected(shape, file, place)
    cause = f"the geometry {values.short(kind)} is not one of GeoJSON"
    raise FormatProblem(file, cause, place=place, remedy=f"there are {', '.join(GEOMETRIES)}")


def _joined_lines(lines: Any) -> list[Any]:
    """The points of all lines, one after the other."""
    points: list[Any] = []
    for line in values.listed(lines):
        points += values.listed(line)
    return points


def _collected(shape: ToolObject, file: Path, place: str) -> Outline:
    """The areas of a collection, as one object."""
    parts: list[Polygon] = []
    for one in values.listed(shape.get("geometries")):
        found = _geometry(values.mapping(one), file, place, is_ellipse=False)
        if isinstance(found, Outline):
            parts.extend(found.polygons)
    if not parts:
        raise FormatProblem(file, "the collection holds no area", place=place)
    return Outline(tuple(parts))


def _polygon(rings: Any, file: Path, place: str) -> Polygon:
    """A ring that is not closed is taken as if it were: its last point is joined to its first."""
    if not isinstance(rings, list) or not rings:
        raise FormatProblem(file, "the polygon has no ring", place=place)
    found = [values.points(one, file, place) for one in rings]
    return Polygon(found[0], tuple(found[1:]))


def _open(at: Any, file: Path, place: str) -> Ring:
    """Points that are not a ring: a last one that repeats the first stays."""
    xy = values.points(at, file, place)
    if len(xy) < len(at):
        xy = np.concatenate([xy, xy[:1]])
    return xy


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    """A FeatureCollection an image."""
    colors = {label.name: values.rgb(label.color) for label in annotations.classes}
    for image, file in target.each(annotations, ".geojson"):
        with file.open("w", encoding="utf-8") as opened:
            opened.write('{"type":"FeatureCollection","features":[')
            features = [_region_feature(region) for region in image.regions]
            opened.write(",".join(_json(feature) for feature in features))
            for number, one in enumerate(image.annotations):
                opened.write("," if number or features else "")
                opened.write(_json(_feature(one, colors)))
            opened.write("]}")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)


def _feature(one: Annotation, colors: dict[str, list[int] | None]) -> ToolObject:
    properties: ToolObject = {"objectType": one.kind}
    if one.name:
        properties["name"] = one.name
    if one.label is not None:
        properties["classification"] = {"name": one.label}
        if colors.get(one.label):
            properties["classification"]["color"] = colors[one.label]
    if one.is_locked:
        properties["isLocked"] = True
    if isinstance(one.geometry, Outline) and one.geometry.is_ellipse:
        properties["isEllipse"] = True
    measured = {name: number for name, number in one.measurements.items() if math.isfinite(number)}
    if measured:
        properties["measurements"] = measured
    metadata = _metadata(one)
    if metadata:
        properties["metadata"] = metadata
    feature: ToolObject = {"type": "Feature"}
    if one.uid:
        feature["id"] = one.uid
    feature["geometry"] = _shape(one.geometry)
    if one.nucleus is not None:
        feature["nucleusGeometry"] = _shape(one.nucleus)
    return feature | {"properties": properties}


def _metadata(one: Annotation) -> dict[str, str]:
    """What QuPath has no field for, as text."""
    metadata = {str(key): _text(value) for key, value in one.attributes.items()}
    if one.score is not None:
        metadata["score"] = repr(one.score)
    if one.crowd:
        metadata["crowd"] = "1"
    if one.parent:
        metadata["parent"] = one.parent
    if isinstance(one.geometry, Rectangle):
        metadata["box"] = "1"
    return metadata


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _region_feature(region: Region) -> ToolObject:
    properties = {
        "objectType": "annotation",
        "classification": {"name": REGION_CLASSES[region.kind], "color": REGION_COLORS[region.kind]},
        "metadata": {"region": region.kind},
        "isLocked": True,
    }
    return {"type": "Feature", "geometry": _shape(Rectangle(region.box)), "properties": properties}


def _shape(geometry: Geometry) -> ToolObject:
    if isinstance(geometry, Rectangle):
        return {"type": "Polygon", "coordinates": [_closed(corners(geometry.box))]}
    if isinstance(geometry, Points):
        xy = geometry.xy.tolist()
        return {"type": "Point", "coordinates": xy[0]} if len(xy) == 1 else {"type": "MultiPoint", "coordinates": xy}
    if isinstance(geometry, OpenLine):
        return {"type": "LineString", "coordinates": geometry.xy.tolist()}
    parts = outline_of(geometry)
    if isinstance(geometry, Outline):
        parts = valid_parts(geometry) or parts
    polygons = [[_closed(ring) for ring in part.rings] for part in parts]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _closed(ring: Ring) -> list[list[float]]:
    xy: list[list[float]] = ring.tolist()
    return [*xy, xy[0]]


KEEPS = frozenset(Property) - {Property.SCALE}
FORMATS = {"geojson": Format("geojson", "GeoJSON (QuPath)", recognises, read, write, KEEPS, (".geojson", ".json"))}
