"""BoxCell's tables (arXiv:2311.17960) with the models at hand: one training a seed, every variant from its parts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inference import metrics
from inference.datasets import Dataset
from inference.fusion import fuse
from inference.instances import instances
from inference.methods import boxcell
from inference.prompters.paint import paint
from inference.types import Detections, Labels, Mask, Prompted, Prompts, Report, Sample

GRIDS = (3, 5, 10, 15, 20)
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BOUNDARY = 2.0  # pixels of tolerance of BF1; the paper does not say its own

# Sets whose folder names no validation part: an own split by image, fixed here so that figures can be compared.
VALIDATION = {
    "consep": ("train_1", "train_7", "train_12", "train_18", "train_24"),
    "gbm40": ("01", "06", "11", "16", "21", "26", "31", "36"),
}


def split(dataset: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names to train on and to measure on. Raises ValueError when neither the folder nor VALIDATION has a split."""
    held = dataset.split("val") or VALIDATION.get(dataset.name, ())
    if not held:
        raise ValueError(f"{dataset.name} has no validation images")
    return tuple(name for name in dataset.split("train") if name not in held), tuple(held)


@dataclass(frozen=True)
class Row:
    """One variant on one image: Dice and IoU of the foreground; PQ, AJI, BF1 of instances where it makes any."""

    table: str
    variant: str
    seed: int
    image: str
    values: dict[str, float]


def foreground(mask: Mask, truth: Labels) -> dict[str, float]:
    return {"dice": metrics.dice(truth > 0, mask), "iou": metrics.iou(truth > 0, mask)}


def cells(labels: Labels, truth: Labels) -> dict[str, float]:
    table = metrics.contingency(truth, labels)
    return {
        "pq": metrics.panoptic(table).pq,
        "aji": metrics.aji(table),
        "bf1": metrics.boundary_f1(truth, labels, BOUNDARY),
    }


def rows_of_image(model: boxcell.BoxCell, sample: Sample, seed: int, *, sweeps: bool) -> list[Row]:
    """Every variant on one image; `sweeps` adds the grid and threshold tables, which differ by small amounts."""
    assert sample.labels is not None
    truth, rgb = sample.labels, sample.rgb
    parts = model.predict(rgb)
    m_d, m_s, settings = parts.detected > 0, parts.segmented, model.settings
    rows: list[Row] = []

    def add(table: str, variant: str, mask: Mask, labels: Labels | None = None) -> None:
        values = foreground(mask, truth) | (cells(labels, truth) if labels is not None else {})
        rows.append(Row(table, variant, seed, sample.name, values))

    fused = parts.fused.mask
    add("parts", "ITD", m_d, parts.detected)
    add("parts", "ITS", m_s, instances(m_s, np.zeros_like(parts.detected), "components"))
    add("parts", "BoxCell", fused, parts.labels)
    better = m_d if metrics.dice(truth > 0, m_d) >= metrics.dice(truth > 0, m_s) else m_s
    add("parts", "better part (oracle)", better)
    add("merging", "AP (or)", m_d | m_s)
    add("merging", "LP (and)", m_d & m_s)
    colour_only = replace(settings.fusion, lam=0.0)
    add("ablation", "+ IDF", fuse(rgb, m_d, m_s, colour_only).mask)
    add("ablation", "+ IDF + SCF", fused)
    add("instances", "connected components", fused, instances(fused, parts.detected, "components"))
    add("instances", "watershed", fused, instances(fused, parts.detected, "watershed"))
    add("instances", "k-means (paper)", fused, instances(fused, parts.detected, "kmeans"))
    add("instances", "geodesic (ours)", fused, instances(fused, parts.detected, "geodesic"))
    paper = replace(settings.fusion, minimum_pixels=settings.fusion.components)
    add("fallback", "patch model from N pixels on (paper's code)", fuse(rgb, m_d, m_s, paper).mask)
    add("fallback", f"from {settings.fusion.minimum_pixels} pixels on (ours)", fused)
    if sweeps:
        for grid in GRIDS:
            add("grid", str(grid), fuse(rgb, m_d, m_s, replace(settings.fusion, grid=grid)).mask)
        for threshold, detected in by_threshold(model, parts, rgb):
            add("threshold", f"{threshold:.1f} ITD", detected > 0)
            mask = fuse(rgb, detected > 0, m_s, settings.fusion).mask
            add("threshold", f"{threshold:.1f} BoxCell", mask)
    return rows


def by_threshold(model: boxcell.BoxCell, parts: boxcell.Parts, rgb: Any) -> list[tuple[float, Labels]]:
    """M_D at every score threshold; masks are made once, for the lowest."""
    detector = model.detector
    settings = getattr(detector, "settings", None)
    detections, prompted = parts.detections, parts.prompted
    if settings is not None:
        detector = type(detector)(detector.net, replace(settings, threshold=min(THRESHOLDS)), device=detector.device)  # type: ignore[attr-defined,call-arg]
        detections = detector.detect(rgb)
        prompted = model.prompter.decode(model.prompter.encode(rgb), Prompts(boxes=detections.boxes))
    return [(t, paint(kept(prompted, detections, t), rgb.shape[1], rgb.shape[0])) for t in THRESHOLDS]


def kept(prompted: Prompted, detections: Detections, threshold: float) -> Prompted:
    rows = np.flatnonzero(detections.scores >= threshold)
    return Prompted([prompted.masks[int(i)] for i in rows], prompted.scores[rows])


def run(
    dataset: Dataset,
    settings: boxcell.BoxCellSettings,
    seeds: Sequence[int],
    *,
    work: Path,
    report: Report,
    tell: Callable[[str], None],
    others: Sequence[Dataset] = (),
) -> list[Row]:
    """Train once a seed on the training images' boxes and measure on the held-out ones, and on `others` (table 11)."""
    training, held = split(dataset)
    rows: list[Row] = []
    for seed in seeds:
        output = work / f"{dataset.name}-{seed}"
        samples = [dataset.sample(name) for name in training]
        # No held-out image takes part in the training: no epoch and no threshold is chosen on what is measured.
        tell(f"{dataset.name}, seed {seed}: {len(samples)} images to train on, {len(held)} to measure on")
        boxcell.train(samples, [], replace(settings, seed=seed), output=output, report=report, stop=lambda: False)
        model = boxcell.load(output, device=settings.device)
        for name in held:
            rows += rows_of_image(model, dataset.sample(name, with_labels=True), seed, sweeps=seed == seeds[0])
        for other in others:
            if other.name == dataset.name:
                continue
            for name in split(other)[1]:
                sample = other.sample(name, with_labels=True)
                assert sample.labels is not None
                parts = model.predict(sample.rgb)
                for variant, mask in (
                    ("ITD", parts.detected > 0),
                    ("ITS", parts.segmented),
                    ("BoxCell", parts.fused.mask),
                ):
                    values = foreground(mask, sample.labels)
                    rows.append(Row("across", f"{dataset.name} to {other.name} {variant}", seed, name, values))
    return rows
