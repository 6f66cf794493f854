"""Read a file of ours by the package supervision, in its own environment: by_supervision.py FORMAT FOLDER OUT.

FOLDER holds `images`, OUT is the file or folder that was written. -> on the last line JSON, an object a row.
"""

import json
import sys
from pathlib import Path

from supervision import DetectionDataset

name, folder = sys.argv[1], Path(sys.argv[2])
images, out = str(folder / "images"), Path(sys.argv[3])
if name == "coco":
    found = DetectionDataset.from_coco(images, str(out), force_masks=True)
elif name == "yolo":
    found = DetectionDataset.from_yolo(images, str(out / "labels"), str(out / "data.yaml"), force_masks=True)
else:
    found = DetectionDataset.from_pascal_voc(images, str(out))
rows = []
for _path, _picture, objects in found:
    for number, box in enumerate(objects.xyxy.tolist()):
        area = None if objects.mask is None else int(objects.mask[number].sum())
        rows.append({"label": found.classes[objects.class_id[number]], "box": box, "area": area})
print(json.dumps(rows))
