"""COCO's average precision with the limits of dense cells, beside pycocotools."""

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from inference.dense_precision import DENSE_AREAS, DENSE_DETECTIONS, Seen, dense_precision
from inference.metrics import box_iou

CELLS = 300  # of an image: more than the 100 detections that COCO counts


def sizes(boxes):
    return boxes[:, 2:] - boxes[:, :2]


def areas(boxes):
    return sizes(boxes).prod(axis=1)


def places(boxes):
    """As COCO has them: x, y, width, height."""
    return np.hstack([boxes[:, :2], sizes(boxes)]).tolist()


def crowded(rng):
    """Reference boxes, found boxes and their scores, with ties, of one image of many small cells."""
    corner = rng.uniform(0, 600, (CELLS, 2))
    size = rng.uniform(8, 45, (CELLS, 2))
    boxes = np.hstack([corner, corner + size])
    found = boxes[rng.random(CELLS) < 0.85]
    found = found + rng.normal(0, 1.5, (1, 4))
    found = found + rng.normal(0, 1, found.shape)
    found = np.vstack([found, boxes[:40] + 15])
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    scores = rng.random(len(found)).round(2)
    return boxes, found, scores.astype(np.float32)


def coco_of(images):
    """What pycocotools says of the same boxes: AP of thresholds and ranges of area (10, 4)."""
    annotations, results = [], []
    for number, (boxes, found, scores) in enumerate(images):
        for place, area in zip(places(boxes), areas(boxes).tolist()):
            cell = {"image_id": number, "category_id": 1, "bbox": place}
            cell |= {"id": len(annotations) + 1, "iscrowd": 0, "area": area}
            annotations.append(cell)
        for place, score in zip(places(found), scores.tolist()):
            cell = {"image_id": number, "category_id": 1, "bbox": place}
            results.append(cell | {"score": score})
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in range(len(images))],
        "annotations": annotations,
        "categories": [{"id": 1}],
    }
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
    evaluation.params.maxDets = [DENSE_DETECTIONS]
    evaluation.params.areaRng = [list(limits) for limits in DENSE_AREAS.values()]
    evaluation.params.areaRngLbl = list(DENSE_AREAS)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"][:, :, 0, :, 0].mean(axis=1)


def seen_of(boxes, found, scores):
    return Seen(box_iou(found, boxes), scores, areas(found), areas(boxes))


def test_it_is_pycocotools_of_every_size():
    rng = np.random.default_rng(0)
    images = [crowded(rng) for _ in range(3)]
    theirs = coco_of(images)
    ours = dense_precision([seen_of(*image) for image in images])
    assert ours["ap"] == pytest.approx(theirs[:, 0].mean(), abs=1e-9)
    assert ours["ap50"] == pytest.approx(theirs[0, 0], abs=1e-9)
    assert ours["ap75"] == pytest.approx(theirs[5, 0], abs=1e-9)
    for column, size in enumerate(("small", "medium", "large"), start=1):
        assert ours[f"ap_{size}"] == pytest.approx(theirs[:, column].mean(), abs=1e-9)
    assert 0.2 < ours["ap"] < 0.9  # neither trivial


def test_the_cap_of_coco_would_miss_most_of_a_dense_image():
    image = seen_of(*crowded(np.random.default_rng(1)))
    assert dense_precision([image], detections=100)["ap50"] < 0.6 * dense_precision([image])["ap50"]


def test_by_hand():
    """Two reference cells of 100 px, one of 400; found: the first and, with a better score, nothing."""
    image = Seen(
        iou=np.array([[0.0, 0.0, 0.0], [0.9, 0.0, 0.0]]),
        scores=np.array([0.9, 0.8], np.float32),
        found_areas=np.array([400.0, 100.0]),
        reference_areas=np.array([100.0, 100.0, 400.0]),
    )
    found = dense_precision([image], thresholds=(0.5,))
    assert found["ap"] == pytest.approx(0.5 * 34 / 101)  # recall 1/3 at precision 1/2
    # Among small cells the detection of 400 px that found nothing does not count: precision 1 at recall 1/2.
    assert found["ap_small"] == pytest.approx(51 / 101)
    assert found["ap_medium"] == 0
    assert np.isnan(found["ap_large"])
