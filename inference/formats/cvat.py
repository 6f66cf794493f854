"""CVAT for images 1.1 (XML): box, polygon, polyline, points, ellipse, mask.

Coordinates are continuous pixels, (0, 0) the corner of the image: as ours. A mask is run lengths along the rows of its
rectangle, beginning with background. Polygons of one group_id and one label are the parts of one object; an object with
holes is written as a mask. Skeletons, cuboids, tags and tracks of a video are skipped and listed.
"""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt

from inference.formats import values
from inference.formats.format import NO_PIXEL, Format, Target
from inference.formats.geometry import MOST_PIXELS, corners, ellipse, mask_of, outline_of
from inference.formats.losses import Property
from inference.formats.model import (
    UNCLASSIFIED,
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    LabelClass,
    Outline,
    Pixels,
    Points,
    Polygon,
    Rectangle,
    Ring,
    RunLengths,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, read_xml, xml_root_name
from inference.formats.xmls import child, plain, save, text_of
from inference.masks import tight
from inference.types import BoxMask

SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask")
SKIPPED = {"skeleton": "skeletons", "cuboid": "cuboids", "tag": "tags of images"}


def recognises(source: Source) -> bool:
    return bool(_files(source))


def _files(source: Source) -> list[Path]:
    return [file for file in source.with_suffix(".xml") if xml_root_name(file) == "annotations"]


# -- reading


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in _files(source):
        root = read_xml(file)
        tracks = len(root.findall("track"))
        if tracks:
            context.skip("tracks of a video", file.name, tracks)
        known = {label.name for label in found.classes}
        for label in root.iter("label"):
            name = text_of(label, "name")
            if name and name not in known and name != UNCLASSIFIED:
                known.add(name)
                found.classes.append(LabelClass(name, None, values.hex_color(text_of(label, "color"))))
        for entry in root.findall("image"):
            found.images.append(_image(entry, file, context))
    return found


def _image(entry: Element, file: Path, context: Context) -> AnnotatedImage:
    name = entry.get("name") or entry.get("id") or file.stem
    image = AnnotatedImage(name)
    if entry.get("subset"):
        image.facts["split"] = entry.get("subset", "").lower()
    where = f"image {name}"
    if entry.get("width") and entry.get("height"):
        sides = (entry.get("width"), entry.get("height"))
        image.width, image.height = (values.whole(side, file, where, "the size") for side in sides)
    groups: dict[tuple[str, str | None], Annotation] = {}
    for place, shape in enumerate(entry, start=1):
        if shape.tag not in SHAPES:
            context.skip(SKIPPED.get(shape.tag, f"<{shape.tag}>"), f"{where}, shape {place}")
            continue
        with context.one_object():
            made = _annotation(shape, file, f"{where}, shape {place}")
            first = _first_of_group(made, shape, groups)
            if first is made:
                image.annotations.append(made)
            elif isinstance(first.geometry, Outline) and isinstance(made.geometry, Outline):
                first.geometry = Outline(first.geometry.polygons + made.geometry.polygons)
    return image


def _first_of_group(made: Annotation, shape: Element, groups: dict[tuple[str, str | None], Annotation]) -> Annotation:
    """The first polygon of the same group and label; the object itself when it is that, or of no group."""
    group = shape.get("group_id") or "0"
    if group == "0" or shape.tag != "polygon":
        return made
    return groups.setdefault((group, made.label), made)


def _annotation(shape: Element, file: Path, place: str) -> Annotation:
    label = shape.get("label") or ""
    attributes = {one.get("name") or "": (one.text or "").strip() for one in shape.findall("attribute")}
    if shape.get("occluded") == "1":
        attributes["occluded"] = "1"
    return Annotation(
        geometry=_geometry(shape, file, place),
        label=None if label in ("", UNCLASSIFIED) else label,
        attributes=attributes,
        place=place,
    )


def _geometry(shape: Element, file: Path, place: str) -> Geometry:
    def given(name: str) -> float:
        return values.number(shape.get(name), file, place, name)

    turned = given("rotation") if shape.get("rotation") else 0.0
    if shape.tag == "box":
        box = (given("xtl"), given("ytl"), given("xbr"), given("ybr"))
        return Outline((Polygon(_turned(corners(box), turned)),)) if turned else Rectangle(box)
    if shape.tag == "ellipse":
        return ellipse(given("cx"), given("cy"), given("rx"), given("ry"), turned)
    if shape.tag == "mask":
        return _mask(shape, file, place)
    xy = _points(shape.get("points") or "", file, place)
    if shape.tag == "polyline":
        return OpenLine(xy)
    if shape.tag == "points":
        return Points(xy)
    return Outline((Polygon(xy),))


def _turned(xy: Ring, degrees: float) -> Ring:
    """Clockwise on the screen around the middle."""
    angle = np.deg2rad(degrees)
    middle = xy.mean(axis=0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    found: Ring = (xy - middle) @ turn + middle
    return found


def _points(text: str, file: Path, place: str) -> Ring:
    try:
        xy = np.array([pair.split(",") for pair in text.split(";") if pair], np.float64).reshape(-1, 2)
    except ValueError as error:
        raise FormatProblem(file, "its points must be x,y;x,y;...", place=place) from error
    values.finite(xy, file, place)
    return xy


def _mask(shape: Element, file: Path, place: str) -> Pixels:
    sides = ("left", "top", "width", "height")
    left, top, width, height = (values.whole(shape.get(name), file, place, name) for name in sides)
    try:
        counts = np.array([int(count) for count in (shape.get("rle") or "").split(",")], np.int64)
    except (ValueError, OverflowError) as error:
        raise FormatProblem(file, "its run lengths must be whole numbers", place=place) from error
    if (counts < 0).any() or counts.sum() != width * height or width < 1 or height < 1:
        cause = f"its run lengths must add up to {width} x {height}"
        raise FormatProblem(file, cause, place=place)
    if width * height > MOST_PIXELS:
        cause = f"its mask of {width} x {height} px is larger than {MOST_PIXELS} px"
        raise FormatProblem(file, cause, place=place)
    values_of_runs = np.arange(len(counts)) % 2 == 1
    bits = np.repeat(values_of_runs, counts).reshape(height, width)
    mask = tight(BoxMask(left, top, bits))
    if mask is None:
        raise FormatProblem(file, "its mask holds no pixel", place=place)
    return Pixels(mask)


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    root = Element("annotations")
    child(root, "version", "1.1")
    labels = child(child(child(root, "meta"), "task"), "labels")
    names = annotations.class_names()
    if any(one.label is None for one in annotations.each()):
        names.append(UNCLASSIFIED)
    for name in names:
        entry = child(labels, "label")
        child(entry, "name", name)
        if annotations.color_of(name):
            child(entry, "color", annotations.color_of(name))
        child(entry, "attributes")
    for number, image in enumerate(annotations.images):
        width, height = target.size_or_extent(image)
        entry = child(root, "image", id=str(number), name=image.name, width=str(width), height=str(height))
        for group, one in enumerate(image.annotations, start=1):
            _write_shapes(entry, one, group, (width, height), target)
    save(root, target.document("annotations.xml"))


def _write_shapes(
    entry: Element,
    one: Annotation,
    group: int,
    size: tuple[int, int],
    target: Target,
) -> None:
    for tag, about in _shapes(one, group, size, target):
        label = one.label if one.label is not None else UNCLASSIFIED
        shape = child(entry, tag, label=label, source="manual", occluded="0", z_order="0", **about)
        for name, value in one.attributes.items():
            child(shape, "attribute", values.text(value), name=str(name))


def _shapes(
    one: Annotation,
    group: int,
    size: tuple[int, int],
    target: Target,
) -> list[tuple[str, dict[str, str]]]:
    geometry = one.geometry
    if isinstance(geometry, Rectangle):
        sides = zip(("xtl", "ytl", "xbr", "ybr"), geometry.box, strict=True)
        return [("box", {name: plain(value) for name, value in sides})]
    if isinstance(geometry, Points | OpenLine):
        return [("points" if isinstance(geometry, Points) else "polyline", {"points": _text(geometry.xy)})]
    if isinstance(geometry, Outline) and not geometry.has_holes:
        about = {"group_id": str(group)} if len(geometry.polygons) > 1 else {}
        return [("polygon", {"points": _text(part.shell)} | about) for part in outline_of(geometry)]
    if isinstance(geometry, Outline):
        target.lost[Property.SUBPIXEL] += geometry.is_between_pixels
    return _mask_shape(geometry, size, target)


def _mask_shape(
    geometry: Outline | Pixels | RunLengths, size: tuple[int, int], target: Target
) -> list[tuple[str, dict[str, str]]]:
    mask = mask_of(geometry, size)
    if mask is None:
        target.leave_out(NO_PIXEL)
        return []
    height, width = mask.bits.shape
    about = {"left": mask.x, "top": mask.y, "width": width, "height": height}
    rle = ", ".join(map(str, _runs(mask.bits.ravel())))
    return [("mask", {"rle": rle} | {name: str(value) for name, value in about.items()})]


def _runs(bits: npt.NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs, the first of background and maybe empty."""
    changes = np.flatnonzero(np.diff(bits)) + 1
    edges = np.concatenate([[0], changes, [len(bits)]])
    lengths: list[int] = np.diff(edges).tolist()
    return [0, *lengths] if bits[0] else lengths


def _text(xy: Any) -> str:
    return ";".join(f"{plain(x)},{plain(y)}" for x, y in xy.tolist())


KEEPS = frozenset(
    (
        Property.MASKS, Property.HOLES, Property.PARTS, Property.OVERLAPS, Property.SUBPIXEL, Property.BOXES,
        Property.POINTS, Property.LINES, Property.MANY, Property.CLASSES, Property.ATTRIBUTES, Property.EMPTY,
        Property.NAMES, Property.COLORS,
    )
)  # fmt: skip
FORMATS = {"cvat": Format("cvat", "CVAT for images 1.1", recognises, read, write, KEEPS, (".xml",), one_file=True)}
