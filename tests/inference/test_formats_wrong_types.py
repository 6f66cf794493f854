"""A value of another type at any place of a JSON document: it is read, or declined with a sentence."""

import base64
import json
import zlib

import numpy as np
import pytest

from inference.formats import FormatProblem, conversion, read
from inference.formats.brush import brush_of_bits
from inference.formats.pngs import png_of_mask
from inference.types import BoxMask

SQUARE = [[1, 1], [9, 1], [9, 9], [1, 9]]
RUNS = {"size": [30, 40], "counts": [600, 10, 590]}
BITS = np.ones((3, 3), bool)
BITMAP = base64.b64encode(zlib.compress(base64.b64decode(png_of_mask(BITS)))).decode()
BRUSH = brush_of_bits(BoxMask(2, 2, BITS), (40, 30))
IMAGE_OF_COCO = {
    "id": 1, "file_name": "a.png", "width": 40, "height": 30, "regions": [{"kind": "ignore", "bbox": [1, 1, 2, 2]}]
}  # fmt: skip
COCO = {
    "images": [IMAGE_OF_COCO],
    "categories": [{"id": 1, "name": "tumour", "color": "#ff0000"}],
    "annotations": [
        {
            "id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "bbox": [1, 1, 8, 8],
            "attributes": {"a": 1}, "measurements": {"m": 1.0}, "nucleus": [[1, 1, 3, 1, 3, 3]],
        },
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": RUNS},
    ],
}  # fmt: skip
GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature", "id": "x", "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
            "properties": {
                "objectType": "cell", "classification": {"name": "tumour", "color": [1, 2, 3]},
                "measurements": [{"name": "m", "value": 1}], "metadata": {"score": "0.5", "box": "1"},
            },
            "nucleusGeometry": {"type": "Polygon", "coordinates": [SQUARE]},
        },
        {
            "type": "Feature", "properties": {"metadata": {"region": "ignore"}},
            "geometry": {
                "type": "GeometryCollection", "geometries": [{"type": "MultiPolygon", "coordinates": [[SQUARE]]}]
            },
        },
        {"type": "Feature", "geometry": {"type": "MultiLineString", "coordinates": [SQUARE]}, "properties": {}},
    ],
}  # fmt: skip
LABELME = {
    "imagePath": "a.png", "imageWidth": 40, "imageHeight": 30,
    "shapes": [
        {
            "label": "tumour", "points": SQUARE, "shape_type": "polygon", "group_id": 1, "flags": {"x": True},
            "measurements": {"m": 1},
        },
        {"label": "tumour", "points": [[1, 1], [9, 9]], "shape_type": "circle"},
    ],
}  # fmt: skip
SIZE_OF_RESULT = {"original_width": 40, "original_height": 30}
LABEL_STUDIO = [
    {
        "id": 1, "data": {"image": "a.png"}, "predictions": [{}],
        "annotations": [
            {
                "completed_by": 1,
                "result": [
                    {"id": "x", "type": "labels", "value": {"labels": ["tumour"]}},
                    {"id": "x", "type": "polygon", **SIZE_OF_RESULT, "value": {"points": SQUARE}},
                    {"id": "y", "type": "brushlabels", **SIZE_OF_RESULT, "value": {"rle": BRUSH}},
                    {
                        "id": "z", "type": "rectanglelabels", **SIZE_OF_RESULT,
                        "value": {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 5},
                    },
                ],
            }
        ],
    }
]  # fmt: skip
HOVERNET = {"mag": None, "nuc": {"1": {"contour": SQUARE, "type": 1, "type_prob": 0.5}}}
POLYGON_OF_VIA = {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]}
VIA = {
    "a": {
        "filename": "a.png", "regions": [{"shape_attributes": POLYGON_OF_VIA, "region_attributes": {"class": "tumour"}}]
    }
}  # fmt: skip
SUPERVISELY = {
    "size": {"width": 40, "height": 30}, "tags": [{"name": "x"}],
    "objects": [
        {
            "id": 1, "classTitle": "tumour", "geometryType": "polygon", "tags": [{"name": "a", "value": 1}],
            "points": {"exterior": SQUARE, "interior": [SQUARE]},
        },
        {"id": 2, "classTitle": "tumour", "geometryType": "bitmap", "bitmap": {"data": BITMAP, "origin": [1, 1]}},
    ],
}  # fmt: skip
DATUMARO = {
    "categories": {"label": {"labels": [{"name": "tumour"}]}},
    "items": [
        {
            "id": "a", "image": {"path": "a.png", "size": [30, 40]},
            "annotations": [
                {"type": "polygon", "label_id": 0, "points": [1, 1, 9, 1, 9, 9], "attributes": {"score": 1}},
                {"type": "mask", "label_id": 0, "rle": RUNS},
                {"type": "bbox", "bbox": [1, 1, 2, 3], "label_id": 0},
            ],
        }
    ],
}  # fmt: skip
CORNERS = [{"x": 1, "y": 1}, {"x": 9, "y": 1}, {"x": 9, "y": 9}]
DARWIN = {
    "item": {"name": "a", "slots": [{"width": 40, "height": 30}]},
    "annotations": [
        {"id": "x", "name": "tumour", "polygon": {"paths": [CORNERS]}},
        {"name": "tumour", "ellipse": {"center": CORNERS[0], "radius": CORNERS[1], "angle": 0}},
        {"name": "tumour", "line": {"path": CORNERS}},
    ],
}
SVG = {"type": "SvgSelector", "value": "<svg><path d='M 1 1 L 9 1 L 9 9 Z'/></svg>"}
PARTS = {"polygons": [{"rings": [{"points": SQUARE}]}]}
W3C = [
    {"id": "x", "body": [{"purpose": "tagging", "value": "tumour"}], "target": {"source": "a", "selector": SVG}},
    {"id": "y", "body": [], "target": {"selector": {"type": "MULTIPOLYGON", "geometry": PARTS}}},
    {"id": "z", "body": [], "target": {"selector": [{"type": "FragmentSelector", "value": "xywh=pixel:1,2,3,4"}]}},
]
DOCUMENTS = {
    "coco": COCO, "geojson": GEOJSON, "labelme": LABELME, "labelstudio": LABEL_STUDIO, "hovernet": HOVERNET, "via": VIA,
    "supervisely": SUPERVISELY, "datumaro": DATUMARO, "darwin": DARWIN, "w3c": W3C,
}  # fmt: skip
WRONG = (None, 3, "x", [[]], {}, 1e300)


def places_in(document, at=()):
    """The keys and indices that lead to each value."""
    yield at
    entries = (
        document.items() if isinstance(document, dict) else enumerate(document if isinstance(document, list) else ())
    )
    for key, value in entries:
        yield from places_in(value, (*at, key))


def with_value(document, at, value):
    """A copy with another value at one place."""
    if not at:
        return value
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return copy


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_document_itself_is_read(name, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENTS[name]))
    assert read(path).format == name


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_value_of_another_type_is_read_or_declined(name, value, tmp_path):
    path = tmp_path / "a.json"
    outcomes = set()
    for at in places_in(DOCUMENTS[name]):
        path.write_text(json.dumps(with_value(DOCUMENTS[name], at, value)))
        try:
            annotations = read(path, format=name).annotations
            conversion.write(annotations, tmp_path / "out", format="geojson")
            outcomes.add("read")
        except FormatProblem as problem:
            assert path.name in str(problem), at
            outcomes.add("declined")
    assert outcomes == {"read", "declined"}
