"""What a trained BoxCell answers when one setting, the boxes or the stain are others (tables of the benchmark)."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from inference.fusion import Parameters, fuse
from inference.methods import boxcell
from inference.prompters.paint import paint
from inference.training.augment import STAINS
from inference.types import RGB, Boxes, Detections, Labels, Mask, Probability, Prompted, Prompts, Sample

ONE_SETTING: dict[str, tuple[str, tuple[float, ...]]] = {  # table -> field of Parameters and its values
    "grid": ("grid", (3, 5, 10, 15, 20)),
    "lambda": ("lam", (0, 0.5, 1, 2, 5)),
    "theta": ("theta", (1, 5, 10, 25, 30)),
    "components": ("components", (2, 3, 4, 5, 6)),
    "trust": ("trust", (0, 1, 2, 3, 4, 6)),
}
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
JITTER = (0.0, 0.05, 0.1, 0.15, 0.2)
PAPER = "BoxCell, the paper's energy"


def of_image(model: boxcell.BoxCell, sample: Sample, parts: boxcell.Parts) -> Iterator[tuple[str, str, Mask]]:
    """(table, variant, mask) of every variation on one image; in ONE_SETTING all other settings are the paper's."""
    rgb, m_d, m_s, ours = sample.rgb, parts.detected > 0, parts.segmented, model.settings.fusion
    for table, (field, values) in ONE_SETTING.items():
        for value in values:
            settings = replace(ours, **{"trust": 0.0, field: value})  # type: ignore[arg-type]
            yield table, f"{value:g}", fuse(rgb, m_d, m_s, settings).mask
    for threshold, detected in by_threshold(model, parts, rgb):
        for part, mask in fusions(rgb, detected > 0, m_s, ours):
            yield "threshold", f"{threshold:.1f}, {part}", mask
    encoded = model.prompter.encode(rgb)
    for amount in JITTER:
        # The reference boxes with errors, in the detector's place: what the fusion repairs of it.
        boxes = jitter(sample.boxes, amount, np.random.default_rng(len(sample.boxes)))
        prompted = paint(model.prompter.decode(encoded, Prompts(boxes=boxes)), rgb.shape[1], rgb.shape[0]) > 0
        for part, mask in fusions(rgb, prompted, m_s, ours):
            yield "jitter", f"{amount:.0%}, {part}", mask
    stained = another_stain(rgb, np.random.default_rng(len(sample.boxes)))
    for part, mask in masks_of(stained, model.predict(stained), ours):
        yield "stain", part, mask


def fusions(rgb: RGB, m_d: Mask, m_s: Mask, settings: Parameters) -> Iterator[tuple[str, Mask]]:
    """The detector's mask, its fusion as the paper does it, and with trust."""
    yield "ITD", m_d
    yield PAPER, fuse(rgb, m_d, m_s, replace(settings, trust=0.0)).mask
    yield "BoxCell", fuse(rgb, m_d, m_s, settings).mask


def masks_of(rgb: RGB, parts: boxcell.Parts, settings: Parameters) -> Iterator[tuple[str, Mask]]:
    yield "ITS", parts.segmented
    yield from fusions(rgb, parts.detected > 0, parts.segmented, settings)


def another_stain(rgb: RGB, rng: np.random.Generator) -> RGB:
    """The tissue with hematoxylin and eosin each 0.5 to 1.6 times as strong (Ruifrok & Johnston's stains). (H, W, 3).

    Stronger changes than the training's (0.65 to 1.35), and never both towards 1: the tissue is to look different.
    """
    density = -np.log(np.maximum(rgb, 1) / 255.0)
    amounts = density.reshape(-1, 3) @ np.linalg.inv(STAINS)
    factors = np.where(rng.random(2) < 0.5, rng.uniform(0.5, 0.7, 2), rng.uniform(1.3, 1.6, 2))
    amounts[:, :2] *= factors
    shown = 255 * np.exp(-np.maximum(amounts @ STAINS, 0))
    varied: RGB = np.clip(np.rint(shown), 0, 255).astype(np.uint8).reshape(rgb.shape)
    return varied


def soft_mask(prompted: Prompted, height: int, width: int) -> Probability:
    """M_D with the prompter's own confidence in place of 1, the best where masks overlap. (H, W) float32, 0..1.

    A prompter's masks are binary, so their borders are smoothed by 1 pixel: without it averages are AND or OR.
    """
    soft: npt.NDArray[np.float32] = np.zeros((height, width), np.float32)
    for mask, score in zip(prompted.masks, prompted.scores):
        part = soft[mask.y : mask.y + mask.bits.shape[0], mask.x : mask.x + mask.bits.shape[1]]
        np.maximum(part, mask.bits * np.float32(score), out=part)
    smoothed: Probability = np.clip(cv2.GaussianBlur(soft, (0, 0), 1.0), 0, 1)
    return smoothed


def by_threshold(model: boxcell.BoxCell, parts: boxcell.Parts, rgb: RGB) -> list[tuple[float, Labels]]:
    """M_D at every score threshold; masks are made once, for the lowest."""
    detector = model.detector
    detections, prompted = parts.detections, parts.prompted
    if hasattr(detector, "settings"):
        detector = copy(detector)  # the same net, scale and device
        detector.settings = replace(detector.settings, threshold=min(THRESHOLDS))
        detections = detector.detect(rgb)
        prompted = model.prompter.decode(model.prompter.encode(rgb), Prompts(boxes=detections.boxes))
    return [(t, paint(kept(prompted, detections, t), rgb.shape[1], rgb.shape[0])) for t in THRESHOLDS]


def kept(prompted: Prompted, detections: Detections, threshold: float) -> Prompted:
    rows = np.flatnonzero(detections.scores >= threshold)
    return Prompted([prompted.masks[int(i)] for i in rows], prompted.scores[rows])


def jitter(boxes: Boxes, amount: float, rng: np.random.Generator) -> Boxes:
    """Each side moved by N(0, amount x the box's size along that axis); never narrower than 2 pixels."""
    size = boxes[:, 2:] - boxes[:, :2]
    moved = boxes + rng.normal(0, amount, boxes.shape) * np.tile(size, 2)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 2)
    return moved
