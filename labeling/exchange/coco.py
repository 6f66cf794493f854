"""Accepted masks as COCO instances: uncompressed run lengths, which every COCO reader decodes without loss."""

from collections.abc import Sequence
from typing import Any

from inference.masks import run_lengths
from labeling.exchange.cells import Cell
from labeling.images.models import Image
from labeling.projects.models import Project

NO_CLASS = "unclassified"


def as_coco(project: Project, cells: Sequence[tuple[Image, Sequence[Cell]]]) -> dict[str, Any]:
    """COCO's `images`, `categories` and `annotations`; `provenance` and `author` ride along with each annotation,
    and so do its `attributes` (name -> value) and the `uid` of the cell that it lies in (`parent`).

    Boxes are COCO's [x, y, width, height] of the mask; ids count from 1. Category 0 of a cell without class is
    "unclassified" and is listed only when there is one.
    """
    classes = list(project.classes.all())
    annotations: list[dict[str, Any]] = []
    for image, of_image in cells:
        known = {cell.uid for cell in of_image}
        for cell in of_image:
            mask = cell.mask
            counts = run_lengths(mask, image.width, image.height)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image.pk,
                    "category_id": cell.label_class or 0,
                    "segmentation": {"size": [image.height, image.width], "counts": counts},
                    "area": int(mask.bits.sum()),
                    "bbox": [mask.x, mask.y, mask.bits.shape[1], mask.bits.shape[0]],
                    "iscrowd": 0,
                    "uid": str(cell.uid),
                    "author": cell.author,
                    "provenance": cell.provenance,
                    "attributes": cell.attributes,
                    "parent": str(cell.parent) if cell.parent in known else None,
                }
            )
    categories = [{"id": c.pk, "name": c.name, "supercategory": "cell"} for c in classes]
    if any(a["category_id"] == 0 for a in annotations):
        categories.insert(0, {"id": 0, "name": NO_CLASS, "supercategory": "cell"})
    return {
        "info": {"description": project.name, "version": "1.0", "contributor": "Boxwise"},
        "images": [
            {
                "id": image.pk,
                "file_name": image.name,
                "width": image.width,
                "height": image.height,
                "um_per_px": image.um_per_px,
                "synthetic": image.synthetic,
            }
            for image, _ in cells
        ],
        "categories": categories,
        "annotations": annotations,
    }
