"""Annotations of a file as states of this project's annotations."""

import hashlib
import uuid
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain

from inference.formats.geometry import TooLarge, box_of, mask_of
from inference.formats.model import AnnotatedImage, Annotation, Line, Points, Rectangle, Region, separate_points
from inference.masks import pack
from inference.types import BoxMask
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.images.models import Image
from labeling.projects.classes import current_classes
from labeling.projects.models import Project

# The ids of annotations whose format has none follow from what they are: the same file twice is the same annotations.
NAMESPACE = uuid.UUID("8d0f6a9c-6c0e-4a5e-9f0a-3f4b3f0c6d2b")
REGION_STATUS = {"fully_annotated": "exhaustive", "ignore": "ignore"}
Box = tuple[float, float, float, float]  # x0, y0, x1, y1: image pixels, half-open; x, y, x, y of a point
MOST_PLACES = 100  # of what is declined, an image


@dataclass
class Prepared:
    """What an image of the file holds, as this project says it.

    declined    (place, code) of what cannot be taken, MOST_PLACES at most; declined_count is the number of all
    no_class    classes of the file that the project does not have -> how many annotations, which come without a class
    no_value    attributes, or values of them, that the project does not declare -> how many
    """

    states: dict[uuid.UUID, AnnotationState] = field(default_factory=dict)
    declined: list[tuple[str, str]] = field(default_factory=list)
    declined_count: int = 0
    no_class: Counter[str] = field(default_factory=Counter)
    no_value: Counter[str] = field(default_factory=Counter)

    def decline(self, place: str, code: str) -> None:
        self.declined_count += 1
        if len(self.declined) < MOST_PLACES:
            self.declined.append((place, code))


@dataclass(frozen=True)
class Vocabulary:
    """The project's classes by their names without regard to case, and its attributes with their values."""

    classes: dict[str, int]
    attributes: dict[str, list[str]]

    @classmethod
    def of(cls, project: Project) -> "Vocabulary":
        now = current_classes(project.pk)
        names = {name.casefold(): now[key] for name, key in project.classes.values_list("name", "pk")}
        return cls(names, project.declared_attributes)


def prepare(annotated: AnnotatedImage, image: Image, vocabulary: Vocabulary) -> Prepared:
    """The states of all annotations and regions that belong into this image."""
    prepared = Prepared()
    for one in chain.from_iterable(map(separate_points, annotated.annotations)):
        state = _cell(one, image, vocabulary, prepared)
        if state is not None:
            uid = _uid(one, image, state)
            if uid in prepared.states and prepared.states[uid] != state:
                prepared.decline(one.place, "same_id")
                continue
            prepared.states[uid] = state
    for region in annotated.regions:
        state = _region(region, image)
        if state is not None:
            prepared.states[_made_up(image, state)] = state
    return prepared


def _cell(one: Annotation, image: Image, vocabulary: Vocabulary, prepared: Prepared) -> AnnotationState | None:
    """None for a line, or what lies outside the image; it is in `prepared.declined`."""
    if isinstance(one.geometry, Line):
        prepared.decline(one.place, "no_area")
        return None
    try:
        mask = mask_of(one.geometry, (image.width, image.height))
    except (TooLarge, ValueError):
        prepared.decline(one.place, "too_large")
        return None
    box: Box | None
    if isinstance(one.geometry, Points):
        box = _point_inside(one.geometry, image)
    elif isinstance(one.geometry, Rectangle):
        box = _inside(box_of(one.geometry), image)
    else:
        box = _box(mask) if mask is not None else None
    if box is None:
        prepared.decline(one.place, "outside")
        return None
    return AnnotationState(
        kind="cell",
        status="cannot_tell" if one.crowd else "confirmed",
        box=box,
        label_class=_class(one, vocabulary, prepared),
        mask=_packed(mask) if mask is not None else None,
        attributes=_attributes(one, vocabulary, prepared),
    )


def _region(region: Region, image: Image) -> AnnotationState | None:
    box = _inside(region.box, image)
    if box is None or region.kind not in REGION_STATUS:
        return None
    return AnnotationState(kind="region", status=REGION_STATUS[region.kind], box=box)


def _class(one: Annotation, vocabulary: Vocabulary, prepared: Prepared) -> int | None:
    if one.label is None:
        return None
    found = vocabulary.classes.get(one.label.casefold())
    if found is None:
        prepared.no_class[one.label] += 1
    return found


def _attributes(one: Annotation, vocabulary: Vocabulary, prepared: Prepared) -> dict[str, str] | None:
    kept = {}
    for name, value in sorted(one.attributes.items()):
        if str(value) in vocabulary.attributes.get(name, ()):
            kept[name] = str(value)
        elif name in vocabulary.attributes:
            prepared.no_value[f"{name}: {value}"[:100]] += 1
        else:
            prepared.no_value[str(name)[:100]] += 1
    return kept or None


def _point_inside(points: Points, image: Image) -> Box | None:
    """A point as the box of a cell; None outside the image."""
    x, y = points.xy[0].tolist()
    return (x, y, x, y) if 0 <= x < image.width and 0 <= y < image.height else None


def _inside(box: Box, image: Image) -> Box | None:
    """The part of a box inside the image; None for none."""
    x0, y0 = max(0.0, box[0]), max(0.0, box[1])
    x1, y1 = min(float(image.width), box[2]), min(float(image.height), box[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _box(mask: BoxMask) -> Box:
    height, width = mask.bits.shape
    return (float(mask.x), float(mask.y), float(mask.x + width), float(mask.y + height))


def _packed(mask: BoxMask) -> PackedMask:
    height, width = mask.bits.shape
    return PackedMask(mask.x, mask.y, width, height, pack(mask.bits))


def _uid(one: Annotation, image: Image, state: AnnotationState) -> uuid.UUID:
    """The file's own UUID; of another lasting id one that follows from it; without an id, from what it is."""
    try:
        return uuid.UUID(one.uid)
    except ValueError:
        pass
    if one.uid:
        return uuid.uuid5(NAMESPACE, f"{image.pk} id {one.uid}")
    return _made_up(image, state)


def _made_up(image: Image, state: AnnotationState) -> uuid.UUID:
    digest = hashlib.sha256(repr((state.kind, state.status, state.box)).encode())
    if state.mask is not None:
        digest.update(state.mask.bits)
    return uuid.uuid5(NAMESPACE, f"{image.pk} {digest.hexdigest()}")
