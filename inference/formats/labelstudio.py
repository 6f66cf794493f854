"""Label Studio's JSON: tasks with annotations; rectangle, ellipse, polygon, keypoint and brush. The short export
(JSON-MIN) is read too.

Coordinates are percent of the image's width and height, continuous from its corner: as ours, times the size / 100,
which stands in each result. A rectangle turns around its top left corner, an ellipse around its centre. A brush is
run lengths of the whole image as RGBA, of which the alpha counts. A polygon has no holes and no parts: objects that
have are written as brushes. Predictions, relations and answers about the whole image are skipped and listed.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from inference.formats import values
from inference.formats.brush import bits_of_brush, brush_of_bits
from inference.formats.checks import FARTHEST
from inference.formats.format import NO_PIXEL, Format, Target
from inference.formats.geometry import corners, ellipse, mask_of, outline_of
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
    RunLengths,
    ToolObject,
    polygon,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source
from inference.masks import tight
from inference.types import BoxMask

KINDS = ("rectangle", "ellipse", "polygon", "keypoint", "brush")


def recognises(source: Source) -> bool:
    return any(_is_tasks(source.json_or_none(file)) for file in source.with_suffix(".json"))


def _is_tasks(document: Any) -> bool:
    if isinstance(document, dict):
        document = [document]
    if not isinstance(document, list) or not document or not isinstance(document[0], dict):
        return False
    first = document[0]
    is_full = isinstance(first.get("annotations", first.get("completions")), list) and isinstance(
        first.get("data"), dict
    )
    return is_full or any(_is_short(task) for task in document[:50])


def _is_short(task: Any) -> bool:
    """A task of the short export: its results stand under the name of their control."""
    return isinstance(task, dict) and any(
        isinstance(value, list) and value and isinstance(value[0], dict) and "original_width" in value[0]
        for value in task.values()
    )


# -- reading


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in source.with_suffix(".json"):
        document = source.json_or_none(file)
        if not _is_tasks(document):
            continue
        for place, task in enumerate([document] if isinstance(document, dict) else document, start=1):
            with context.one_object():
                found.images.append(_image(values.mapping(task), file, f"task {place}", context))
    return found


def _image(
    task: ToolObject,
    file: Path,
    place: str,
    context: Context,
) -> AnnotatedImage:
    data = values.mapping(task.get("data")) or task
    image = AnnotatedImage(_name(data) or f"task {task.get('id', place)}")
    drafts = values.listed(task.get("predictions"))
    if drafts:
        context.skip("predictions", place, len(drafts))
    answers = values.objects_in(task.get("annotations", task.get("completions")))
    for number, answer in enumerate(answers, start=1):
        if answer.get("was_cancelled"):
            context.skip("cancelled annotations", f"{place}, annotation {number}")
            continue
        by = answer.get("completed_by") if len(answers) > 1 else None
        where = f"{place}, annotation {number}" if len(answers) > 1 else place
        _add_results(image, values.objects_in(answer.get("result")), by, file, where, context)
    if not answers and _is_short(task):
        _add_results(image, _short_results(task), None, file, place, context)
    return image


def _short_results(task: ToolObject) -> list[ToolObject]:
    found = []
    for value in task.values():
        for one in value if isinstance(value, list) else []:
            kind = next((name for name in KINDS if f"{name}labels" in values.mapping(one)), "")
            if kind:
                found.append({"type": f"{kind}labels", "value": one} | one)
    return found


def _name(data: ToolObject) -> str:
    """The name of the picture: of an upload, a URL, or a local file."""
    texts = [value for key, value in data.items() if isinstance(value, str) and key != "id"]
    address = values.text(data.get("image")) or next(iter(texts), "")
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    path = local[0] if local else parts.path
    return unquote(path).replace("\\", "/").rpartition("/")[2]


def lead_times(document: Any) -> dict[str, float]:
    """Name of the picture -> seconds that Label Studio says its first annotation took: from opening the task to
    submitting it, pauses included. Tasks without one are left out."""
    found: dict[str, float] = {}
    for task in document if isinstance(document, list) else [document]:
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            continue
        annotations = task.get("annotations")
        first = annotations[0] if isinstance(annotations, list) and annotations else None
        seconds = first.get("lead_time") if isinstance(first, dict) else None
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < float("inf"):
            found[_name(task["data"])] = float(seconds)
    return found


def _add_results(
    image: AnnotatedImage,
    results: list[ToolObject],
    by: Any,
    file: Path,
    place: str,
    context: Context,
) -> None:
    """Regions, with the labels that other results give to the same region."""
    labels: dict[str, str] = {}
    for result in results:
        given = values.listed(values.mapping(result.get("value")).get("labels"))
        if result.get("type") == "labels" and given:
            labels[values.text(result.get("id"))] = values.text(given[0])
    for number, result in enumerate(results, start=1):
        where = f"{place}, result {number}"
        kind = values.text(result.get("type")).removesuffix("labels")
        if kind not in KINDS:
            if result.get("type") != "labels":
                context.skip(f"results of type {result.get('type')}", where)
            continue
        with context.one_object():
            made = _annotation(result, kind, labels, image, file, where)
            if by is not None:
                made.attributes["annotator"] = values.text(by.get("id") if isinstance(by, dict) else by)
            image.annotations.append(made)


def _annotation(
    result: ToolObject,
    kind: str,
    labels: dict[str, str],
    image: AnnotatedImage,
    file: Path,
    place: str,
) -> Annotation:
    value = values.mapping(result.get("value"))
    sides = [result.get(name, value.get(name)) for name in ("original_width", "original_height")]
    width, height = (values.whole(side, file, place, "original_width") for side in sides)
    if not (1 <= width <= FARTHEST and 1 <= height <= FARTHEST):
        cause = f"original_width and original_height must be from 1 to {FARTHEST:.0e}"
        raise FormatProblem(file, cause, place=place)
    if image.size is None:
        image.width, image.height = width, height
    own = values.listed(value.get(f"{kind}labels"))
    label = values.text(own[0]) if own else labels.get(values.text(result.get("id")), "")
    score = result.get("score")
    return Annotation(
        geometry=_geometry(value, kind, (width, height), file, place),
        label=None if label in ("", UNCLASSIFIED) else label,
        uid=values.text(result.get("id")),
        score=None if score is None else values.number(score, file, place, "score"),
        place=place,
    )


def _geometry(
    value: ToolObject,
    kind: str,
    size: tuple[int, int],
    file: Path,
    place: str,
) -> Geometry:
    share = np.array(size) / 100

    def given(name: str) -> float:
        return values.number(value.get(name), file, place, name)

    if kind == "brush":
        return _brush(value, size, file, place)
    if kind == "polygon":
        return polygon(np.round(values.points(value.get("points"), file, place) * share, 9))
    x, y = np.round([given("x") * share[0], given("y") * share[1]], 9).tolist()
    if kind == "keypoint":
        return Points(np.array([[x, y]]))
    turned = given("rotation") if value.get("rotation") else 0.0
    if kind == "ellipse":
        return ellipse(x, y, given("radiusX") * share[0], given("radiusY") * share[1], turned)
    width, height = np.round([given("width") * share[0], given("height") * share[1]], 9).tolist()
    box = (x, y, x + width, y + height)
    if not turned:
        return Rectangle(box)
    angle = np.deg2rad(turned)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return polygon((corners(box) - (x, y)) @ turn + (x, y))


def _brush(
    value: ToolObject,
    size: tuple[int, int],
    file: Path,
    place: str,
) -> Pixels:
    try:
        bits = bits_of_brush(value.get("rle") or [], size)
    except ValueError as error:
        raise FormatProblem(file, f"its brush cannot be read: {error}", place=place) from error
    mask = tight(BoxMask(0, 0, bits))
    if mask is None:
        raise FormatProblem(file, "its brush holds no pixel", place=place)
    return Pixels(mask)


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    tasks = []
    for number, image in enumerate(annotations.images, start=1):
        results = []
        for place, one in enumerate(image.annotations, start=1):
            result = _result(one, target.size_of(image), target)
            if result is not None:
                results.append({"id": one.uid or f"{number}-{place}"} | result)
        answer = {"id": number, "completed_by": 1, "result": results}
        tasks.append({"id": number, "data": {"image": image.name}, "annotations": [answer], "predictions": []})
    target.write_json(target.document("annotations.json"), tasks)


def _result(one: Annotation, size: tuple[int, int], target: Target) -> ToolObject | None:
    found = _value(one.geometry, size, target)
    if found is None:
        return None
    kind, value = found
    label = one.label if one.label is not None else UNCLASSIFIED
    result = {
        "type": f"{kind}labels", "from_name": "label", "to_name": "image", "origin": "manual", "image_rotation": 0,
        "original_width": size[0], "original_height": size[1], "value": value | {f"{kind}labels": [label]},
    }  # fmt: skip
    return result if one.score is None else result | {"score": one.score}


def _value(geometry: Geometry, size: tuple[int, int], target: Target) -> tuple[str, ToolObject] | None:
    """The kind of region and its value; None for what Label Studio has no region for."""
    percent = 100 / np.array(size)
    if isinstance(geometry, OpenLine):
        return None
    if isinstance(geometry, Rectangle):
        x0, y0, x1, y1 = geometry.box
        x, y = (np.array([x0, y0]) * percent).tolist()
        width, height = (np.array([x1 - x0, y1 - y0]) * percent).tolist()
        return "rectangle", {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
    if isinstance(geometry, Points):
        target.lost[Property.POINTS] += len(geometry.xy) > 1
        x, y = (geometry.xy[0] * percent).tolist()
        return "keypoint", {"x": x, "y": y, "width": 0.5}
    parts = outline_of(geometry)
    if len(parts) == 1 and not parts[0].holes:
        return "polygon", {"points": (parts[0].shell * percent).tolist(), "closed": True}
    return _brush_value(geometry, size, target)


def _brush_value(
    geometry: Outline | Pixels | RunLengths, size: tuple[int, int], target: Target
) -> tuple[str, ToolObject] | None:
    mask = mask_of(geometry, size)
    if mask is None:
        target.leave_out(NO_PIXEL)
        return None
    if isinstance(geometry, Outline):
        target.lost[Property.SUBPIXEL] += geometry.is_between_pixels
    return "brush", {"format": "rle", "rle": brush_of_bits(mask, size)}


KEEPS = frozenset(
    (
        Property.MASKS, Property.HOLES, Property.PARTS, Property.OVERLAPS, Property.SUBPIXEL, Property.BOXES,
        Property.POINTS, Property.MANY, Property.CLASSES, Property.SCORES, Property.IDS, Property.EMPTY, Property.NAMES,
    )
)  # fmt: skip
FORMATS = {
    "labelstudio": Format("labelstudio", "Label Studio", recognises, read, write, KEEPS, (".json",), one_file=True)
}
