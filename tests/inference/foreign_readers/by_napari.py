"""What napari shows of our files: python by_napari.py NAME FOLDER OUT -> a line of JSON.

NAME labels: the label map OUT, opened by napari's own reader, as objects with their boxes and areas.
NAME geojson: the outlines of OUT as a layer of shapes, as docs/library.md has it, and what each of them covers.
"""

import json
import sys
from pathlib import Path

import numpy as np
from napari.layers import Labels, Shapes
from napari_builtins.io import magic_imread


def of_labels(file: Path) -> list[dict[str, object]]:
    layer = Labels(np.asarray(magic_imread([str(file)])))
    rows = []
    for number in np.unique(layer.data[layer.data > 0]):
        y, x = np.nonzero(layer.data == number)
        left, right = int(x.min()), int(x.max()) + 1
        top, bottom = int(y.min()), int(y.max()) + 1
        shown = layer.get_value((y[0], x[0]))
        box = [left, top, right, bottom]
        rows.append({"label": str(int(shown)), "box": box, "area": len(x)})
    return rows


def of_geojson(file: Path) -> list[dict[str, object]]:
    # -- the recipe of docs/library.md
    found = json.loads(file.read_text(encoding="utf-8"))
    features = found["features"] if isinstance(found, dict) else found
    outlines = []
    names = []
    for feature in features:
        geometry = feature["geometry"]
        parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        for rings in parts:
            outlines.append(np.array(rings[0])[:, ::-1])  # x, y -> row, column
            names.append(feature["properties"].get("classification", {}).get("name", ""))
    # A pixel of napari is centred on its number, ours begins there: half a pixel.
    layer = Shapes(outlines, shape_type="polygon", features={"class": names}, translate=(-0.5, -0.5))
    # -- end
    rows = []
    for index, name in enumerate(layer.features["class"]):
        world = [layer.data_to_world(corner) for corner in layer.data[index]]
        corners = np.array(world) + 0.5
        top, left = corners.min(axis=0)
        bottom, right = corners.max(axis=0)
        rows.append({"label": name, "box": [left, top, right, bottom], "area": None})
    return rows


if __name__ == "__main__":
    name, _folder, out = sys.argv[1:]
    file = Path(out)
    rows = of_labels(file) if name == "labels" else of_geojson(file)
    print(json.dumps(rows))
