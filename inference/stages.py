"""The stages of a round on files alone: what goes in, what comes out, how it is named (DESIGN, idea 3).

Every stage has a version number that must change when equal inputs may give another result; with its inputs and
parameters it makes
the stage's key. Work is done in units (an image, an epoch); a finished unit is a file in the stage's work folder,
so a stage that was
killed goes on after the last one. An artifact is one file: a zip of the units, or weights.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from dataclasses import fields as fields_of_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import find_objects, label

from inference import registry
from inference.acquisition import embedding, image_scores
from inference.fusion import Parameters, certificate, fuse
from inference.instances import instances
from inference.masks import cells_of, clip, labels_of, rasterise_boxes
from inference.metrics import average_precision, box_iou, contingency, mask_iou, mean, per_image
from inference.snapshots import Cell, Field, boxes_of_cells, digest, learning_digest, read_labels
from inference.types import (
    RGB,
    Boxes,
    BoxMask,
    Cancelled,
    Detections,
    InferenceError,
    Labels,
    Mask,
    Progress,
    Prompter,
    Prompts,
    Report,
    Sample,
    Stop,
    Trainer,
    UnreadableImage,
)

VERSIONS = {
    "pseudo_masks": 1,
    "detector": 2,
    "segmenter": 1,
    "prediction": 4,
    "fusion": 3,
    "instances": 3,
    "evaluation": 3,
    "publication": 3,
}
FAINTEST = 0.05  # detections below this score are in no threshold sweep
COMPARED = ("dice", "iou", "aji", "pq", "dq", "sq", "bf1")  # measures of masks that a round is judged by
Unit = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Everything a stage may use.

    content        the snapshot document
    fields         its images
    configuration  parameters of all stages (labeling/rounds/services.py PRESETS)
    inputs         kind of an earlier stage -> its artifact file
    work           folder of this stage; what is in it from an earlier attempt is used again
    """

    content: dict[str, Any]
    fields: Sequence[Field]
    configuration: dict[str, Any]
    inputs: dict[str, Path]
    work: Path
    report: Report
    stop: Stop

    def prompter(self) -> Prompter:
        return registry.prompter(**self.configuration["prompter"])

    def trainer(self, kind: str) -> Any:
        return trainer_of(kind, self.configuration[kind], classes=self.class_count)

    def readable(self) -> list[Field]:
        """The fields that the prediction could read; it has said why it could not read the others."""
        return [f for f in self.fields if "unreadable" not in read_unit(self.inputs["prediction"], f.image)]

    @property
    def class_count(self) -> int:
        """1 when any cell is unclassified: a detector cannot learn classes from some of its cells only.

        Only fields that are learned from count, as in learning_digest: a cell elsewhere does not change the detector's
        key, so it must not change what fits its weights.
        """
        learned = [field for field in self.fields if field.annotated and field.split in ("train", "val")]
        classified = all(cell.class_index is not None for field in learned for cell in field.cells)
        return max(1, len(self.content["classes"])) if classified else 1


def trainer_of(kind: str, chosen: dict[str, Any], *, classes: int = 1) -> Trainer:
    """The trainer that a round's configuration names: {"name", "preset", "change": {"steps": ...}, "start_from"}.

    A change is a field of the model's settings or of its schedule. Raises InferenceError for one it does not have.
    """
    options = {"classes": classes} if kind == "detector" else {}
    made: Any = registry.trainer(kind, chosen["name"], chosen["preset"], **options)
    settings = made.settings
    for name, value in chosen.get("change", {}).items():
        schedule = getattr(settings, "schedule", None)
        if name in {field.name for field in fields_of_dataclass(settings)}:
            settings = replace(settings, **{name: value})
        elif schedule is not None and name in {field.name for field in fields_of_dataclass(schedule)}:
            settings = replace(settings, schedule=replace(schedule, **{name: value}))
        else:
            raise InferenceError(
                f"the {kind} {chosen['name']!r} has no setting {name!r}; leave it as the preset has it"
            )
    trainer: Trainer = registry.trainer(kind, chosen["name"], settings, **options)
    return trainer


def keys(content: dict[str, Any], configuration: dict[str, Any]) -> dict[str, str]:
    """Kind -> key of every stage of a round: hash of inputs, parameters, and the versions of stage and model."""
    learned, everything = learning_digest(content), digest(content)
    prompter = [configuration["prompter"], registry.prompter(**configuration["prompter"]).name]
    detector, segmenter = configuration["detector"], configuration["segmenter"]
    named = {}

    def name(kind: str, *inputs: Any) -> None:
        named[kind] = digest([kind, VERSIONS[kind], *inputs])

    name("pseudo_masks", learned, prompter)
    name("detector", learned, detector, trainer_of("detector", detector).name)
    name("segmenter", named["pseudo_masks"], segmenter, trainer_of("segmenter", segmenter).name)
    name("prediction", everything, named["detector"], named["segmenter"], prompter, configuration["prediction"])
    name("fusion", named["prediction"], configuration["fusion"], certificate.VERSION)
    name("instances", named["fusion"], configuration["instances"])
    name("evaluation", named["instances"], learned)
    name("publication", named["instances"])
    return named


# -- units


def save_unit(folder: Path, image: int, unit: Unit) -> None:
    """Arrays and JSON values of one image, whole or not at all: written aside, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {k: v for k, v in unit.items() if isinstance(v, np.ndarray)}
    rest = {k: v for k, v in unit.items() if not isinstance(v, np.ndarray)}
    aside = folder / f".{image}.{os.getpid()}.npz"
    with aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, json=np.frombuffer(json.dumps(rest).encode(), np.uint8), **arrays)
    aside.replace(folder / f"{image}.npz")


def _load(file: Any) -> Unit:
    with np.load(file, allow_pickle=False) as data:
        return {**json.loads(data["json"].tobytes()), **{k: data[k] for k in data.files if k != "json"}}


def read_unit(artifact: Path, image: int) -> Unit:
    """The unit of one image; KeyError when the stage had none for it."""
    with zipfile.ZipFile(artifact) as archive, archive.open(f"{image}.npz") as file:
        return _load(file)


def each_unit(setting: Setting, fields: Sequence[Field], make: Callable[[Field], Unit]) -> Iterator[tuple[Field, Unit]]:
    """Make what is missing, in order, with progress; asks to stop between units. Raises Cancelled.

    An image that cannot be read is a unit with the reason, said in the log and passed over: the others go on.
    """
    folder = setting.work / "units"
    for number, field in enumerate(fields):
        path = folder / f"{field.image}.npz"
        if path.exists():
            unit = _load(path)
        else:
            if setting.stop():
                raise Cancelled("cancelled")
            note = ""
            try:
                unit = make(field)
            except UnreadableImage as error:
                unit = {"unreadable": str(error)}
                note = f"image {field.image} is left out: {error}"
            save_unit(folder, field.image, unit)
            setting.report(Progress(number + 1, len(fields), note))
        if "unreadable" not in unit:
            yield field, unit
    setting.report(Progress(len(fields), len(fields)))


def bundle(setting: Setting, name: str) -> Path:
    """All units of this stage in one file."""
    path = setting.work / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for unit in sorted((setting.work / "units").glob("[0-9]*.npz")):
            archive.write(unit, unit.name)
    return path


# -- the stages: each returns its artifact and facts worth showing


def pseudo_masks(setting: Setting) -> tuple[Path, dict[str, Any]]:
    """Masks inside people's boxes: what the segmenter learns from. A mask that a person verified is taken as it is."""
    prompter = setting.prompter()
    fields = [f for f in setting.fields if f.annotated and f.split in ("train", "val")]

    def make(field: Field) -> Unit:
        cells, _ = field.learning()
        masks, _ = masks_of_cells(prompter, field, cells)
        return {"labels": paint(masks, field)}

    cells = sum(int(unit["labels"].max(initial=0)) for _, unit in each_unit(setting, fields, make))
    return bundle(setting, "pseudo_masks.zip"), {"images": len(fields), "cells": cells, "prompter": prompter.name}


def masks_of_cells(
    prompter: Prompter, field: Field, cells: Sequence[Cell]
) -> tuple[list[BoxMask | None], np.ndarray[Any, Any]]:
    """One mask a cell, in their order (None where the prompter finds nothing), and their scores; verified ones
    score 1."""
    masks: list[BoxMask | None] = [cell.mask for cell in cells]
    scores = np.ones(len(cells), np.float32)
    asked = [i for i, mask in enumerate(masks) if mask is None]
    if asked:
        answer = prompter.decode(prompter.encode(field.rgb()), Prompts(boxes_of_cells([cells[i] for i in asked])))
        for i, mask, score in zip(asked, answer.masks, answer.scores, strict=True):
            masks[i], scores[i] = (mask if mask.bits.any() else None), score
    return masks, scores


def paint(masks: Sequence[BoxMask | None], field: Field, order: Sequence[int] | None = None) -> Labels:
    """Label map with id i + 1 for mask i; where masks overlap, the one earlier in `order` keeps the pixel."""
    order = range(len(masks)) if order is None else order
    cells = ((i + 1, mask) for i in order if (mask := masks[i]) is not None)
    return labels_of(cells, field.width, field.height)


def samples(setting: Setting, split: str, *, with_labels: bool) -> list[Sample]:
    """The annotated fields of a split as training samples."""
    found = []
    single = setting.class_count == 1
    for field in setting.fields:
        if not field.annotated or field.split != split:
            continue
        cells, valid = field.learning()
        try:
            rgb = field.rgb()
            labels = read_unit(setting.inputs["pseudo_masks"], field.image)["labels"] if with_labels else None
        except UnreadableImage as error:
            setting.report(Progress(0, 0, f"image {field.image} teaches nothing: {error}"))
            continue
        classes = np.array([0 if single else cell.class_index or 0 for cell in cells], np.int64)
        found.append(Sample(rgb, boxes_of_cells(cells), classes, valid, labels, str(field.image)))
    return found


def detector(setting: Setting) -> tuple[Path, dict[str, Any]]:
    return _train(setting, "detector", with_labels=False)


def segmenter(setting: Setting) -> tuple[Path, dict[str, Any]]:
    return _train(setting, "segmenter", with_labels=True)


def _train(setting: Setting, kind: str, *, with_labels: bool) -> tuple[Path, dict[str, Any]]:
    trainer = setting.trainer(kind)
    learned = samples(setting, "train", with_labels=with_labels)
    checked = samples(setting, "val", with_labels=with_labels)
    weights = trainer.train(
        learned, checked,
        work=setting.work / "training", report=setting.report, stop=setting.stop,
        start_from=setting.inputs.get(f"start of the {kind}"),
    )  # fmt: skip
    facts = {"images": len(learned), "validation_images": len(checked), "model": trainer.name}
    # Every parameter, not only the name of the preset: presets change, what this round used does not.
    return weights, facts | {
        "cells": sum(len(sample.boxes) for sample in learned), "classes": setting.class_count,
        "settings": asdict(trainer.settings),
    }  # fmt: skip


def prediction(setting: Setting) -> tuple[Path, dict[str, Any]]:
    """Both halves of every image: M_D (boxes -> masks) and M_S (the segmenter's mask).

    M_D is prompted by people's boxes; detected boxes are added where nobody has declared the annotation exhaustive
    and where they do
    not overlap a person's box.
    """
    chosen = setting.configuration["prediction"]
    prompter = setting.prompter()
    find = setting.trainer("detector").load(setting.inputs["detector"])
    segment = setting.trainer("segmenter").load(setting.inputs["segmenter"])

    def make(field: Field) -> Unit:
        field = proposed_on(setting.content, field)
        rgb = field.rgb()
        detected = find.detect(rgb)
        sure = detected.scores >= chosen["detector_threshold"]
        added = np.flatnonzero(sure & _new(detected.boxes, field, chosen["person_overlap"]))
        masks, _ = masks_of_cells(prompter, field, field.cells)
        answer = prompter.decode(prompter.encode(rgb), Prompts(detected.boxes[added])) if len(added) else None
        if answer is not None:
            masks += [mask if mask.bits.any() else None for mask in answer.masks]
        boxes = np.concatenate([boxes_of_cells(field.cells), detected.boxes[added]])
        scores = np.concatenate([np.ones(len(field.cells), np.float32), detected.scores[added]])
        order = np.argsort(-scores, kind="stable").tolist()  # the surer box keeps contested pixels
        classes = [cell.class_index for cell in field.cells] + [
            int(c) if setting.class_count > 1 else None for c in detected.classes[added]
        ]
        alone = _detected_masks(prompter, rgb, detected) if _is_judged(field) else {}
        return alone | {
            "m_d": paint(masks, field, order),
            "m_s": np.packbits(segment.foreground(rgb) >= 0.5, axis=None),
            "boxes": boxes,
            "scores": scores,
            "classes": classes,
            "sources": [cell.uid for cell in field.cells] + [None] * len(added),
            "detected_boxes": detected.boxes,
            "detected_scores": detected.scores,
        }

    made = [len(unit["boxes"]) for _, unit in each_unit(setting, setting.fields, make)]
    names = {"detector": find.name, "segmenter": segment.name, "prompter": prompter.name}
    bad = {"unreadable_images": len(setting.fields) - len(made)} if len(made) < len(setting.fields) else {}
    return bundle(setting, "prediction.zip"), {"images": len(made), "boxes": sum(made), "models": names} | bad


def _is_judged(field: Field) -> bool:
    """Whether the detector's masks alone are kept of it: the test split judges, validation serves sweeps, and judges
    where there is no test split."""
    return field.split in ("val", "test") and field.reference is not None


def judging_split(fields: Sequence[Field]) -> str:
    """ "test" where any test image is annotated or has reference masks; else "val", which also chose the best epoch."""
    tested = any(f.split == "test" and (f.annotated or f.reference is not None) for f in fields)
    return "test" if tested else "val"


def _detected_masks(prompter: Prompter, rgb: RGB, detected: Detections) -> Unit:
    """The detections' masks as they would be had nobody drawn a box here: what masks are judged by, since people's
    boxes would flatter it. Kept one by one, also below the threshold, so that a sweep of it needs no model.
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


def alone(unit: Unit, field: Field, threshold: float) -> tuple[Labels, Boxes]:
    """M_D of the detector alone from `_detected_masks`, boxes below the threshold left out; surer boxes on top.

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


def proposed_on(content: dict[str, Any], field: Field) -> Field:
    """What proposals may know of the people's annotations: everything, or nothing where annotators work blinded."""
    return field.unspoken() if content.get("blinded") else field


def _new(boxes: Boxes, field: Field, overlap: float) -> np.ndarray[Any, Any]:
    """(n,) bool: detections where a person has not spoken yet."""
    fresh = np.ones(len(boxes), bool)
    if not len(boxes):
        return fresh
    x = np.clip(((boxes[:, 0] + boxes[:, 2]) / 2).astype(int), 0, field.width - 1)
    y = np.clip(((boxes[:, 1] + boxes[:, 3]) / 2).astype(int), 0, field.height - 1)
    fresh &= ~_whole_region(field)[y, x]
    people = np.concatenate([boxes_of_cells(field.cells), field.cannot_tell])
    if len(people):
        fresh &= box_iou(boxes, people).max(axis=1) <= overlap
    if len(field.rejected):
        fresh &= box_iou(boxes, field.rejected).max(axis=1) <= 0.5  # a person said no: do not propose it again
    return fresh


def _whole_region(field: Field) -> np.ndarray[Any, Any]:
    """Where people said that every cell is annotated, or that nothing is to be annotated."""
    return rasterise_boxes(np.concatenate([field.exhaustive, field.ignore]), field.width, field.height)


def fusion(setting: Setting) -> tuple[Path, dict[str, Any]]:
    """BoxCell's eq. (7) for every image, with its certificate."""
    parameters = Parameters(**setting.configuration["fusion"])

    def make(field: Field) -> Unit:
        unit = read_unit(setting.inputs["prediction"], field.image)
        fused = fuse(field.rgb(), unit["m_d"] > 0, bits_of(unit["m_s"], field), parameters)
        return {
            "mask": np.packbits(fused.mask, axis=None),
            "pixels": fused.pixels,
            "certificate": fused.certificate.as_dict(),
            "queue": image_scores(unit["m_d"], bits_of(unit["m_s"], field), unit["detected_scores"], fused.probability),
            "embedding": embedding(field.rgb(), fused.mask).tolist(),
        }

    certificates = [unit["certificate"] for _, unit in each_unit(setting, setting.readable(), make)]
    if not certificates:
        raise InferenceError("none of the images can be read, so there is nothing to fuse")
    return bundle(setting, "fusion.zip"), {
        "images": len(certificates),
        "closed": sum(bool(c["closed"]) for c in certificates),
        "ambiguous_share": float(np.mean([c["ambiguous_share"] for c in certificates])),
        "median_milliseconds": float(np.median([c["milliseconds"]["total"] for c in certificates])),
    }


def bits_of(packed: np.ndarray[Any, Any], field: Field) -> np.ndarray[Any, Any]:
    size = field.width * field.height
    return np.unpackbits(packed)[:size].reshape(field.height, field.width).astype(bool)


def instance_maps(setting: Setting) -> tuple[Path, dict[str, Any]]:
    """One id a cell, and how doubtful each cell is: the larger of its share of ambiguous pixels and 1 - its box's
    score."""

    fields = setting.readable()

    def make(field: Field) -> Unit:
        unit = read_unit(setting.inputs["prediction"], field.image)
        fused = read_unit(setting.inputs["fusion"], field.image)
        labels = bounded_instances(
            bits_of(fused["mask"], field), unit["m_d"], unit["boxes"], **setting.configuration["instances"]
        )
        ambiguous = np.zeros(field.width * field.height, bool)
        ambiguous[fused["pixels"]] = True
        count = int(labels.max(initial=0)) + 1
        area = np.bincount(labels.ravel(), minlength=count)
        unsure = np.bincount(labels.ravel()[ambiguous], minlength=count)
        scores = np.concatenate([[0.0], unit["scores"], np.zeros(max(0, count - 1 - len(unit["scores"])))])[:count]
        doubt = np.maximum(unsure / np.maximum(area, 1), 1 - scores)
        doubt[len(unit["scores"]) + 1 :] = 1.0  # no box stands behind these
        return {"labels": labels, "doubt": doubt.astype(np.float32)}

    cells = sum(len(np.unique(unit["labels"])) - 1 for _, unit in each_unit(setting, fields, make))
    return bundle(setting, "instances.zip"), {"images": len(fields), "cells": cells}


def bounded_instances(mask: Mask, detected: Labels, boxes: Boxes, *, box_margin: float, **options: Any) -> Labels:
    """instances(), with every cell held within its box and a margin.

    Growth gives foreground that no box claims to the nearest cell, far outside its box when its neighbour was not
    detected. A box says
    how far its cell reaches, so what lies beyond is cut off.

    mask        (H, W) bool
    detected    (H, W) ids; id i belongs to boxes[i - 1]
    box_margin  how far a cell may leave its box, as a share of the box's longer side (2 px at least)
    options     of inference.instances.instances
    """
    labels = instances(mask, detected, options.get("method", "geodesic"))
    for index, place in enumerate(find_objects(labels)[: len(boxes)], start=1):
        if place is None:
            continue
        x0, y0, x1, y1 = boxes[index - 1]
        margin = max(2.0, box_margin * max(x1 - x0, y1 - y0))
        rows, columns = place
        y = np.arange(rows.start, rows.stop)[:, None] + 0.5
        x = np.arange(columns.start, columns.stop)[None] + 0.5
        inside = (x > x0 - margin) & (x < x1 + margin) & (y > y0 - margin) & (y < y1 + margin)
        window = labels[place]
        window[(window == index) & ~inside] = 0
    return instances(labels > 0, labels, **options)


def evaluation(setting: Setting) -> tuple[Path, dict[str, Any]]:
    """How good the round is, on images it did not learn from. Never against accepted proposals, which flatter the
    proposer.

    Boxes: the detector alone against people's boxes inside exhaustive regions (AP at IoU 0.5). Masks: only against
    reference masks. The artifact is JSON with the facts and "per_image", one row an image: rounds are compared by it.
    """
    readable = setting.readable()
    split = judging_split(readable)
    judged = [f for f in readable if f.split == split and f.annotated]
    with_reference = [f for f in readable if f.split == split and _is_judged(f)]
    facts: dict[str, Any] = {"split": split, "images": len(judged), "reference_images": len(with_reference)}
    rows = {f.image: {"image": f.image, "group": f.group} for f in judged + with_reference}
    if judged:
        matched = []
        for field in judged:
            if setting.stop():
                raise Cancelled("cancelled")
            matched.append(_matched_boxes(setting, field))
            rows[field.image]["box_ap50"] = average_precision(matched[-1:], (0.5,)).ap
        facts["box_ap50"] = average_precision(matched, (0.5,)).ap
    else:
        facts["sentence"] = "No image of the validation split is exhaustively annotated, so nothing is measured yet."
    if with_reference:
        facts["masks"] = _judge_masks(setting, with_reference, rows)
    elif judged:
        facts["sentence"] = "Mask quality not measurable yet: there is no reference set drawn without proposals."
    trained = {f.group for f in setting.fields if f.split == "train" and f.annotated and f.group}
    if trained & {f.group for f in judged + with_reference}:
        facts["optimistic"] = "same slide, optimistic: training and judging images come from one slide or patient"
    path = setting.work / "evaluation.json"
    path.write_text(json.dumps(facts | {"per_image": list(rows.values())}))
    setting.report(Progress(1, 1))
    return path, facts


def _matched_boxes(setting: Setting, field: Field) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(IoU with people's boxes, scores) of the detections inside the region where annotation counts."""
    unit = read_unit(setting.inputs["prediction"], field.image)
    cells, valid = field.learning()
    boxes, scores = unit["detected_boxes"], unit["detected_scores"]
    x = np.clip(((boxes[:, 0] + boxes[:, 2]) / 2).astype(int), 0, field.width - 1)
    y = np.clip(((boxes[:, 1] + boxes[:, 3]) / 2).astype(int), 0, field.height - 1)
    inside = valid[y, x]
    return box_iou(boxes[inside], boxes_of_cells(cells)), scores[inside]


def _judge_masks(
    setting: Setting, fields: Sequence[Field], rows: dict[int, dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """Detector's masks, segmenter's mask and their fusion against reference masks, mean over images; the fused ones
    of each image into its row.

    The boxes are the detector's own, never the people's: on a field that people have boxed, proposals look better
    than this.
    """
    reports: dict[str, list[Any]] = {"detector": [], "segmenter": [], "fused": []}
    for field in fields:
        if setting.stop():
            raise Cancelled("cancelled")
        assert field.reference is not None
        unit = read_unit(setting.inputs["prediction"], field.image)
        threshold = setting.configuration["prediction"]["detector_threshold"]
        (m_d, boxes), m_s = alone(unit, field, threshold), bits_of(unit["m_s"], field)
        fused = fused_alone(field.rgb(), m_d, boxes, m_s, setting.configuration)
        reference = read_labels(field.reference)
        reports["detector"].append(per_image(reference, m_d))
        reports["segmenter"].append(per_image(reference, label(m_s)[0].astype(np.int32)))
        reports["fused"].append(per_image(reference, fused))
        rows[field.image] |= {k: float(reports["fused"][-1].as_dict()[k]) for k in COMPARED}
        # Without a score a cell counts as sure: AP then asks only how many cells of the reference are met.
        overlap = mask_iou(contingency(reference, fused))
        rows[field.image]["mask_ap50"] = average_precision([(overlap, np.ones(len(overlap), np.float32))], (0.5,)).ap
    kept = (*COMPARED, "bf1_tolerance_px")
    return {part: {k: round(float(mean(found)[k]), 4) for k in kept} for part, found in reports.items()}


def fused_alone(rgb: RGB, m_d: Labels, boxes: Boxes, m_s: Mask, configuration: dict[str, Any]) -> Labels:
    """Instances from the two halves, as the stages fusion and instances make them."""
    parameters = Parameters(**configuration["fusion"])
    return bounded_instances(fuse(rgb, m_d > 0, m_s, parameters).mask, m_d, boxes, **configuration["instances"])


RUN: dict[str, Callable[[Setting], tuple[Path, dict[str, Any]]]] = {
    "pseudo_masks": pseudo_masks,
    "detector": detector,
    "segmenter": segmenter,
    "prediction": prediction,
    "fusion": fusion,
    "instances": instance_maps,
    "evaluation": evaluation,
}


@dataclass(frozen=True)
class Proposal:
    """One cell as a round proposes it: tight mask, class index, the person's cell it was prompted by, and doubt
    0..1."""

    number: int
    mask: BoxMask
    class_index: int | None
    source: str | None
    doubt: float


def proposals(field: Field, prediction_unit: Unit, instances_unit: Unit) -> list[Proposal]:
    """What is worth a person's look. A cell whose mask a person has verified is not proposed again."""
    settled = {cell.uid for cell in field.cells if cell.mask is not None}
    nobody_asks = rasterise_boxes(np.concatenate([field.ignore, field.cannot_tell]), field.width, field.height)
    found = []
    for number, mask in cells_of(instances_unit["labels"]):
        known = number <= len(prediction_unit["sources"])
        source = prediction_unit["sources"][number - 1] if known else None
        inside = clip(mask, field.width, field.height)
        if inside is None or (source and source in settled):
            continue
        h, w = inside.bits.shape
        if source is None and nobody_asks[inside.y : inside.y + h, inside.x : inside.x + w][inside.bits].mean() > 0.5:
            continue
        class_index = prediction_unit["classes"][number - 1] if known else None
        found.append(Proposal(number, inside, class_index, source, float(instances_unit["doubt"][number])))
    return found
