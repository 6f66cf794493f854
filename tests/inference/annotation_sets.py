"""One small set of annotations for every property that annotations can have, and whether it came back."""

from collections.abc import Callable

import numpy as np

from inference.formats.geometry import box_of, mask_of
from inference.formats.losses import Property
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    LabelClass,
    Line,
    Outline,
    Pixels,
    Points,
    Polygon,
    Rectangle,
    Region,
    polygon,
)
from inference.types import BoxMask

WIDTH, HEIGHT = 300, 240
Survived = Callable[[Annotations, Annotations], bool]


def square(x, y, side=20):
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], float)


def cell(**about):
    return Annotation(**({"geometry": polygon(square(10, 10)), "label": "tumour"} | about))


def of(*annotations, name="field 1.png", classes=(), **about):
    image = AnnotatedImage(name, WIDTH, HEIGHT, list(annotations), **about)
    return Annotations([image], [LabelClass(label) for label in classes])


def ring_mask():
    """A mask with a hole, and a single pixel in the hole."""
    bits = np.ones((9, 9), bool)
    bits[2:7, 2:7] = False
    bits[4, 4] = True
    return Pixels(BoxMask(130, 40, bits))


def seventy_thousand():
    found = []
    for place in range(70_000):
        y, x = divmod(place, WIDTH)
        found.append(Annotation(Pixels(BoxMask(x, y, np.ones((1, 1), bool))), "tumour"))
    return of(*found)


SETS = {
    Property.MASKS: of(cell(geometry=polygon([[5, 5], [40, 5], [40, 20], [20, 20], [20, 60], [5, 60]]))),
    Property.HOLES: of(
        cell(geometry=Outline((Polygon(square(10, 10, 40), (square(20, 20, 10), square(35, 35, 5))),))),
        cell(geometry=Pixels(ring_mask().mask)),
    ),
    Property.PARTS: of(cell(geometry=Outline((Polygon(square(5, 5)), Polygon(square(60, 80)))))),
    Property.OVERLAPS: of(cell(), cell(geometry=polygon(square(20, 15))), cell(geometry=polygon(square(12, 12, 5)))),
    Property.SUBPIXEL: of(cell(geometry=polygon([[10.25, 10.5], [50.75, 12.125], [30.5, 70.375]]))),
    Property.BOXES: of(cell(geometry=Rectangle((10.0, 20.0, 33.0, 41.0)))),
    Property.POINTS: of(cell(geometry=Points(np.array([[12.5, 13.5]])))),
    Property.LINES: of(cell(geometry=Line(np.array([[1.0, 2.0], [30.0, 40.0], [50.0, 20.0]])))),
    Property.CLASSES: of(
        cell(),
        cell(geometry=polygon(square(60, 60)), label="Größe, ß: 核"),
        cell(geometry=polygon(square(100, 60)), label=None),
        classes=("tumour", "stroma", "Größe, ß: 核"),
    ),
    Property.SCORES: of(cell(score=0.8125), cell(geometry=polygon(square(60, 60)))),
    Property.ATTRIBUTES: of(cell(attributes={"mitosis": "yes", "Grad": "zwei · 2"})),
    Property.MEASUREMENTS: of(cell(measurements={"Area µm^2": 12.5, "Nucleus: Mean": 3.0})),
    Property.IDS: of(cell(uid="6423a977-aaaa-48db-affc-cd11632010f0")),
    Property.NAMES_OF_OBJECTS: of(cell(name="Zelle 7")),
    Property.NUCLEI: of(cell(kind="cell", nucleus=polygon(square(14, 14, 8)))),
    Property.LOCKS: of(cell(is_locked=True)),
    Property.CROWDS: of(cell(crowd=True), cell(geometry=polygon(square(60, 60)))),
    Property.PARENTS: of(cell(uid="a"), cell(uid="b", parent="a", geometry=polygon(square(60, 60)))),
    Property.REGIONS: of(cell(), regions=[Region("fully_annotated", (0, 0, 100, 90)), Region("ignore", (5, 5, 9, 9))]),
    Property.EMPTY: Annotations(
        [AnnotatedImage("full.png", WIDTH, HEIGHT, [cell()]), AnnotatedImage("empty.png", WIDTH, HEIGHT)]
    ),
    Property.NAMES: of(cell(), name="Gewebe ä 核 2.png"),
    Property.SCALE: of(cell(), um_per_px=0.2525),
    Property.COLORS: Annotations(
        [AnnotatedImage("a.png", WIDTH, HEIGHT, [cell()])], [LabelClass("tumour", None, "#c80010")]
    ),
}  # fmt: skip


def annotation_set(what):
    return seventy_thousand() if what is Property.MANY else SETS[what]


def pixels(annotations):
    """What each object covers, as a set of pixels; of a box its rectangle."""
    found = []
    for one in annotations.each():
        geometry = polygon(square(0, 0)) if isinstance(one.geometry, Points | Line) else one.geometry
        if isinstance(geometry, Rectangle):
            x0, y0, x1, y1 = geometry.box
            geometry = polygon([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        mask = mask_of(geometry)
        rows, columns = np.nonzero(mask.bits)
        found.append(frozenset(zip((columns + mask.x).tolist(), (rows + mask.y).tolist(), strict=True)))
    return found


def fields(name):
    def survived(before, after):
        return [getattr(one, name) for one in before.each()] == [getattr(one, name) for one in after.each()]

    return survived


def same_pixels(before, after):
    return sorted(map(sorted, pixels(before))) == sorted(map(sorted, pixels(after)))


def same_corners(before, after):
    (one,), (other,) = before.each(), after.each()
    if not isinstance(other.geometry, Outline):
        return False
    here, there = (outline.geometry.polygons[0].shell for outline in (one, other))
    distances = np.abs(here[:, None] - there[None]).max(axis=2).min(axis=1)
    return len(here) == len(there) and distances.max() < 1e-3


def same_kind(before, after):
    """The same geometry, of the same kind."""
    kinds = [[type(one.geometry) for one in which.each()] for which in (before, after)]
    boxes = [[np.round(box_of(one.geometry), 3).tolist() for one in which.each()] for which in (before, after)]
    return kinds[0] == kinds[1] and boxes[0] == boxes[1]


def same_attributes(before, after):
    (one,), (other,) = before.each(), after.each()
    return one.attributes.items() <= other.attributes.items()


def same_nuclei(before, after):
    (one,), (other,) = before.each(), after.each()
    if other.nucleus is None:
        return False
    return bool((one.nucleus.polygons[0].shell == other.nucleus.polygons[0].shell).all())


def same_names(before, after):
    stems = [[image.name.rpartition(".")[0] or image.name for image in which.images] for which in (before, after)]
    return stems[0] == stems[1] or [image.name for image in after.images] == stems[0]


def same_regions(before, after):
    return before.images[0].regions == after.images[0].regions


def same_scale(before, after):
    return after.images[0].um_per_px is not None and abs(after.images[0].um_per_px / 0.2525 - 1) < 1e-4


def same_colors(before, after):
    return after.color_of("tumour") == "#c80010"


def same_counts(before, after):
    sizes = [sorted(len(image.annotations) for image in which.images) for which in (before, after)]
    return sizes[0] == sizes[1]


SURVIVED: dict[Property, Survived] = {
    Property.MASKS: same_pixels,
    Property.HOLES: same_pixels,
    Property.PARTS: same_pixels,
    Property.OVERLAPS: same_pixels,
    Property.SUBPIXEL: same_corners,
    Property.BOXES: same_kind,
    Property.POINTS: same_kind,
    Property.LINES: same_kind,
    Property.MANY: same_counts,
    Property.CLASSES: fields("label"),
    Property.SCORES: fields("score"),
    Property.ATTRIBUTES: same_attributes,
    Property.MEASUREMENTS: fields("measurements"),
    Property.IDS: fields("uid"),
    Property.NAMES_OF_OBJECTS: fields("name"),
    Property.NUCLEI: same_nuclei,
    Property.LOCKS: fields("is_locked"),
    Property.CROWDS: fields("crowd"),
    Property.PARENTS: fields("parent"),
    Property.REGIONS: same_regions,
    Property.EMPTY: same_counts,
    Property.NAMES: same_names,
    Property.SCALE: same_scale,
    Property.COLORS: same_colors,
}
