"""BoxCell's tables (arXiv:2311.17960) with the models at hand: one training a seed, every variant from its parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from inference import metrics
from inference.datasets import Dataset
from inference.fusion import fuse
from inference.fusion.comparators import averaged, dense_crf, low_precision, spatial_only, weighted
from inference.instances import Method, instances
from inference.methods import boxcell, variations
from inference.registry import DEFAULT_PROMPTER
from inference.types import Labels, Mask, Report, Sample
from inference.weights import files, sha256, shipped

BOUNDARY = 2.0  # pixels of tolerance of BF1; the paper does not say its own
# ITD's share in ENet, tuned by the paper on its validation images; a set it does not have gets the middle.
ENET = {"consep": 0.522, "monuseg": 0.523, "tnbc": 0.493}

KINDS: dict[str, Method] = {
    "connected components": "components",
    "watershed": "watershed",
    "k-means (paper)": "kmeans",
    "geodesic (ours)": "geodesic",
}

# Sets whose folder names no validation part: an own split by image, fixed here so that figures can be compared.
VALIDATION = {
    "consep": ("train_1", "train_7", "train_12", "train_18", "train_24"),
    "gbm40": ("01", "06", "11", "16", "21", "26", "31", "36"),
}


def split(dataset: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names to train on and to measure on. Raises ValueError when neither the folder nor VALIDATION has a split."""
    held_out = dataset.split("val") or VALIDATION.get(dataset.name, ())
    if not held_out:
        raise ValueError(f"{dataset.name} has no validation images")
    return tuple(name for name in dataset.split("train") if name not in held_out), tuple(held_out)


@dataclass(frozen=True)
class Row:
    """One variant on one image: Dice and IoU of the foreground; PQ, AJI, BF1 of instances where it makes any."""

    table: str
    variant: str
    seed: int
    image: str
    values: dict[str, float]


class Weights(TypedDict):
    """Which weights a part begins with; sets: the data sets that they have learned from."""

    name: str
    sha256: str
    sets: list[str]


def provenance(settings: boxcell.BoxCellSettings) -> dict[str, Weights]:
    """The weights a run begins with: for each part its name, the head of its sha256, and the sets it was trained on.

    The prompter and the segmenter learn from masks, the detector from boxes alone. Parts without weights are absent.
    """
    paths: dict[str, tuple[str, Path | None]] = {}
    if settings.prompter == DEFAULT_PROMPTER:
        own = settings.options.get("prompter", {}).get("weights")
        paths["prompter"] = (settings.prompter, Path(own) if own else shipped("boxwise"))
    for kind, name in (("detector", settings.detector), ("segmenter", settings.segmenter)):
        paths[kind] = (name, settings.start.get(kind) or shipped(name))
    return {
        kind: {"name": name, "sha256": sha256(path)[:8], "sets": files.load(path)[1].get("sets", [])}
        for kind, (name, path) in paths.items()
        if path is not None
    }


def saw_masks(weights: Mapping[str, Weights], dataset: str) -> bool:
    """Whether the prompter or the segmenter's start learned from reference masks of that set."""
    return any(dataset in weights[kind]["sets"] for kind in ("prompter", "segmenter") if kind in weights)


def foreground(mask: Mask, truth: Labels) -> dict[str, float]:
    return {"dice": metrics.dice(truth > 0, mask), "iou": metrics.iou(truth > 0, mask)}


def cells(labels: Labels, truth: Labels) -> dict[str, float]:
    table = metrics.contingency(truth, labels)
    return {
        "pq": metrics.panoptic(table).pq,
        "aji": metrics.aji(table),
        "bf1": metrics.boundary_f1(truth, labels, BOUNDARY),
    }


def rows_of_image(
    model: boxcell.BoxCell, sample: Sample, seed: int, parts: boxcell.Parts, *, enet: float = 0.5, crf: bool = False
) -> list[Row]:
    """Tables 1, 3, 4, 5 and 7 on one image, of parts = model.predict(sample.rgb).

    enet  ITD's share in the weighted average; crf  also DenseCRF. Raises ImportError when that is not installed.
    """
    assert sample.labels is not None
    truth, rgb = sample.labels, sample.rgb
    m_d, m_s = parts.detected > 0, parts.segmented
    rows: list[Row] = []

    def add(table: str, variant: str, mask: Mask, labels: Labels | None = None) -> None:
        values = foreground(mask, truth) | (cells(labels, truth) if labels is not None else {})
        rows.append(Row(table, variant, seed, sample.name, values))

    def of(mask: Mask) -> Labels:
        return instances(mask, parts.detected, smallest=model.settings.least_area)

    paper = replace(model.settings.fusion, trust=0.0)
    by_paper, fused = fuse(rgb, m_d, m_s, paper).mask, parts.fused.mask
    add("parts", "ITD", m_d, parts.detected)
    add("parts", "ITS", m_s, instances(m_s, np.zeros_like(parts.detected), "components"))
    if crf:
        refined = dense_crf(rgb, m_d.astype(np.float32) / 2 + m_s / 2)
        add("parts", "BoxCell, DenseCRF", refined, of(refined))
    add("parts", variations.PAPER, by_paper, of(by_paper))
    add("parts", "BoxCell", fused, parts.labels)
    better = m_d if metrics.dice(truth > 0, m_d) >= metrics.dice(truth > 0, m_s) else m_s
    add("parts", "better part (oracle)", better)
    add("parts", "limit of any fusion (oracle)", (m_d & m_s) | ((m_d ^ m_s) & (truth > 0)))

    add("merging", "AP (or)", m_d | m_s, of(m_d | m_s))
    add("merging", "LP (and)", m_d & m_s, of(m_d & m_s))
    soft = variations.soft_mask(parts.prompted, *m_d.shape)
    for variant, mask in (
        ("AP, soft masks", averaged(soft, parts.probability)),
        ("LP, soft masks", low_precision(soft, parts.probability)),
        ("ENet, soft masks", weighted(soft, parts.probability, enet)),
    ):
        add("merging", variant, mask)

    add("ablation", "ITD", m_d)
    add("ablation", "ITS", m_s)
    add("ablation", "+ IDF", fuse(rgb, m_d, m_s, replace(paper, lam=0.0)).mask)
    add("ablation", "+ SCF", spatial_only(rgb, m_d, m_s, paper))
    add("ablation", "+ IDF + SCF", by_paper)
    add("ablation", f"+ IDF + SCF + trust {model.settings.fusion.trust:g}", fused)

    for variant, kind in KINDS.items():
        add("instances", variant, fused, instances(fused, parts.detected, kind))

    few = replace(paper, minimum_pixels=paper.components)
    add("fallback", "patch model from N pixels on (paper's code)", fuse(rgb, m_d, m_s, few).mask)
    add("fallback", f"from {paper.minimum_pixels} pixels on (ours)", by_paper)
    return rows


def run(
    dataset: Dataset,
    settings: boxcell.BoxCellSettings,
    seeds: Sequence[int],
    *,
    work: Path,
    report: Report,
    tell: Callable[[str], None],
    others: Sequence[Dataset] = (),
    crf: bool = False,
) -> list[Row]:
    """Train once a seed on the training images' boxes and measure on the held-out ones.

    The first seed also varies the fusion, the boxes and the stain (tables 9, 10, 12) and looks at `others` (table 11).
    """
    training, held_out = split(dataset)
    rows: list[Row] = []
    for seed in seeds:
        output = work / f"{dataset.name}-{seed}"
        samples = [dataset.sample(name) for name in training]
        # No held-out image takes part in the training: no epoch and no threshold is chosen on what is measured.
        tell(f"{dataset.name}, seed {seed}: {len(samples)} images to train on, {len(held_out)} to measure on")
        boxcell.train(samples, [], replace(settings, seed=seed), output=output, report=report, stop=lambda: False)
        model = boxcell.load(output, device=settings.device)
        for name in held_out:
            sample = dataset.sample(name, with_labels=True)
            parts = model.predict(sample.rgb)
            rows += rows_of_image(model, sample, seed, parts, enet=ENET.get(dataset.name, 0.5), crf=crf)
            if seed == seeds[0]:
                for table, variant, mask in variations.of_image(model, sample, parts):
                    assert sample.labels is not None
                    rows.append(Row(table, variant, seed, name, foreground(mask, sample.labels)))
            tell(f"  measured {name}")
        if seed == seeds[0]:
            rows += across(model, dataset, others, seed)
    return rows


def across(model: boxcell.BoxCell, dataset: Dataset, others: Sequence[Dataset], seed: int) -> list[Row]:
    rows = []
    for other in others:
        for name in split(other)[1] if other.name != dataset.name else ():
            sample = other.sample(name, with_labels=True)
            assert sample.labels is not None
            for part, mask in variations.masks_of(sample.rgb, model.predict(sample.rgb), model.settings.fusion):
                values = foreground(mask, sample.labels)
                rows.append(Row("across", f"{dataset.name} to {other.name}, {part}", seed, name, values))
    return rows
