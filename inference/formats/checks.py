"""What every reader's annotations must keep: finite numbers, areas with an inside, outlines that do not cross
themselves.
"""

from pathlib import Path
from typing import Any

import numpy as np

from inference.formats.geometry import counts_of
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Outline,
    Points,
    Polygon,
    Rectangle,
    Ring,
    RunLengths,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem

AT_ONCE = 10_000  # outlines that are tested together
FARTHEST = 1e8  # px; no slide has such coordinates


def tidied(annotations: Annotations, context: Context, file: Path) -> None:
    """Check each annotation; a bad one is declined, run lengths without a pixel are skipped, an outline that crosses
    itself is counted."""
    for image in annotations.images:
        kept = []
        for annotation in image.annotations:
            cause = fault_of(annotation) or fault_of_nucleus(annotation)
            if cause:
                context.decline(FormatProblem(file, cause, place=_place(annotation, image)))
            elif has_no_pixel(annotation):
                context.skip("masks without a pixel", _place(annotation, image))
            else:
                kept.append(annotation)
        image.annotations = kept
        notice_crossings(kept, context)


def has_no_pixel(annotation: Annotation) -> bool:
    """Whether run lengths hold background alone, as programs write them for a prediction that found nothing."""
    geometry = annotation.geometry
    return isinstance(geometry, RunLengths) and not counts_of(geometry.counts)[1::2].any()


def fault_of(annotation: Annotation) -> str:
    """What is wrong with the geometry, as a sentence; empty when nothing is."""
    geometry = annotation.geometry
    if isinstance(geometry, Rectangle):
        return fault_of_box(geometry)
    if isinstance(geometry, RunLengths):
        return ""
    if isinstance(geometry, Points | OpenLine):
        return fault_of_points(geometry.xy, 1)
    if isinstance(geometry, Outline):
        if not geometry.polygons:
            return "the outline has no polygon"
        causes = (fault_of_ring(ring) for ring in geometry.rings)
        return next((cause for cause in causes if cause), "")
    return "" if geometry.mask.bits.any() else "the mask holds no pixel"


def fault_of_nucleus(annotation: Annotation) -> str:
    if annotation.nucleus is None:
        return ""
    cause = fault_of(Annotation(annotation.nucleus))
    return f"its nucleus: {cause}" if cause else ""


def fault_of_box(rectangle: Rectangle) -> str:
    box = np.array(rectangle.box)
    if not np.isfinite(box).all():
        return "a coordinate is no finite number"
    if np.abs(box).max() > FARTHEST:
        return f"a coordinate is beyond {FARTHEST:.0e} px"
    if box[0] >= box[2] or box[1] >= box[3]:
        return "the box has no area"
    return ""


def fault_of_ring(ring: Ring) -> str:
    cause = fault_of_points(ring, 3)
    if cause:
        return cause
    if (ring == ring[0]).all():
        return "all points of the ring are the same"
    return ""


def fault_of_points(xy: Ring, least: int) -> str:
    if not np.isfinite(xy).all():
        return "a coordinate is no finite number"
    if len(xy) < least:
        return f"it has {len(xy)} points; {'a ring needs three' if least == 3 else 'at least one is needed'}"
    if np.abs(xy).max() > FARTHEST:
        return f"a coordinate is beyond {FARTHEST:.0e} px"
    return ""


def notice_crossings(annotations: list[Annotation], context: Context) -> None:
    """Count outlines that cross or touch themselves. They stay as they are: their pixels follow the even-odd rule.

    Many are tested in one call, since shapely is slow one by one; not all of a slide, since shapes take memory.
    """
    for start in range(0, len(annotations), AT_ONCE):
        chunk = annotations[start : start + AT_ONCE]
        outlines = [one.geometry for one in chunk if isinstance(one.geometry, Outline)]
        if outlines:
            _notice(outlines, context)


def _notice(outlines: list[Outline], context: Context) -> None:
    import shapely

    with np.errstate(invalid="ignore"):
        shapes = [_shape(outline) for outline in outlines]
        valid = shapely.is_valid(np.array(shapes, object))
    invalid = [outline for outline, is_valid in zip(outlines, valid, strict=True) if not is_valid]
    flat = sum(not valid_parts(outline) for outline in invalid)
    crossed = len(invalid) - flat
    if flat:
        context.remarks["outlines have no area"] += flat
    if crossed:
        context.remarks["outlines cross or touch themselves"] += crossed


def valid_parts(outline: Outline) -> tuple[Polygon, ...]:
    """The same area as polygons that are valid in the OGC sense; none for an outline without area."""
    import shapely

    shape = _shape(outline)
    if shape.is_valid:
        return outline.polygons
    parts = [shapely.make_valid(part) for part in getattr(shape, "geoms", [shape])]
    return _polygons(shapely.union_all(parts))


def _shape(outline: Outline) -> Any:
    import shapely

    parts = [shapely.Polygon(part.shell, part.holes) for part in outline.polygons]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _polygons(shape: Any) -> tuple[Polygon, ...]:
    """The areas in a shapely geometry; lines and points that make_valid leaves are no area."""
    found: list[Polygon] = []
    for part in getattr(shape, "geoms", [shape]):
        if part.geom_type == "Polygon" and not part.is_empty:
            rings = [np.array(ring.coords)[:-1] for ring in (part.exterior, *part.interiors)]
            found.append(Polygon(rings[0], tuple(rings[1:])))
        elif hasattr(part, "geoms"):
            found.extend(_polygons(part))
    return tuple(found)


def _place(annotation: Annotation, image: AnnotatedImage) -> str:
    return annotation.place or f"an object of {image.name}"
