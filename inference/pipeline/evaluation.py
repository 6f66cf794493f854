"""How good a round is: on images it did not learn from, by people's boxes and by reference masks."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.ndimage import label

from inference.crumbs import crumb_areas, lone_share, without_crumbs
from inference.documents.configuration import Beginnings, Fusion, Instances
from inference.documents.snapshot import canonical
from inference.documents.stage_reports import Evaluation, EvaluationFacts, JudgedImage, Measures, Part
from inference.fusion import Parameters, fuse
from inference.metrics import average_precision, box_iou, contingency, mask_iou, mean, per_image
from inference.pipeline.painting import bits_of, bounded_instances, paint, tidied
from inference.pipeline.snapshots import Field, boxes_of_cells, read_labels
from inference.pipeline.units import DetectedMasks, PredictionUnit, Setting
from inference.repair import Repair, repair
from inference.types import RGB, Boxes, BoxMask, Cancelled, Detections, Labels, Mask, Progress, Prompter, Prompts

FAINTEST = 0.05  # detections below this score are in no table of thresholds
COMPARED = ("dice", "iou", "aji", "pq", "dq", "sq", "bf1")  # measures of masks that a round is judged by


def is_judged(field: Field) -> bool:
    """Whether the detector's masks alone are kept of it: the test split judges, validation serves tuning, and judges
    where there is no test split."""
    return field.split in ("val", "test") and field.reference is not None


def evaluation_split(fields: Sequence[Field]) -> Literal["val", "test"]:
    """ "test" where any test image is annotated or has reference masks; else "val", which also chose the best epoch."""
    tested = any(f.split == "test" and (f.annotated or f.reference is not None) for f in fields)
    return "test" if tested else "val"


def judges_boxes(field: Field) -> bool:
    """Whether people's boxes of it judge: every cell of a region is annotated, and not by points alone."""
    points = [cell.is_point for cell in field.cells]
    return field.annotated and not (points and all(points))


def why_no_boxes(fields: Sequence[Field], split: str) -> str:
    """Why no image judges boxes."""
    if any(field.split == split and field.annotated for field in fields):
        return "The images that judge are annotated by points alone: they say nothing of boxes, so none are measured."
    return "No image of the validation split has a fully annotated region, so nothing is measured yet."


def detected_masks(prompter: Prompter, rgb: RGB, detected: Detections) -> DetectedMasks:
    """The detections' masks as they would be had nobody drawn a box here: what masks are judged by, since people's
    boxes would flatter it. Kept one by one, also below the threshold, so that trying thresholds needs no model.
    """
    chosen = np.flatnonzero(detected.scores >= FAINTEST)
    chosen = chosen[np.argsort(-detected.scores[chosen], kind="stable")]
    masks = prompter.decode(prompter.encode(rgb), Prompts(detected.boxes[chosen])).masks if len(chosen) else []
    return {
        "alone_scores": detected.scores[chosen],
        "alone_prompts": detected.boxes[chosen],
        "alone_boxes": np.array([(m.x, m.y, *m.bits.shape[::-1]) for m in masks], np.int32).reshape(-1, 4),
        "alone_bits": np.packbits(np.concatenate([np.zeros(0, bool), *(m.bits.ravel() for m in masks)])),
    }


def alone(unit: PredictionUnit, field: Field, threshold: float) -> tuple[Labels, Boxes]:
    """M_D of the detector alone from `detected_masks`, boxes below the threshold left out; surer boxes on top.

    -> (H, W) ids, and the (n, 4) boxes: id i belongs to boxes[i - 1]
    """
    sizes = [int(w) * int(h) for _, _, w, h in unit["alone_boxes"]]
    bits = np.unpackbits(unit["alone_bits"])[: sum(sizes)].astype(bool)
    patches = np.split(bits, np.cumsum(sizes)[:-1]) if sizes else []
    masks = [
        BoxMask(int(x), int(y), patch.reshape(int(h), int(w)))
        for (x, y, w, h), patch, score in zip(unit["alone_boxes"], patches, unit["alone_scores"], strict=True)
        if score >= threshold
    ]
    return paint(masks, field), unit["alone_prompts"][unit["alone_scores"] >= threshold]


def evaluation(setting: Setting) -> tuple[Path, EvaluationFacts]:
    """How good the round is, on images it did not learn from. Never against accepted proposals, which flatter the
    proposer.

    Boxes: the detector alone against people's boxes inside exhaustive regions (AP at IoU 0.5). Masks: only against
    reference masks. The artifact is JSON with the facts and "per_image", one row an image: rounds are compared by it.
    """
    readable = setting.readable()
    split = evaluation_split(readable)
    judged = [f for f in readable if f.split == split and judges_boxes(f)]
    with_reference = [f for f in readable if f.split == split and is_judged(f)]
    rows = {f.image: JudgedImage(image=f.image, patient=f.patient) for f in judged + with_reference}
    facts = EvaluationFacts(split=split, images=len(judged), reference_images=len(with_reference))
    if judged:
        matched = []
        for field in judged:
            if setting.stop():
                raise Cancelled("cancelled")
            matched.append(_matched_boxes(setting, field))
            rows[field.image] = rows[field.image].with_(box_ap50=average_precision(matched[-1:], (0.5,)).ap)
        facts = facts.with_(box_ap50=average_precision(matched, (0.5,)).ap)
    else:
        facts = facts.with_(sentence=why_no_boxes(readable, split))
    if with_reference:
        masks, needed = _judge_masks(setting, with_reference, rows)
        facts = facts.with_(masks=masks)
        if needed.cells:
            per_100 = {name: round(value, 1) for name, value in needed.per_100().items()}
            facts = facts.with_(repair=per_100 | {"reference_cells": needed.cells})
    elif judged:
        facts = facts.with_(
            sentence="Mask quality not measurable yet: there is no reference set drawn without proposals."
        )
    trained = {f.patient for f in setting.fields if f.split == "train" and f.annotated and f.patient}
    if trained & {f.patient for f in judged + with_reference}:
        facts = facts.with_(optimistic="same patient, optimistic: training and judging images come from one patient")
    facts = facts.with_(**_notes_on_the_start(setting.configuration.evaluation or Beginnings(), list(rows)))
    path = setting.work / "evaluation.json"
    path.write_bytes(canonical(Evaluation.of(facts, tuple(rows.values())).as_json()))
    setting.report(Progress(1, 1))
    return path, facts


def _notes_on_the_start(start: Beginnings, judging: list[int]) -> dict[str, str]:
    """What weights from elsewhere do to the figures."""
    notes = {}
    if start.elsewhere:
        kinds = " and ".join(start.elsewhere)
        notes["elsewhere"] = f"Trained elsewhere: may have seen the images that judge ({kinds}). Read it as optimistic."
    if seen := set(start.seen) & set(judging):
        notes["seen_before"] = (
            f"{len(seen)} of {len(judging)} judging images taught the weights that this round began with: optimistic."
        )
    return notes


def _matched_boxes(setting: Setting, field: Field) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(IoU with people's boxes, scores) of the detections inside the region where annotation counts."""
    unit = setting.predicted(field.image)
    cells, valid = field.learning()
    boxes, scores = unit["detected_boxes"], unit["detected_scores"]
    x = np.clip(((boxes[:, 0] + boxes[:, 2]) / 2).astype(int), 0, field.width - 1)
    y = np.clip(((boxes[:, 1] + boxes[:, 3]) / 2).astype(int), 0, field.height - 1)
    inside = valid[y, x]
    return box_iou(boxes[inside], boxes_of_cells(cells)), scores[inside]


def _judge_masks(
    setting: Setting, fields: Sequence[Field], rows: dict[int, JudgedImage]
) -> tuple[dict[Part, Measures], Repair]:
    """Detector's masks, segmenter's mask and their fusion against reference masks, mean over images; the fused ones
    of each image into its row. And what a person still has to do about the fused cells, all images together.

    The boxes are the detector's own, never the people's: on a field that people have boxed, proposals look better
    than this.
    """
    reports: defaultdict[Part, list[Any]] = defaultdict(list)
    needed = Repair()
    chosen = setting.configuration
    crumb = crumb_areas(setting.content, chosen.instances.crumbs)
    for field in fields:
        if setting.stop():
            raise Cancelled("cancelled")
        assert field.reference is not None
        masks = judged_masks(setting, field, crumb[field.image])
        reference = read_labels(field.reference)
        for part, labels in masks.items():
            reports[part].append(per_image(reference, labels))
        proposed: Part = "method" if chosen.is_whole else "fused"
        measured = {k: float(reports[proposed][-1].as_dict()[k]) for k in COMPARED}
        # Without a score a cell counts as sure: AP then asks only how many cells of the reference are met.
        table = contingency(reference, masks[proposed])
        needed += repair(table, reference.size)
        overlap = mask_iou(table)
        ap50 = average_precision([(overlap, np.ones(len(overlap), np.float32))], (0.5,)).ap
        rows[field.image] = rows[field.image].with_(**measured, mask_ap50=ap50)
    kept = (*COMPARED, "bf1_tolerance_px")
    means: dict[Part, Measures] = {}
    for part, found in reports.items():
        measures = mean(found)
        means[part] = Measures.model_validate({k: round(float(measures[k]), 4) for k in kept})
    return means, needed


def judged_masks(setting: Setting, field: Field, crumb: float) -> dict[Part, Labels]:
    """The masks of each part, as they are when nobody has drawn a box; the proposed ones last.

    crumb  px below which a piece is left out
    """
    chosen = setting.configuration
    unit = setting.predicted(field.image)
    if chosen.is_whole:
        return {"method": tidied(unit["whole"], chosen.instances, crumb)[0]}
    (m_d, boxes), m_s = alone(unit, field, chosen.prediction.detector_threshold), bits_of(unit["m_s"], field)
    fused = fused_alone(field.rgb(), m_d, boxes, m_s, chosen.fusion, chosen.instances, crumb)
    return {"detector": m_d, "segmenter": label(m_s)[0].astype(np.int32), "fused": fused}


def parameters_of(chosen: Fusion) -> Parameters:
    """The fusion's parameters; what the configuration does not name has the default there. Raises ValueError."""
    return Parameters(**chosen.given())


def fused_alone(
    rgb: RGB, m_d: Labels, boxes: Boxes, m_s: Mask, fusion: Fusion, chosen: Instances, crumb: float = 0.0
) -> Labels:
    """Instances from the two halves, as the stages fusion and instances make them.

    crumb  pixels below which a piece is left out (inference/crumbs.py)
    """
    fused = fuse(rgb, m_d > 0, m_s, parameters_of(fusion))
    labels = bounded_instances(fused.mask, m_d, boxes, chosen)
    return without_crumbs(labels, crumb, boxes=len(boxes), lone=lone_share(chosen.crumbs))[0]
