"""GeoJSON in the form that QuPath reads and writes: one file an image, in pixels of the full resolution.

Outlines run along the edges of pixels, so filling them gives the mask back, pixel for pixel; a detached part is one
more polygon of a MultiPolygon, a hole one more ring. A cell that is a point is a Point. Proposals are QuPath's
detections, everything else annotations.
"""

from collections.abc import Sequence

from inference.formats.outlines import Geometry, geometry_of
from labeling.exchange.archive import as_json
from labeling.exchange.entries import Feature, Properties
from labeling.exchange.selection import Box, ExportedCell, ExportedImage, ExportedRegion, Part
from labeling.projects.models import LabelClass

# QuPath's own way to say "not measured": a class whose name ends in an asterisk.
REGION_CLASSES = {"fully_annotated": ("Region*", [0, 158, 115]), "ignore": ("Ignore*", [150, 150, 150])}


def as_feature_collection(exported: ExportedImage, classes: Sequence[LabelClass]) -> bytes:
    """A FeatureCollection of one image."""
    by_key = {label.pk: label for label in classes}
    known = {cell.uid for cell in exported.cells}
    features = [region_feature(region) for region in exported.regions]
    for cell in exported.cells:
        features.append(cell_feature(cell, by_key, has_parent=cell.parent in known))
    return as_json({"type": "FeatureCollection", "features": features})


def cell_feature(cell: ExportedCell, classes: dict[int, LabelClass], *, has_parent: bool) -> Feature:
    """One cell. What people said of it is in `metadata`, as text, since QuPath takes nothing else there."""
    metadata: dict[str, str] = {"author": cell.author, "status": str(cell.part)} | cell.attributes
    if cell.reader:
        metadata["reader"] = cell.reader
    if cell.reason:
        metadata["reason"] = cell.reason
    if cell.provenance:
        metadata["provenance"] = as_json(cell.provenance).decode()
    if has_parent:
        metadata["parent"] = str(cell.parent)
    kind = "detection" if cell.part is Part.PROPOSALS else "annotation"
    properties: Properties = {"objectType": kind, "metadata": metadata}
    label = classes.get(cell.label_class or 0)
    if label is not None:
        colour = [int(label.color[i : i + 2], 16) for i in (1, 3, 5)]
        properties["classification"] = {"name": label.name, "color": colour}
    if cell.score is not None:
        properties["measurements"] = {"doubt": cell.score}
    return {"type": "Feature", "id": str(cell.uid), "geometry": _geometry(cell), "properties": properties}


def _geometry(cell: ExportedCell) -> Geometry:
    if cell.mask is not None:
        return geometry_of(cell.mask)
    if cell.point is not None:
        return {"type": "Point", "coordinates": list(cell.point)}
    return rectangle(cell.box)


def region_feature(region: ExportedRegion) -> Feature:
    name, colour = REGION_CLASSES[region.kind]
    metadata = {"author": region.author, "region": region.kind}
    if region.reader:
        metadata["reader"] = region.reader
    properties: Properties = {
        "objectType": "annotation",
        "classification": {"name": name, "color": colour},
        "metadata": metadata,
        "isLocked": True,
    }
    return {"type": "Feature", "id": str(region.uid), "geometry": rectangle(region.box), "properties": properties}


def rectangle(box: Box) -> Geometry:
    x0, y0, x1, y1 = box
    return {"type": "Polygon", "coordinates": [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]}
