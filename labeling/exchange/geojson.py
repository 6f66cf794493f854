"""Accepted masks as GeoJSON, a file an image, in the form that QuPath reads and writes.

Outlines run along the edges of pixels, so filling them gives the mask back, pixel for pixel; a detached part is one
more polygon of a MultiPolygon, a hole one more ring.
"""

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from inference.types import BoxMask, Mask
from labeling.exchange.cells import Cell
from labeling.images.models import Image
from labeling.projects.models import LabelClass, Project

Ring = list[tuple[int, int]]


def as_geojson(project: Project, cells: Sequence[tuple[Image, Sequence[Cell]]]) -> bytes:
    """A zip with geojson/NNNN-NAME.geojson; each cell a Feature with its class, attributes, author and parent."""
    classes = {c.pk: c for c in project.classes.all()}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as folder:
        for image, of_image in cells:
            known = {cell.uid for cell in of_image}
            features = [_feature(cell, classes, cell.parent in known) for cell in of_image]
            name = f"geojson/{image.position:04d}-{PurePath(image.name).stem}.geojson"
            folder.writestr(name, json.dumps({"type": "FeatureCollection", "features": features}))
    return archive.getvalue()


def _feature(cell: Cell, classes: dict[int, LabelClass], has_parent: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": "annotation", "metadata": {"author": cell.author} | cell.attributes}
    label = classes.get(cell.label_class or 0)
    if label is not None:
        colour = [int(label.color[i : i + 2], 16) for i in (1, 3, 5)]
        properties["classification"] = {"name": label.name, "color": colour}
    if has_parent:
        properties["metadata"]["parent"] = str(cell.parent)
    return {"type": "Feature", "id": str(cell.uid), "geometry": geometry_of(cell.mask), "properties": properties}


def geometry_of(mask: BoxMask) -> dict[str, Any]:
    """Polygon or MultiPolygon in image pixels, x then y, rings closed."""
    outer: list[Ring] = []
    holes: list[Ring] = []
    for ring in rings_of(mask.bits):
        (outer if area(ring) > 0 else holes).append(ring)
    parts: list[list[Ring]] = [[ring] for ring in outer]
    for hole in holes:  # into the smallest part around it
        around = [part for part in parts if _is_inside(hole, part[0])]
        min(around, key=lambda part: area(part[0])).append(hole)
    polygons = [[[[x + mask.x, y + mask.y] for x, y in [*ring, ring[0]]] for ring in part] for part in parts]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def rings_of(bits: Mask) -> list[Ring]:
    """The borders of a mask (h, w) along pixel edges, corners only, not closed: the mask on the right hand of the way
    (y is down), so that outer borders have positive `area` and holes negative. Pixels that touch by a corner alone are
    two parts."""
    padded = np.pad(bits, 1).astype(np.int8)
    leave: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)  # corner -> directions that leave it
    for (dy, dx), (ahead, start) in {
        (0, 1): ((0, 1), (0, 0)),  # the upper edge of a pixel, walked to the right
        (1, 0): ((1, 0), (0, 1)),  # its right edge, down
        (0, -1): ((0, -1), (1, 1)),  # its lower edge, to the left
        (-1, 0): ((-1, 0), (1, 0)),  # its left edge, up
    }.items():
        ny, nx = -dx, dy  # the neighbour on the left hand, which must be empty
        neighbour = np.roll(padded, (-ny, -nx), axis=(0, 1))
        for y, x in zip(*np.nonzero((padded == 1) & (neighbour == 0)), strict=True):
            leave[int(x) - 1 + start[1], int(y) - 1 + start[0]].append((ahead[1], ahead[0]))
    rings: list[Ring] = []
    while leave:
        first = next(iter(leave))
        at, way = first, leave[first][0]
        ring: Ring = []
        while True:
            ways = leave[at]
            # Where two borders meet at a corner, the turn to the right stays with the same pixel.
            right = (-way[1], way[0])
            turned = right if ring and right in ways else way if way in ways else ways[0]
            ways.remove(turned)
            if not ways:
                del leave[at]
            if not ring or turned != way:
                ring.append(at)
            way = turned
            at = (at[0] + way[0], at[1] + way[1])
            if at == first:
                break
        rings.append(ring)
    return rings


def area(ring: Ring) -> float:
    """Signed, in pixels: positive for an outer border."""
    x, y = np.array(ring, float).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _is_inside(hole: Ring, ring: Ring) -> bool:
    """Whether a hole lies in a ring: by the middle of its first edge, moved a little into the hole."""
    (x0, y0), (x1, y1) = hole[0], hole[1]
    step = np.sign([x1 - x0, y1 - y0])
    x, y = (x0 + step[0] / 2 + step[1] / 2, y0 + step[1] / 2 - step[0] / 2)  # to the left of the way: in the hole
    crossings = 0
    for (ax, ay), (bx, _) in zip(ring, [*ring[1:], ring[0]], strict=True):
        crossings += ay < y and ax != bx and min(ax, bx) < x < max(ax, bx)
    return crossings % 2 == 1
