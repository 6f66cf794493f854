"""COCO instances: polygons, both kinds of run lengths, iscrowd, scores, and the *results* list of a detector.

Coordinates are continuous with pixel (0, 0) covering [0, 1) x [0, 1): as ours. bbox is x, y, width, height. Run lengths
go down the columns. A polygon has no holes: an object with holes is written as run lengths, the others as they are. A
point is an object with one keypoint, whose bbox has no extent. Beyond COCO's own keys, which other programs ignore:
uid, score, attributes, name, parent, measurements, nucleus, and um_per_px and regions of an image. Boxwise's own
exports keep rejected and open proposals in lists of their own; they are skipped and listed.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from inference.documents.origins import centre_and_patient
from inference.formats import values
from inference.formats.format import Format, Target
from inference.formats.geometry import box_of, counts_of, encode, mask_of, outline_of
from inference.formats.losses import Property
from inference.formats.model import (
    REGION_KINDS,
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
    Region,
    RunLengths,
    ToolObject,
    separate_points,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.rings import one_ring
from inference.formats.sources import Source

VISIBLE = 2  # COCO's word for a keypoint that is labelled and seen
KEYPOINTS = {"keypoints": ["centre"], "skeleton": []}  # of a category whose objects may be points
MOST_IN_RUNS = 2**32  # pixels: a run length has 32 bits in pycocotools and in other readers
FACTS = ("split", "centre", "patient", "block", "slide", "scanner", "stain", "name", "sha256", "boxwise_id")
ASIDE = ("rejected", "proposals")  # lists of Boxwise's own exports


def recognises(source: Source) -> bool:
    return any(_is_coco(source.peek(file)) for file in source.with_suffix(".json"))


def _is_coco(document: Any) -> bool:
    if isinstance(document, dict):
        return isinstance(document.get("annotations"), list) and isinstance(document.get("images"), list)
    return isinstance(document, list) and bool(document) and _is_result(document[0])


def _is_result(entry: Any) -> bool:
    return isinstance(entry, dict) and "image_id" in entry and "category_id" in entry


# -- reading


def read(source: Source, context: Context) -> Annotations:
    """All COCO files of the source, one after the other; equal class names are one class."""
    found = Annotations()
    for file in source.with_suffix(".json"):
        document = source.peek(file)
        if not _is_coco(document):
            continue
        one = _read_results(source, file, context) if isinstance(document, list) else _read(source, file, context)
        found.images += one.images
        known = {label.name for label in found.classes}
        found.classes += [label for label in one.classes if label.name not in known]
    return found


def _read(source: Source, file: Path, context: Context) -> Annotations:
    images: dict[Any, AnnotatedImage] = {}
    for place, entry in enumerate(source.items(file, "images"), start=1):
        key = _key(values.mapping(entry).get("id"))
        if key is None or key in images:
            cause = f"the id {key!r} stands twice" if key in images else "it has no id"
            raise FormatProblem(file, cause, place=f"image {place}", remedy="give each image an id of its own")
        images[key] = _image(entry, file, f"image {place}", context)
    names: dict[Any, LabelClass] = {}
    for category in source.items(file, "categories"):
        entry = values.mapping(category)
        key = _key(entry.get("id"))
        number = key if isinstance(key, int) else None
        names[key] = LabelClass(values.text(entry.get("name")), number, values.hex_color(entry.get("color")))
    for place, entry in enumerate(source.items(file, "annotations"), start=1):
        with context.one_object():
            where = f"annotation {place}"
            image = images.get(_key(values.mapping(entry).get("image_id")))
            if image is None:
                cause = f"its image_id {values.short(values.mapping(entry).get('image_id'))} is no id of an image"
                raise FormatProblem(file, cause, place=where, remedy="add the image or take the annotation out")
            made = _annotation(entry, image, names, file, where, context)
            if made is not None:
                image.annotations.append(made)
    for key in ASIDE:
        count = sum(1 for _ in source.items(file, key)) if file.stat().st_size < 2**28 else 0
        if count:
            context.skip(f"{key} cells", file.name, count)
    classes = [label for label in names.values() if label.name != UNCLASSIFIED]
    return Annotations(list(images.values()), classes)


def _read_results(source: Source, file: Path, context: Context) -> Annotations:
    """A results list: the images are those that it names, the classes have numbers for names."""
    images: dict[Any, AnnotatedImage] = {}
    classes: dict[Any, LabelClass] = {}
    for place, entry in enumerate(source.items(file, ""), start=1):
        where = f"result {place}"
        with context.one_object():
            if not _is_result(entry):
                raise FormatProblem(file, "a result has an image_id and a category_id", place=where)
            key, number = _key(entry["image_id"]), _key(entry["category_id"])
            image = images.setdefault(key, AnnotatedImage(str(key)))
            classes.setdefault(number, LabelClass(f"category {number}", number if isinstance(number, int) else None))
            size = _size_in(entry)
            if size is not None and image.size is None:
                image.width, image.height = size
            made = _annotation(entry, image, classes, file, where, context)
            if made is not None:
                image.annotations.append(made)
    return Annotations(list(images.values()), sorted(classes.values(), key=lambda one: (one.number or 0, one.name)))


def _size_in(entry: ToolObject) -> tuple[int, int] | None:
    size = values.mapping(entry.get("segmentation")).get("size")
    if isinstance(size, list) and len(size) == 2 and all(isinstance(one, int) for one in size):
        return size[1], size[0]
    return None


def _image(entry: Any, file: Path, place: str, context: Context) -> AnnotatedImage:
    name = values.text(entry.get("file_name") or entry.get("name") or entry.get("id"))
    sides = [entry.get(side) for side in ("width", "height")]
    width, height = (values.whole(side, file, place, "its size") if side else None for side in sides)
    scale = entry.get("um_per_px")
    regions = []
    for region in values.objects_in(entry.get("regions")):
        kind = values.text(region.get("kind"))
        if kind not in REGION_KINDS:
            context.skip("regions of another kind", place)
            continue
        box = _box(region.get("bbox"), file, place)
        regions.append(Region(kind, box.box))
    entry = centre_and_patient(entry)
    facts = {fact: values.text(entry[fact]) for fact in FACTS if entry.get(fact) not in (None, "")}
    return AnnotatedImage(
        name=name,
        width=width,
        height=height,
        um_per_px=values.number(scale, file, place, "um_per_px") if scale else None,
        regions=regions,
        facts=facts,
    )


def _annotation(
    entry: Any,
    image: AnnotatedImage,
    names: dict[Any, LabelClass],
    file: Path,
    place: str,
    context: Context,
) -> Annotation | None:
    """None for what is no instance (a caption, a panoptic map, keypoints alone); it is listed."""
    if "segments_info" in entry or "caption" in entry:
        context.skip("panoptic segments" if "segments_info" in entry else "captions", place)
        return None
    key = _key(entry.get("category_id"))
    label = names.get(key)
    if label is None:
        cause = f"its category_id {values.short(entry.get('category_id'))} is no id of a category"
        raise FormatProblem(file, cause, place=place, remedy="add the category or correct the id")
    point = _point(entry, file, place)
    if entry.get("keypoints") and point is None:
        context.skip("keypoints", place)
        if not entry.get("segmentation") and not entry.get("bbox"):
            return None
    nucleus = entry.get("nucleus")
    score = entry.get("score")
    return Annotation(
        geometry=point or _geometry(entry, image, file, place),
        label=None if label.name == UNCLASSIFIED else label.name,
        uid=values.text(entry.get("uid")),
        kind=values.text(entry.get("object_type")) or "annotation",
        name=values.text(entry.get("name")),
        score=None if score is None else values.number(score, file, place, "score"),
        attributes=values.mapping(entry.get("attributes")),
        measurements=values.numbers(entry.get("measurements")),
        nucleus=_polygons(nucleus, file, place) if isinstance(nucleus, list) and nucleus else None,
        is_locked=entry.get("is_locked") is True,
        crowd=bool(values.whole(entry.get("iscrowd") or 0, file, place, "iscrowd")),
        parent=values.text(entry.get("parent")),
        place=place,
    )


def _geometry(
    entry: ToolObject,
    image: AnnotatedImage,
    file: Path,
    place: str,
) -> Geometry:
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, dict):
        return runs_of(segmentation, image, file, place)
    if isinstance(segmentation, list) and segmentation:
        return _polygons(segmentation, file, place)
    return _box(entry.get("bbox"), file, place)


def _point(entry: ToolObject, file: Path, place: str) -> Points | None:
    """The visible keypoints of an object that is nothing else: it has no outline and no bbox, or a bbox without an
    extent. None for any other; a keypoint of visibility 0 is not there."""
    keypoints = entry.get("keypoints")
    if not isinstance(keypoints, list) or not keypoints:
        return None
    has_extent = _has_extent(entry.get("bbox")) if entry.get("bbox") else bool(entry.get("segmentation"))
    if has_extent:
        return None
    if len(keypoints) % 3:
        raise FormatProblem(file, "its keypoints must be x, y and visibility, one after the other", place=place)
    numbers = [values.number(one, file, place, "a keypoint") for one in keypoints]
    rows = np.array(numbers, np.float64).reshape(-1, 3)
    seen = rows[rows[:, 2] > 0, :2]
    return Points(seen) if len(seen) else None


def _has_extent(bbox: Any) -> bool:
    """Whether a bbox is more than a place; one that cannot be read is, so that the reader of boxes says why."""
    return not (isinstance(bbox, list) and len(bbox) == 4 and bbox[2] == 0 and bbox[3] == 0)


def _polygons(segmentation: list[Any], file: Path, place: str) -> Outline:
    if not isinstance(segmentation[0], list):
        segmentation = [segmentation]
    rings = [values.flat_points(one, file, place) for one in segmentation]
    return Outline(tuple(Polygon(ring) for ring in rings))


def runs_of(
    segmentation: ToolObject,
    image: AnnotatedImage,
    file: Path,
    place: str,
) -> RunLengths:
    size = segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2:
        raise FormatProblem(file, "its run lengths have no size [height, width]", place=place)
    height, width = (values.whole(one, file, place, "the size of its run lengths") for one in size)
    if image.size is not None and image.size != (width, height):
        cause = f"its run lengths are for {width} x {height} px, and the image has {image.width} x {image.height}"
        raise FormatProblem(file, cause, place=place, remedy="height comes first in size")
    counts = segmentation.get("counts")
    try:
        if isinstance(counts, list):
            return RunLengths(width, height, _compressed(counts, width, height))
        text = values.text(counts).encode("ascii")
        lengths = counts_of(text)
        if (lengths < 0).any():
            raise ValueError("a length is below 0")
        if int(lengths.sum()) > width * height:
            raise ValueError("they do not fit the size")
    except (ValueError, TypeError, OverflowError) as error:
        raise FormatProblem(file, f"its run lengths cannot be read: {error}", place=place) from error
    return RunLengths(width, height, text)


def _compressed(counts: list[Any], width: int, height: int) -> bytes:
    from pycocotools import mask as coco_mask

    whole = [int(count) for count in counts]
    if any(count < 0 for count in whole) or sum(whole) != width * height or whole != counts:
        raise ValueError(f"they must be whole numbers that add up to {width * height}")
    made: bytes = coco_mask.frPyObjects({"size": [height, width], "counts": whole}, height, width)["counts"]
    return made


def _box(bbox: Any, file: Path, place: str) -> Rectangle:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise FormatProblem(file, "it has neither a segmentation nor a bbox of four numbers", place=place)
    x, y, width, height = (values.number(one, file, place, "bbox") for one in bbox)
    return Rectangle((x, y, x + width, y + height))


def _key(value: Any) -> Any:
    """An id: 40.0 and 40 are one, text stays text; None for what is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    """One document, written object by object."""
    names = annotations.class_names()
    numbers = {name: number for number, name in enumerate(names, start=1)}
    with target.document("annotations.json").open("w", encoding="utf-8") as file:
        file.write('{"info":{"description":"converted by Boxwise"},"images":')
        images = [_image_entry(number, image, target) for number, image in enumerate(annotations.images, start=1)]
        file.write(_json(images))
        file.write(',"annotations":[')
        has_no_class = False
        for count, (number, image, one) in enumerate(_numbered(annotations), start=1):
            has_no_class |= one.label is None
            category = numbers[one.label] if one.label is not None else len(names) + 1
            entry = {"id": count, "image_id": number, "category_id": category} | _entry(one, image, target)
            file.write(("," if count > 1 else "") + _json(entry))
        categories = [_category(annotations, name, number) for name, number in numbers.items()]
        if any(isinstance(one.geometry, Points) for one in annotations.each()):
            categories = [category | KEYPOINTS for category in categories]
        if has_no_class:
            categories.append({"id": len(names) + 1, "name": UNCLASSIFIED, "supercategory": ""})
        file.write('],"categories":' + _json(categories) + "}")


def _numbered(annotations: Annotations) -> Iterator[tuple[int, AnnotatedImage, Annotation]]:
    """What COCO can hold: areas, boxes, and points, each as the only keypoint of an object."""
    for number, image in enumerate(annotations.images, start=1):
        for one in chain.from_iterable(map(separate_points, image.annotations)):
            if not isinstance(one.geometry, OpenLine):
                yield number, image, one


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _category(annotations: Annotations, name: str, number: int) -> ToolObject:
    entry: ToolObject = {"id": number, "name": name, "supercategory": ""}
    color = annotations.color_of(name)
    return entry | {"color": color} if color else entry


def _image_entry(number: int, image: AnnotatedImage, target: Target) -> ToolObject:
    width, height = target.size_or_extent(image)
    entry: ToolObject = {"id": number, "file_name": image.name, "width": width, "height": height}
    if image.um_per_px is not None:
        entry["um_per_px"] = image.um_per_px
    if image.regions:
        entry["regions"] = [{"kind": region.kind, "bbox": _bbox(region.box)} for region in image.regions]
    return entry | image.facts


def _entry(one: Annotation, image: AnnotatedImage, target: Target) -> ToolObject:
    segmentation, area = _segmentation(one, image, target)
    entry: ToolObject = {
        "segmentation": segmentation,
        "area": area,
        "bbox": _bbox(box_of(one.geometry)),
        "iscrowd": int(one.crowd),
    }
    if isinstance(one.geometry, Points):
        x, y = one.geometry.xy[0].tolist()
        entry |= {"keypoints": [x, y, VISIBLE], "num_keypoints": 1}
    extra = {
        "uid": one.uid, "score": one.score, "name": one.name, "attributes": one.attributes, "parent": one.parent,
        "measurements": {key: number for key, number in one.measurements.items() if np.isfinite(number)},
    }  # fmt: skip
    entry |= {key: value for key, value in extra.items() if value not in (None, "", {})}
    if one.kind != "annotation":
        entry["object_type"] = one.kind
    if one.is_locked:
        entry["is_locked"] = True
    if one.nucleus is not None:
        entry["nucleus"] = [_flat(part) for part in one.nucleus.polygons]
    return entry


def _segmentation(one: Annotation, image: AnnotatedImage, target: Target) -> tuple[Any, float]:
    """What stands in `segmentation`, and the area in px."""
    geometry = one.geometry
    size = target.size_or_extent(image)
    if isinstance(geometry, Rectangle):
        x0, y0, x1, y1 = geometry.box
        return [], (x1 - x0) * (y1 - y0)
    if isinstance(geometry, Points):
        return [], 0.0
    if isinstance(geometry, RunLengths) and (geometry.width, geometry.height) == size:
        mask = mask_of(geometry)
        text = {"size": [size[1], size[0]], "counts": geometry.counts.decode()}
        return text, float(mask.bits.sum()) if mask is not None else 0.0
    if isinstance(geometry, Outline) and not one.crowd and not geometry.has_holes:
        return [_flat(part) for part in outline_of(geometry)], sum(_area(part) for part in geometry.polygons)
    if size[0] * size[1] >= MOST_IN_RUNS and not isinstance(geometry, OpenLine):
        return _cut_open(outline_of(geometry))
    mask = mask_of(geometry, size)
    if mask is None:
        raise FormatProblem(image.name, "the object has no pixel inside the image", place=one.place)
    if isinstance(geometry, Outline):
        target.lost[Property.SUBPIXEL] += geometry.is_between_pixels
    runs = encode(mask, size)
    return {"size": [size[1], size[0]], "counts": runs.counts.decode()}, float(mask.bits.sum())


def _cut_open(parts: Sequence[Polygon]) -> tuple[list[list[float]], float]:
    """Polygons of an image that run lengths cannot say: cuts of no width join the holes to their rings."""
    rings = []
    area = 0.0
    for part in parts:
        rings.append(one_ring([part]).ravel().tolist())
        area += _area(part) - sum(_area(Polygon(hole)) for hole in part.holes)
    return rings, area


def _flat(part: Polygon) -> list[float]:
    flat: list[float] = part.shell.ravel().tolist()
    return flat


def _area(part: Polygon) -> float:
    x, y = part.shell.T
    return abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2)


def _bbox(box: tuple[float, float, float, float]) -> list[float]:
    x0, y0, x1, y1 = box
    return [x0, y0, x1 - x0, y1 - y0]


KEEPS = frozenset(Property) - {Property.LINES}
FORMATS = {"coco": Format("coco", "COCO", recognises, read, write, KEEPS, (".json",), one_file=True)}
