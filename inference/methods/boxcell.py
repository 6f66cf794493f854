"""BoxCell (arXiv:2311.17960) on files or in memory: boxes in, exact instance masks out.

Training: masks of the annotated boxes by the prompter (pseudo-masks), a detector learned from the boxes, a segmenter
(the paper's ITS) learned from the pseudo-masks. Prediction: the detector's boxes prompt the prompter (M_D), the
segmenter looks at the image (M_S), the minimum cut reconciles the two, and the detections give every cell its id.
Reference masks are never asked for.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from inference.archives import folder_of
from inference.crumbs import LONE, without_crumbs
from inference.datasets import write_labels
from inference.fusion import Fused, Parameters, fuse
from inference.instances import instances
from inference.labels import without_points
from inference.masks import cells_of
from inference.methods.frame import read_bundle, write_bundle
from inference.prompters.paint import paint
from inference.registry import DEFAULT_PROMPTER, PARTS, prompter, trainer
from inference.segmenters.learning import NetSegmenter
from inference.types import (
    RGB,
    Classes,
    Detections,
    Detector,
    InferenceError,
    Labels,
    Mask,
    Probability,
    Progress,
    Prompted,
    Prompter,
    Prompts,
    Report,
    Sample,
    Scores,
    Segmenter,
    Stop,
)

NAME = "boxcell"
METHOD = "boxcell-1"
# Better than the paper's 0 on validation images of four sets (docs/fusion.md, "Trust").
TRUST = 3.0


# A detector that was trained longer and sees mirror images is right more often where the masks disagree: 4 measured
# better there than 3 (docs/models.md, "What helps without training"). The paper's energy has no trust.
TRUST_OF = {"standard": 4.0, "paper": 0.0}


def fusion_of(preset: str) -> Parameters:
    """The fusion of a preset: "paper" is the paper's energy, the others believe the detector where masks disagree."""
    return Parameters(trust=TRUST_OF.get(preset, TRUST))


@dataclass(frozen=True)
class BoxCellSettings:
    """The parts by their names in inference.registry, and the settings of what joins them.

    least_area  pixels; smaller pieces of M_S and smaller cells are dropped (the paper: 20)
    self_training  how often the segmenter is trained once more, on what the cut makes of the pseudo-masks and its own
                   answers for the training images (0: the paper)
    start       weights that "detector" or "segmenter" start from, instead of the shipped ones
    options     keyword arguments for "prompter", "detector" and "segmenter", for example other weights
    """

    prompter: str = DEFAULT_PROMPTER
    detector: str = "centre"
    segmenter: str = "unet"
    preset: str = "quick"
    classes: int = 1
    fusion: Parameters = field(default_factory=Parameters)
    least_area: int = 20
    device: str = "auto"
    seed: int = 0
    self_training: int = 0
    start: dict[str, Path] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.self_training < 0:
            raise ValueError(f"the segmenter cannot be trained {self.self_training} times more")


def settings_of(
    preset: str,
    *,
    device: str = "auto",
    seed: int = 0,
    prompter: str | None = None,
    detector: str | None = None,
    segmenter: str | None = None,
    self_training: int = 0,
) -> BoxCellSettings:
    """The settings of a preset; parts that nobody names are the preset's."""
    return BoxCellSettings(
        prompter=prompter or DEFAULT_PROMPTER,
        detector=detector or PARTS[preset]["detector"],
        segmenter=segmenter or PARTS[preset]["segmenter"],
        preset=preset,
        fusion=fusion_of(preset),
        device=device,
        seed=seed,
        self_training=self_training,
    )


@dataclass(frozen=True)
class Parts:
    """Everything that one image's prediction was made of, so that a reviewer can see why.

    detected     (H, W) label map M_D: id i + 1 is detections' row i
    probability  (H, W) of the segmenter
    segmented    (H, W) bool M_S
    fused        mask and certificate
    labels       (H, W) instances; a detected cell keeps its id, cells only the segmenter saw follow
    """

    detections: Detections
    prompted: Prompted
    detected: Labels
    probability: Probability
    segmented: Mask
    fused: Fused
    labels: Labels

    @property
    def scores(self) -> Scores:
        """The detector's; of cells that only the segmenter saw, the mean probability of their pixels."""
        count = len(self.detections)
        scores = np.zeros(max(count, int(self.labels.max(initial=0))), np.float32)
        scores[:count] = self.detections.scores
        for number, mask in cells_of(self.labels):
            if number > count:
                height, width = mask.bits.shape
                window = self.probability[mask.y : mask.y + height, mask.x : mask.x + width]
                scores[number - 1] = window[mask.bits].mean()
        return scores

    @property
    def classes(self) -> Classes:
        """The detector's; 0 of cells that only the segmenter saw."""
        classes = np.zeros(max(len(self.detections), int(self.labels.max(initial=0))), np.int64)
        classes[: len(self.detections)] = self.detections.classes
        return classes

    @property
    def remark(self) -> str:
        return f"{len(self.detections)} detected, {self.fused.certificate.free_pixels} pixels disputed"

    def write_parts(self, folder: Path, name: str) -> None:
        """detector/, segmenter/ and fused/ with the certificate, in a folder."""
        write_labels(folder / "detector" / f"{name}.png", self.detected)
        for kind, array in (("segmenter", self.probability), ("fused", self.fused.mask)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            grey = np.round(array.astype(np.float32) * 255).astype(np.uint8)
            Image.fromarray(grey).save(folder / kind / f"{name}.png")
        found = {
            "boxes": self.detections.boxes.round(2).tolist(),
            "scores": self.detections.scores.round(4).tolist(),
            "classes": self.detections.classes.tolist(),
            "mask_scores": self.prompted.scores.round(4).tolist(),
            "certificate": self.fused.certificate.as_dict(),
        }
        (folder / "fused" / f"{name}.json").write_text(json.dumps(found, indent=1, default=str))


@dataclass(frozen=True)
class BoxCell:
    """A trained pipeline."""

    prompter: Prompter
    detector: Detector
    segmenter: Segmenter
    settings: BoxCellSettings

    @property
    def models(self) -> dict[str, str]:
        return {
            "detector": self.detector.name,
            "segmenter": self.segmenter.name,
            "prompter": self.prompter.name,
        }

    def adapt(self, images: Sequence[RGB]) -> str:
        """Fit the segmenter's running statistics to these images. -> what was done, for a person"""
        before = self.segmenter.name
        if isinstance(self.segmenter, NetSegmenter) and self.segmenter.adapted(images).name != before:
            return f"{before}: normalisation fitted to {len(images)} images"
        return f"{before}: has no running statistics, so there is nothing to fit"

    def predict(self, rgb: RGB) -> Parts:
        height, width = rgb.shape[:2]
        detections = self.detector.detect(rgb)
        found = self.prompter.decode(self.prompter.encode(rgb), Prompts(boxes=detections.boxes))
        detected = paint(found, width, height)
        probability = self.segmenter.foreground(rgb)
        segmented = without_specks(probability >= 0.5, self.settings.least_area)
        fused = fuse(rgb, detected > 0, segmented, self.settings.fusion)
        labels = instances(fused.mask, detected, smallest=self.settings.least_area)
        labels, _ = without_crumbs(labels, 0.0, boxes=len(detections.boxes), lone=LONE)
        return Parts(detections, found, detected, probability, segmented, fused, labels)


def without_specks(mask: Mask, least: int) -> Mask:
    """4-connected pieces of fewer than `least` pixels become background."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] >= least
    keep[0] = False
    kept: Mask = keep[pieces]
    return kept


def pseudo_masks(made: Prompter, sample: Sample) -> Sample:
    """The sample with the prompter's masks of its boxes as labels; labels it already had are not looked at.

    A box without an answer leaves its pixels out of `valid`: unknown is not background.
    """
    height, width = sample.rgb.shape[:2]
    found = made.decode(made.encode(sample.rgb), Prompts(boxes=sample.boxes))
    valid = sample.valid.copy()
    for box, mask in zip(sample.boxes, found.masks):
        if not mask.bits.size:
            x0, y0 = np.maximum(np.floor(box[:2]), 0).astype(int)
            x1, y1 = np.maximum(np.ceil(box[2:]), 0).astype(int)
            valid[y0:y1, x0:x1] = False
    return replace(sample, labels=paint(found, width, height), valid=valid)


def fused_pseudo_masks(segmenter: Segmenter, sample: Sample, settings: BoxCellSettings) -> Sample:
    """The sample with the cut of its pseudo-masks and of what the segmenter, trained on them, sees (self-training)."""
    assert sample.labels is not None
    segmented = without_specks(segmenter.foreground(sample.rgb) >= 0.5, settings.least_area)
    fused = fuse(sample.rgb, sample.labels > 0, segmented, settings.fusion)
    return replace(sample, labels=instances(fused.mask, sample.labels, smallest=settings.least_area))


def train(
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    settings: BoxCellSettings,
    *,
    output: Path,
    report: Report,
    stop: Stop,
) -> Path:
    """Train both parts and write the bundle folder `output`; going on where a stopped training was.

    Cells that are points teach nothing here (inference/labels.py). Masks of samples are not looked at. Progress is
    counted in epochs of both parts, with the part's name as its note. Raises Cancelled, TrainingDiverged,
    InferenceError.
    """
    work = output / "work"
    made = prompter(settings.prompter, **settings.options.get("prompter", {}))
    boxes_only = [without_points(replace(sample, labels=None)) for sample in samples]
    boxes_only_validation = [without_points(replace(sample, labels=None)) for sample in validation]
    trainings = 2 + settings.self_training

    def learn(kind: str, learned: Sequence[Sample], checked: Sequence[Sample], number: int) -> Path:
        return part_trainer(settings, kind).train(
            learned,
            checked,
            work=work / (kind if number < 2 else f"{kind}-{number - 1}"),
            report=part_report(report, kind, number, trainings),
            stop=stop,
            start_from=settings.start.get(kind),
        )

    made_of = {"detector": learn("detector", boxes_only, boxes_only_validation, 0)}
    masked = [pseudo_masks(made, sample) for sample in boxes_only]
    masked_validation = [pseudo_masks(made, sample) for sample in boxes_only_validation]
    made_of["segmenter"] = learn("segmenter", masked, masked_validation, 1)
    for number in range(2, trainings):
        segmenter = part_trainer(settings, "segmenter").load(made_of["segmenter"])
        fused = [fused_pseudo_masks(segmenter, sample, settings) for sample in masked]
        made_of["segmenter"] = learn("segmenter", fused, masked_validation, number)
    parts = {}
    for kind, path in made_of.items():
        parts[kind] = output / path.name
        # A copy, not a move: the trainer's own file tells a later call that this part is done.
        parts[kind].write_bytes(path.read_bytes())
    about = {
        "method": METHOD,
        "settings": asdict(settings),
        "prompter": made.name,
        "parts": {kind: path.name for kind, path in parts.items()},
    }
    return write_bundle(output, NAME, about)


def part_trainer(settings: BoxCellSettings, kind: str) -> Any:
    options: dict[str, Any] = {"device": settings.device, "seed": settings.seed} | settings.options.get(kind, {})
    if kind == "detector":
        return trainer(kind, settings.detector, settings.preset, classes=settings.classes, **options)
    return trainer(kind, settings.segmenter, settings.preset, **options)


def part_report(report: Report, kind: str, number: int, trainings: int) -> Callable[[Progress], None]:
    """All trainings as one row of epochs; that the others are as long as this one is a guess."""

    def report_part(progress: Progress) -> None:
        report(Progress(number * progress.total + progress.done, trainings * progress.total, kind, progress.values))

    return report_part


def load(bundle: Path, *, device: str = "auto") -> BoxCell:
    """A trained pipeline from its folder, or from the zip of a round's "Models and card", which brings weights of the
    prompter along where the round used a team's own.

    Raises InferenceError when there is no trained pipeline in it, BadWeights when a part is damaged.
    """
    bundle = folder_of(bundle)
    about: Any = read_bundle(bundle, NAME, METHOD)  # untyped: its faults are caught here
    try:
        kept = dict(about["settings"])
        settings = BoxCellSettings(**kept | {"fusion": Parameters(**kept["fusion"]), "device": device})
        paths = {kind: bundle / Path(name).name for kind, name in about["parts"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise InferenceError(f"{bundle.name} is no trained model: {error}") from error
    own = {"weights": paths["prompter"]} if "prompter" in paths else {}
    return BoxCell(
        prompter(settings.prompter, **settings.options.get("prompter", {}), **own),
        part_trainer(settings, "detector").load(paths["detector"]),
        part_trainer(settings, "segmenter").load(paths["segmenter"]),
        settings,
    )
