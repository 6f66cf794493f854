"""YOLO as ultralytics reads it: one text file an image, a line an object, with data.yaml, classes.txt or obj.names.

Lines are `class cx cy w h [score]` (detect) or `class x y x y ...` (segment); all but the class are shares of the
image's width and height, continuous from its corner: as ours, times the size. The class is an index from 0. A
segment is one ring, so holes and parts are joined by cuts of no width, which filling does not see; reading takes
them apart again. Ultralytics takes no file in which some lines are boxes and some segments: there a box is written
as its four corners. Where images have a split, their files lie in labels/train, labels/val and labels/test.
"""

from pathlib import Path
from typing import Any

import numpy as np

from inference.formats import values
from inference.formats.checks import valid_parts
from inference.formats.format import Format, Target
from inference.formats.geometry import box_of, corners, outline_of
from inference.formats.losses import Property, is_area
from inference.formats.model import (
    UNCLASSIFIED,
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    LabelClass,
    Outline,
    Points,
    Rectangle,
    ToolObject,
    polygon,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.rings import one_ring
from inference.formats.sources import Source, head_of, read_text

CLASS_FILES = ("classes.txt", "obj.names", "labels.txt", "class_names.txt")
SPLITS = ("train", "val", "test")


def recognises(source: Source) -> bool:
    return any(_is_labels(file) for file in _label_files(source))


def _label_files(source: Source) -> list[Path]:
    return [file for file in source.with_suffix(".txt") if file.name not in CLASS_FILES]


def _is_labels(file: Path) -> bool:
    """Whether the first line is a class and at least four shares."""
    words = head_of(file, 65536).decode("utf-8", "replace").partition("\n")[0].split()
    if len(words) < 5 or not words[0].isdigit():
        return False
    try:
        shares = [float(word) for word in words[1:]]
    except ValueError:
        return False
    return all(-1 <= share <= 2 for share in shares)


# -- reading


def read(source: Source, context: Context) -> Annotations:
    names = _class_names(source)
    has_keypoints = _data(source).get("kpt_shape") is not None
    used: dict[int, LabelClass] = {
        number: LabelClass(name, number) for number, name in names.items() if name != UNCLASSIFIED
    }
    images = []
    for file in _label_files(source):
        parts = file.relative_to(source.root).parts[:-1]
        split = next((part for part in parts if part in SPLITS), "")
        image = AnnotatedImage(file.stem, facts={"split": split} if split else {})
        size = context.needed_size(file.stem, file)
        image.width, image.height = size
        for number, line in enumerate(read_text(file).splitlines(), start=1):
            with context.one_object():
                _add(image, line.split(), file, f"line {number}", (names, used), context, has_keypoints)
        images.append(image)
    return Annotations(images, [used[number] for number in sorted(used)])


def _add(
    image: AnnotatedImage,
    words: list[str],
    file: Path,
    place: str,
    classes: tuple[dict[int, str], dict[int, LabelClass]],
    context: Context,
    has_keypoints: bool,
) -> None:
    if not words:
        return
    names, used = classes
    number = values.whole(words[0], file, place, "the class")
    if number < 0:
        raise FormatProblem(file, f"the class {number} is below 0", place=place)
    if names and number not in names:
        cause = f"the class {number} is not in the list of classes"
        raise FormatProblem(file, cause, place=place, remedy="add it to data.yaml or classes.txt")
    shares = [values.number(word, file, place, "a coordinate") for word in words[1:]]
    if has_keypoints and len(shares) > 4:
        context.skip("keypoints", place)
        shares = shares[:4]
    geometry, score = _geometry(shares, image, file, place)
    name = names.get(number, f"class {number}")
    if name != UNCLASSIFIED:
        used.setdefault(number, LabelClass(name, number))
    label = None if name == UNCLASSIFIED else name
    image.annotations.append(Annotation(geometry, label, score=score, place=place))


def _geometry(shares: list[float], image: AnnotatedImage, file: Path, place: str) -> tuple[Geometry, float | None]:
    assert image.width is not None and image.height is not None
    if len(shares) in (4, 5):
        cx, cy, width, height = shares[:4]
        x0, x1 = (cx - width / 2) * image.width, (cx + width / 2) * image.width
        y0, y1 = (cy - height / 2) * image.height, (cy + height / 2) * image.height
        box = np.round([x0, y0, x1, y1], 6).tolist()
        return values.rectangle(*box), shares[4] if len(shares) == 5 else None
    if len(shares) < 6:
        cause = f"a line has a class and 4 or at least 6 numbers, not {len(shares)}"
        raise FormatProblem(file, cause, place=place)
    score = shares[-1] if len(shares) % 2 else None
    # A ring that runs along cuts is taken apart into its parts and holes.
    xy = np.array(shares[: len(shares) // 2 * 2]).reshape(-1, 2) * (image.width, image.height)
    outline = polygon(np.round(xy, 6))
    return Outline(valid_parts(outline) or outline.polygons), score


def _class_names(source: Source) -> dict[int, str]:
    found = _data(source).get("names")
    if isinstance(found, list):
        return dict(enumerate(map(values.text, found)))
    if isinstance(found, dict):
        return {int(number): values.text(name) for number, name in found.items() if str(number).isdigit()}
    for name in CLASS_FILES:
        file = source.named(name)
        if file is not None:
            lines = [line.strip() for line in read_text(file).splitlines()]
            return dict(enumerate(line for line in lines if line))
    return {}


def _data(source: Source) -> ToolObject:
    """data.yaml, or whichever YAML has names; empty without one."""
    import yaml

    for file in source.with_suffix(".yaml", ".yml"):
        try:
            document = yaml.safe_load(read_text(file))
        except (yaml.YAMLError, RecursionError) as error:
            raise FormatProblem(file, "the file is no YAML", remedy="correct it or take it away") from error
        if isinstance(document, dict) and "names" in document:
            return document
    return {}


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    import yaml

    names = annotations.class_names()
    if any(one.label is None for one in annotations.each()):
        names.append(UNCLASSIFIED)
    numbers = {name: number for number, name in enumerate(names)}
    labels = Target(target.folder / "labels", target.file)
    for image, file in labels.each(annotations, ".txt"):
        lines = _lines(image, numbers, target)
        place = _in_split(file, image, labels)
        place.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    target.notes += labels.notes
    if target.file is None:
        about = {"path": ".", **_folders(annotations), "names": dict(enumerate(names))}
        text = yaml.safe_dump(about, allow_unicode=True, sort_keys=False)
        (target.folder / "data.yaml").write_text(text, encoding="utf-8")


def _lines(image: AnnotatedImage, numbers: dict[str, int], target: Target) -> list[str]:
    width, height = target.size_of(image)
    has_areas = any(map(is_area, image.annotations))
    lines = []
    for one in image.annotations:
        if isinstance(one.geometry, Points | OpenLine):
            continue
        if has_areas and isinstance(one.geometry, Rectangle):
            target.lost[Property.BOXES] += 1
        pixels = _pixels(one, as_ring=has_areas)
        shares = (pixels.reshape(-1, 2) / (width, height)).ravel()
        number = numbers[one.label if one.label is not None else UNCLASSIFIED]
        lines.append(" ".join([str(number), *(f"{share:.12g}" for share in shares)]))
    return lines


def _in_split(file: Path, image: AnnotatedImage, labels: Target) -> Path:
    """The file in the folder of the image's split; as it is where the image has none, or one file was asked for."""
    split = image.facts.get("split", "")
    if split not in SPLITS or labels.file is not None:
        return file
    folder = labels.folder / split
    folder.mkdir(parents=True, exist_ok=True)
    return folder / file.name


def _folders(annotations: Annotations) -> dict[str, str]:
    """Where data.yaml says that images lie. Ultralytics wants a folder to train and one to validate.

    Without validation it validates where it trains. Validation and test images are never named as what trains: where
    there is nothing else, ultralytics finds no folder and says so.
    """
    found = {image.facts.get("split", "") for image in annotations.images}
    present = [split for split in SPLITS if split in found]
    if not present:
        return {"train": "images", "val": "images"}
    folders = {split: f"images/{split}" for split in present}
    train = "images/train"
    return {"train": train, "val": train} | folders


def _pixels(one: Annotation, *, as_ring: bool) -> Any:
    """Coordinates in px: x y x y ..., or cx cy w h."""
    if isinstance(one.geometry, Rectangle) or not as_ring:
        x0, y0, x1, y1 = box_of(one.geometry)
        if not as_ring:
            return np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
        return corners((x0, y0, x1, y1)).ravel()
    assert not isinstance(one.geometry, Points | OpenLine)
    return one_ring(outline_of(one.geometry)).ravel()


KEEPS = frozenset(
    (
        Property.MASKS, Property.HOLES, Property.PARTS, Property.OVERLAPS, Property.SUBPIXEL, Property.BOXES,
        Property.MANY, Property.CLASSES, Property.EMPTY, Property.NAMES,
    )
)  # fmt: skip
TITLE = "YOLO detect and segment"
FORMATS = {"yolo": Format("yolo", TITLE, recognises, read, write, KEEPS, (".txt",), has_list=True, has_splits=True)}
