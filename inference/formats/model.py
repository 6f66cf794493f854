"""Annotations as every format sees them: images, and what is annotated on each.

One frame: image pixels, origin at the top left corner of the image, y down. Pixel (0, 0) covers [0, 1) x [0, 1), so its
centre is (0.5, 0.5), and a box (x0, y0, x1, y1) is half-open. Each format's docstring says how its tool counts, and its
reader and writer move coordinates by that difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.types import BoxMask

Ring = npt.NDArray[np.float64]  # (n, 2) x, y; not closed: the last point is not the first again
Box = tuple[float, float, float, float]  # x0, y0, x1, y1, half-open
# An object of another tool's JSON: whoever writes it has no schema, so each reader checks the keys that it takes.
ToolObject = dict[str, Any]
UNCLASSIFIED = "unclassified"  # the class name of what has no class, in formats that want one


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """One part: its outer ring and its holes."""

    shell: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def rings(self) -> tuple[Ring, ...]:
        return (self.shell, *self.holes)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """One or more polygons. `is_ellipse`: the tool drew it as an ellipse and may edit it as one."""

    polygons: tuple[Polygon, ...]
    is_ellipse: bool = False

    @property
    def rings(self) -> list[Ring]:
        """The rings of all polygons, each polygon's shell before its holes."""
        found: list[Ring] = []
        for part in self.polygons:
            found += part.rings
        return found

    @property
    def has_holes(self) -> bool:
        return any(part.holes for part in self.polygons)

    @property
    def is_between_pixels(self) -> bool:
        """Whether a coordinate is no whole number."""
        return any((ring != np.rint(ring)).any() for ring in self.rings)


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """A mask, tight."""

    mask: BoxMask


@dataclass(frozen=True, slots=True, eq=False)
class RunLengths:
    """A mask as COCO's compressed run lengths in an image of this size, decoded only when somebody asks."""

    width: int
    height: int
    counts: bytes


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box without a mask."""

    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    xy: Ring


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """An open line through these points."""

    xy: Ring


Geometry = Outline | Pixels | RunLengths | Rectangle | Points | Line
Area = Outline | Pixels | RunLengths


@dataclass(slots=True)
class Annotation:
    """One object of an image.

    label         name of its class; None for none
    uid           the tool's own lasting id, for example QuPath's UUID; empty where the format has none
    kind          QuPath's object type: annotation, detection, cell
    nucleus       the nucleus of a cell whose geometry is the whole cell
    crowd         COCO's iscrowd: several objects together, or one that nobody could tell
    measurements  numbers that a tool computed
    parent        uid of the object that it belongs to
    place         where it stands in the file, for sentences: "feature 7", "line 3"
    """

    geometry: Geometry
    label: str | None = None
    uid: str = ""
    kind: str = "annotation"
    name: str = ""
    score: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    measurements: dict[str, float] = field(default_factory=dict)
    nucleus: Outline | None = None
    is_locked: bool = False
    crowd: bool = False
    parent: str = ""
    place: str = ""


def separate_points(one: Annotation) -> list[Annotation]:
    """An annotation of several points as one annotation a point, as a click on each cell means it; any other as it is.

    The first point keeps the id; the others have the id with their number.
    """
    if not isinstance(one.geometry, Points) or len(one.geometry.xy) == 1:
        return [one]
    found = []
    for number, xy in enumerate(one.geometry.xy):
        uid = f"{one.uid}/{number}" if one.uid and number else one.uid
        found.append(replace(one, geometry=Points(xy[None]), uid=uid))
    return found


REGION_KINDS = ("fully_annotated", "ignore")


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in which annotation is complete (`fully_annotated`) or in which nothing counts (`ignore`)."""

    kind: str
    box: Box


@dataclass
class AnnotatedImage:
    """One image and its annotations, in the order of the file.

    width, height  px; None where the format does not say and nobody told
    um_per_px      µm a pixel; None where it is not said
    facts          what else is said of the image, as text: split, group, scanner ...
    """

    name: str
    width: int | None = None
    height: int | None = None
    annotations: list[Annotation] = field(default_factory=list)
    um_per_px: float | None = None
    regions: list[Region] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int] | None:
        if self.width is None or self.height is None:
            return None
        return self.width, self.height


@dataclass(frozen=True, slots=True)
class LabelClass:
    """A class by its name. `number` is its id in the file that it comes from, `color` is #rrggbb or empty."""

    name: str
    number: int | None = None
    color: str = ""


@dataclass
class Annotations:
    """What a file or a folder holds. `classes` are in the order of the file, unused ones too."""

    images: list[AnnotatedImage] = field(default_factory=list)
    classes: list[LabelClass] = field(default_factory=list)

    def each(self) -> Iterator[Annotation]:
        for image in self.images:
            yield from image.annotations

    def class_names(self) -> list[str]:
        """Declared classes in their order, then those that only annotations name; each once."""
        names = dict.fromkeys(label.name for label in self.classes)
        for annotation in self.each():
            if annotation.label is not None:
                names.setdefault(annotation.label)
        return list(names)

    def color_of(self, name: str) -> str:
        for label in self.classes:
            if label.name == name:
                return label.color
        return ""


def ring(points: Sequence[Sequence[float]] | npt.NDArray[Any]) -> Ring:
    """Points as a ring, without the last one where it repeats the first."""
    xy = np.asarray(points, np.float64).reshape(-1, 2)
    if len(xy) > 1 and (xy[0] == xy[-1]).all():
        xy = xy[:-1].copy()  # a view would keep the longer array too: a tenth of the memory of a million cells
    return xy


def polygon(points: Sequence[Sequence[float]] | npt.NDArray[Any]) -> Outline:
    """One ring as an outline."""
    return Outline((Polygon(ring(points)),))
