"""Read a file of ours by the package datumaro, in its own environment: by_datumaro.py FORMAT FOLDER OUT.

FOLDER holds `images`, OUT is the file or folder that was written. -> on the last line JSON, an object a row. The
files are put where datumaro looks for them.
"""

import json
import shutil
import sys
from pathlib import Path

from datumaro import AnnotationType, Dataset

name, folder = sys.argv[1], Path(sys.argv[2])
out, put = Path(sys.argv[3]), folder / "put"
picture = next((folder / "images").iterdir())
if name == "coco":
    (put / "annotations").mkdir(parents=True)
    shutil.copytree(folder / "images", put / "images" / "default")
    shutil.copy(out, put / "annotations" / "instances_default.json")
else:
    shutil.copytree(folder / "images", put / "images")
    shutil.copy(out, put / "annotations.xml")
kind = {"coco": "coco_instances", "cvat": "cvat"}[name]
found = Dataset.import_from(str(put), kind)
classes = found.categories()[AnnotationType.label].items
objects: dict[object, dict[str, object]] = {}
for item in found:
    for number, one in enumerate(item.annotations):
        is_box = one.type is AnnotationType.bbox
        x, y, w, h = (float(side) for side in one.get_bbox())
        row = objects.setdefault(one.group or f"alone {number}", {"label": classes[one.label].name, "box": None})
        left, top, right, bottom = row["box"] or (x, y, x + w, y + h)
        row["box"] = (min(left, x), min(top, y), max(right, x + w), max(bottom, y + h))
        if not is_box:  # the parts of an object are annotations of one group
            row["area"] = float(one.get_area()) + row.get("area", 0.0)
print(json.dumps([{"area": None} | row for row in objects.values()]))
