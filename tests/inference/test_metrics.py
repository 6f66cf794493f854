"""Measures against hand-worked cases, an independent implementation, and pycocotools."""

import json
import subprocess
import sys

import numpy as np
import pytest

from inference import metrics
from inference.metrics import average_precision, box_iou, contingency, paired, panoptic_quality, per_image, pooled
from tests.inference.test_fusion_solvers import real_scene

ONE_OVER_TWO = np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])


def test_one_prediction_over_two_equal_cells():
    table = contingency(*ONE_OVER_TWO)
    assert metrics.aji(table) == 1 / 2  # the prediction is used twice: 4 / 8
    assert metrics.aji_plus(table) == 1 / 3  # once: 2 / (4 + 2)
    assert panoptic_quality(*ONE_OVER_TWO).pq == 0  # an IoU of exactly 0.5 is no match


def test_a_case_worked_by_hand():
    reference = np.array([[1, 1, 1, 1, 0, 5, 5]])
    predicted = np.array([[9, 9, 9, 0, 0, 0, 3]])
    table = contingency(reference, predicted)
    assert table.reference_ids.tolist() == [1, 5] and table.predicted_ids.tolist() == [3, 9]
    assert metrics.aji(table) == (3 + 1) / (4 + 2)
    found = panoptic_quality(reference, predicted)  # IoU 3/4 matches, 1/2 does not
    assert (found.found, found.extra, found.missed) == (1, 1, 1)
    assert (found.dq, found.sq, found.pq) == (0.5, 0.75, 0.375)
    assert metrics.dice(reference > 0, predicted > 0) == 8 / 10
    assert metrics.iou(reference > 0, predicted > 0) == 4 / 6
    outside = np.array([[True] * 5 + [False] * 2])
    assert per_image(reference, predicted, valid=outside).as_dict()["pq"] == 0.75


def test_empty_images():
    nothing, something = np.zeros((4, 4), int), np.eye(4, dtype=int)
    keys = ("dice", "iou", "aji", "aji_plus", "pq", "dq", "sq", "bf1", "detection_precision", "detection_recall")
    assert all(per_image(nothing, nothing).as_dict()[key] == 1 for key in keys)
    assert all(per_image(something, nothing).as_dict()[key] == 0 for key in keys)
    assert all(per_image(nothing, something).as_dict()[key] == 0 for key in keys)


def test_classes_match_only_their_own():
    reference, predicted = np.array([[1, 1, 2, 2, 3]]), np.array([[1, 1, 2, 2, 0]])
    found = metrics.panoptic_by_class(contingency(reference, predicted), {1: 0, 2: 1, 3: 1}, {1: 0, 2: 0})
    assert (found[0].found, found[0].extra, found[0].missed) == (1, 1, 0)
    assert (found[1].found, found[1].extra, found[1].missed) == (0, 0, 2)
    assert np.mean([c.pq for c in found.values()]) == pytest.approx(1 / 3)


def test_boundary_f1_hangs_on_its_tolerance():
    a, b = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    a[5:15, 5:15], b[5:15, 7:17] = True, True
    values = [metrics.boundary_f1(a, b, t) for t in (0, 1, 2, 6)]
    assert values == sorted(values) and values[0] < 1 and values[2] == 1
    frame = np.ones((5, 5), bool)
    assert metrics.boundary_f1(frame, frame, 1) == 1  # nothing but frame: no boundary on either side
    near = metrics._within(a, 4.0)
    from scipy.ndimage import distance_transform_edt

    assert (near == (distance_transform_edt(~a) <= 4)).all()


def slow_and_sure(reference, predicted):
    """AJI, AJI+ by masks per cell and a dense assignment; PQ by every pair."""
    from scipy.optimize import linear_sum_assignment

    r = [reference == k for k in np.unique(reference[reference > 0])]
    p = [predicted == k for k in np.unique(predicted[predicted > 0])]
    shared = np.array([[(a & b).sum() for b in p] for a in r])
    union = np.array([[(a | b).sum() for b in p] for a in r])
    iou = shared / union
    c = u = 0
    used = set()
    for i, a in enumerate(r):
        j = int(np.argmax(iou[i]))
        if shared[i, j]:
            c, u = c + shared[i, j], u + union[i, j]
            used.add(j)
        else:
            u += a.sum()
    aji = c / (u + sum(p[j].sum() for j in range(len(p)) if j not in used))
    rows, columns = linear_sum_assignment(-iou)
    pairs = [(i, j) for i, j in zip(rows, columns) if shared[i, j]]
    c = sum(shared[i, j] for i, j in pairs)
    u = sum(union[i, j] for i, j in pairs)
    u += sum(a.sum() for i, a in enumerate(r) if i not in {i for i, _ in pairs})
    u += sum(b.sum() for j, b in enumerate(p) if j not in {j for _, j in pairs})
    match = iou[iou > 0.5]
    return aji, c / u, match.sum() / (len(match) + (len(r) - len(match)) / 2 + (len(p) - len(match)) / 2)


@pytest.mark.parametrize("collection", ["gbm40", "consep"])
def test_real_pairs_against_an_independent_implementation(collection):
    from inference.instances import instances

    _, m_d, _, labels = real_scene(collection, size=250)
    predicted = instances(m_d, np.zeros_like(labels), "components")
    found = per_image(labels, predicted).as_dict()
    assert (found["aji"], found["aji_plus"], found["pq"]) == pytest.approx(slow_and_sure(labels, predicted))
    sparse = np.where(labels > 0, labels.astype(np.int64) * 1_000_003, 0)  # ids with gaps: another path, same numbers
    assert per_image(sparse, predicted).as_dict() == found


def test_pooling_is_not_averaging():
    good, bad = np.array([[1] * 8 + [0] * 2]), np.array([[0] * 9 + [1]])
    one, two = per_image(good, good), per_image(bad, 1 - bad)
    assert metrics.mean([one, two])["dice"] == 0.5
    assert pooled([one, two])["dice"] == 2 * 8 / (8 + 8 + 1 + 9)
    with pytest.raises(ValueError, match="cannot be pooled"):
        pooled([one, per_image(good, good, tolerance=1)])


def test_average_precision_is_cocos():
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    images, annotations, results = [], [], []
    for number in range(4):
        corner = rng.uniform(0, 400, (150, 2))
        boxes = np.hstack([corner, corner + rng.uniform(8, 30, (150, 2))])
        seen = boxes[rng.random(150) < 0.8] + rng.normal(0, 1.5, (1, 4))
        seen = np.vstack([seen + rng.normal(0, 1, seen.shape), boxes[:20] + 15])
        scores = rng.random(len(seen)).round(2).astype(np.float32)  # with ties
        images.append((box_iou(seen, boxes), scores))
        for box in boxes:
            x0, y0, x1, y1 = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                }
            )
        for (x0, y0, x1, y1), score in zip(seen.tolist(), scores.tolist()):
            results.append({"image_id": number, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score})
    coco = COCO()
    coco.dataset = {"images": [{"id": k} for k in range(4)], "annotations": annotations, "categories": [{"id": 1}]}
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
    evaluation.params.maxDets = [1, 10, 1000]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, 0, 2]
    mine = average_precision(images)
    assert mine.ap == pytest.approx(precision.mean(), abs=1e-9)
    assert mine.at[0.5] == pytest.approx(precision[0].mean(), abs=1e-9)
    assert mine.recall[0.75] == pytest.approx(evaluation.eval["recall"][5, 0, 0, 2])


def test_average_precision_by_hand_and_empty():
    overlap = np.array([[0.9, 0.0], [0.8, 0.0], [0.0, 0.6]])
    found = average_precision([(overlap, np.array([0.9, 0.8, 0.7], np.float32))], thresholds=(0.5,))
    assert found.at[0.5] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert average_precision([]).ap == 1
    assert average_precision([(np.zeros((2, 0)), np.ones(2, np.float32))]).ap == 0


def test_paired_tests():
    from scipy import stats

    rng = np.random.default_rng(0)
    a = rng.normal(0.8, 0.05, 30)
    b = a + rng.normal(0.02, 0.01, 30)
    found = paired(a, b)
    assert found["t_p"] == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert found["wilcoxon_p"] == pytest.approx(stats.wilcoxon(b - a).pvalue)
    assert found["ci_low"] < found["mean_difference"] < found["ci_high"]
    assert found == paired(a, b)
    assert paired(a, a)["t_p"] == paired(a, a)["wilcoxon_p"] == 1
    with pytest.raises(ValueError, match="equally long"):
        paired([1.0], [1.0])


def test_labels_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="predicted must be"):
        per_image(np.zeros((2, 2), int), np.zeros((2, 3), int))
    with pytest.raises(ValueError, match="reference must hold whole numbers"):
        contingency(np.zeros((2, 2)), np.zeros((2, 2), int))
    with pytest.raises(ValueError, match="predicted must hold no negative id"):
        contingency(np.zeros((2, 2), int), np.full((2, 2), -1))


def test_the_website_may_import_it():
    script = "import sys, json, inference.metrics; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    assert not {"torch", "django", "numba", "celery"} & set(loaded)
