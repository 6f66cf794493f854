"""What a format cannot hold, counted: each format declares what it keeps, and the difference is the list."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Line,
    Outline,
    Pixels,
    Points,
    Rectangle,
    RunLengths,
)


class Property(StrEnum):
    """What annotations can have. The value is how results and the table in docs/exchange.md call it."""

    MASKS = "masks and outlines"
    HOLES = "holes"
    PARTS = "detached parts"
    OVERLAPS = "overlaps"
    SUBPIXEL = "corners between pixels"
    BOXES = "boxes without a mask"
    POINTS = "points"
    LINES = "lines"
    MANY = "more than 65,535 objects"
    CLASSES = "classes"
    SCORES = "scores"
    ATTRIBUTES = "attributes"
    MEASUREMENTS = "measurements"
    IDS = "lasting ids"
    NAMES_OF_OBJECTS = "names of objects"
    NUCLEI = "nuclei of cells"
    LOCKS = "locks"
    CROWDS = "crowds"
    PARENTS = "parents"
    REGIONS = "regions"
    EMPTY = "empty images"
    NAMES = "names beyond ASCII"
    SCALE = "µm per pixel"
    COLORS = "colours of classes"


@dataclass(frozen=True)
class Loss:
    """`count` objects (images, for properties of images; classes, for colours) lose this."""

    what: Property
    count: int

    def __str__(self) -> str:
        return f"{self.what}: {self.count:,}"


def is_area(annotation: Annotation) -> bool:
    return isinstance(annotation.geometry, Outline | Pixels | RunLengths)


def has_hole(annotation: Annotation) -> bool:
    geometry = annotation.geometry
    if isinstance(geometry, Outline):
        return geometry.has_holes
    return _is_mask_with(annotation, holes=True)


def has_parts(annotation: Annotation) -> bool:
    geometry = annotation.geometry
    if isinstance(geometry, Outline):
        return len(geometry.polygons) > 1
    return _is_mask_with(annotation, holes=False)


def _is_mask_with(annotation: Annotation, *, holes: bool) -> bool:
    """Whether a mask has background inside, or more than one part."""
    from scipy.ndimage import label

    from inference.formats.geometry import mask_of

    if not isinstance(annotation.geometry, Pixels | RunLengths):
        return False
    mask = mask_of(annotation.geometry)
    if mask is None:
        return False
    if holes:
        around = np.pad(~mask.bits, 1, constant_values=True)
        return int(label(around, np.ones((3, 3)))[1]) > 1
    return int(label(mask.bits, np.ones((3, 3)))[1]) > 1


def is_between_pixels(annotation: Annotation) -> bool:
    return isinstance(annotation.geometry, Outline) and annotation.geometry.is_between_pixels


OF_ANNOTATIONS: dict[Property, Callable[[Annotation], bool]] = {
    Property.MASKS: is_area,
    Property.HOLES: has_hole,
    Property.PARTS: has_parts,
    Property.SUBPIXEL: is_between_pixels,
    Property.BOXES: lambda one: isinstance(one.geometry, Rectangle),
    Property.POINTS: lambda one: isinstance(one.geometry, Points),
    Property.LINES: lambda one: isinstance(one.geometry, Line),
    Property.CLASSES: lambda one: one.label is not None,
    Property.SCORES: lambda one: one.score is not None,
    Property.ATTRIBUTES: lambda one: bool(one.attributes),
    Property.MEASUREMENTS: lambda one: bool(one.measurements),
    Property.IDS: lambda one: bool(one.uid),
    Property.NAMES_OF_OBJECTS: lambda one: bool(one.name),
    Property.NUCLEI: lambda one: one.nucleus is not None,
    Property.LOCKS: lambda one: one.is_locked,
    Property.CROWDS: lambda one: one.crowd,
    Property.PARENTS: lambda one: bool(one.parent),
}
OF_IMAGES: dict[Property, Callable[[AnnotatedImage], bool]] = {
    Property.EMPTY: lambda image: not image.annotations,
    Property.NAMES: lambda image: not image.name.isascii(),
    Property.SCALE: lambda image: image.um_per_px is not None,
    Property.REGIONS: lambda image: bool(image.regions),
}
# A format that has no outlines has neither their holes nor their parts; one line says it.
INCLUDED = {Property.HOLES, Property.PARTS, Property.SUBPIXEL, Property.OVERLAPS}


def losses_of(annotations: Annotations, keeps: frozenset[Property]) -> list[Loss]:
    """What of these annotations a format loses that keeps only `keeps`. Overlaps and ids are counted by the writers,
    which are the first to know."""
    found = []
    for what in Property:
        if what in keeps or (what in INCLUDED and Property.MASKS not in keeps):
            continue
        count = 0
        if what in OF_ANNOTATIONS:
            count = sum(map(OF_ANNOTATIONS[what], annotations.each()))
        elif what in OF_IMAGES:
            count = sum(map(OF_IMAGES[what], annotations.images))
        elif what is Property.COLORS:
            count = sum(bool(label.color) for label in annotations.classes)
        if count:
            found.append(Loss(what, count))
    return found
