"""What was tried beyond the paper's fusion, on validation images of four sets: Dice of the fused mask, one model.

Trains BoxCell's quick preset on tnbc's training images, or takes the folders BOXWISE_MODEL (separated by ":") that
`boxwise train` or `boxwise benchmark` wrote: the first is measured, the segmenters of all are averaged in one line. No
test image is touched. Every line but the first three is our default with one thing changed; the two limits are decided
by the reference and say where the remaining error lies.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from inference.datasets import open_dataset
from inference.fusion import Fused, Parameters, fuse
from inference.fusion.comparators import cut_with
from inference.masks import boxes_of, labels_of
from inference.methods import boxcell
from inference.methods.benchmark import split
from inference.metrics import dice
from inference.segmenters.learning import NetSegmenter
from inference.types import RGB, Mask, Probability, Prompts

SETS = ("tnbc", "gbm40", "consep", "monuseg")
SIDE = 768  # of the corner of larger images that is measured
OURS = Parameters(trust=boxcell.TRUST)


def variants(models: Sequence[boxcell.BoxCell], rgb: RGB, truth: Mask) -> Iterator[tuple[str, Mask]]:
    model = models[0]
    parts = model.predict(rgb)
    m_d, m_s, probability = parts.detected > 0, parts.segmented, parts.probability
    fused = fuse(rgb, m_d, m_s, OURS)
    yield "detector's masks", m_d
    yield "segmenter's mask", m_s
    yield "BoxCell (default)", fused.mask
    for pixels in (2, 1000, 3000):
        settings = replace(OURS, minimum_pixels=pixels)
        yield f"patch colours from {pixels} agreed pixels on (300)", fuse(rgb, m_d, m_s, settings).mask
    yield "colours of the whole image (K = 1)", fuse(rgb, m_d, m_s, replace(OURS, grid=1)).mask
    for name, values in (("trust", (0.0, 2.0, 4.0, 6.0)), ("lam", (1.0, 5.0))):
        for value in values:
            yield f"{name} {value:g}", fuse(rgb, m_d, m_s, replace(OURS, **{name: value})).mask
    for weight in (0.5, 1.0):
        yield f"+ {weight:g} x the segmenter's log-odds", with_confidence(rgb, m_d, m_s, probability, fused, weight)
    alone_d, alone_s = seen_alone(m_d, m_s), seen_alone(m_s, m_d)
    yield "objects only the segmenter saw: dropped", fused.mask & ~alone_s
    sure = objects_at_least(m_s, probability, 0.8)
    yield "objects only the segmenter saw: kept at .8", (fused.mask & ~alone_s) | (alone_s & sure)
    yield "objects only the detector saw: kept", fused.mask | alone_d
    again = model.prompter.decode(
        model.prompter.encode(rgb), Prompts(boxes=boxes_of([m for m in parts.prompted.masks if m.bits.any()]))
    )
    height, width = m_d.shape
    refined = labels_of(enumerate(again.masks, 1), width, height) > 0
    yield "mask -> tighter box -> mask", fuse(rgb, refined, m_s, OURS).mask
    for name, soft in averaged(models, rgb, probability):
        other = boxcell.without_specks(soft >= 0.5, model.settings.least_area)
        yield f"{name}: segmenter's mask", other
        yield f"{name}: fused", fuse(rgb, m_d, other, OURS).mask
    alone = alone_d | alone_s
    rims = (m_d ^ m_s) & ~alone
    yield "limit: whole objects decided by the reference", np.where(alone, truth, fused.mask)
    yield "limit: rims decided by the reference", np.where(rims, truth, fused.mask)


def averaged(
    models: Sequence[boxcell.BoxCell], rgb: RGB, probability: Probability
) -> Iterator[tuple[str, Probability]]:
    """The segmenter's probability as the mean over mirror images, and as the mean over all models."""
    segmenter = models[0].segmenter
    if isinstance(segmenter, NetSegmenter):
        mirrored = NetSegmenter(segmenter.net, device=segmenter.device, name=segmenter.name, flips=True)
        yield "mirror images averaged", mirrored.foreground(rgb)
    if len(models) > 1:
        others = [model.segmenter.foreground(rgb) for model in models[1:]]
        yield f"{len(models)} seeds averaged", np.mean([probability, *others], axis=0)


def with_confidence(rgb: RGB, m_d: Mask, m_s: Mask, probability: np.ndarray, fused: Fused, weight: float) -> Mask:
    """The default's P with the segmenter's log-odds added where the masks disagree; the energy stays a cut."""
    ours = np.clip(fused.probability.astype(np.float64), 1e-6, 1 - 1e-6)
    theirs = np.clip(probability.reshape(-1)[fused.pixels].astype(np.float64), 1e-4, 1 - 1e-4)
    odds = np.log(ours / (1 - ours)) + weight * np.log(theirs / (1 - theirs))
    p = np.full(m_d.shape, 0.5, np.float32)
    p.reshape(-1)[fused.pixels] = 1 / (1 + np.exp(-odds))
    return cut_with(rgb, m_d, m_s, p, OURS)


def seen_alone(mask: Mask, other: Mask) -> Mask:
    """The 4-connected pieces of `mask` that `other` does not touch."""
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return mask & ~np.isin(pieces, np.unique(pieces[mask & other]))


def objects_at_least(mask: Mask, probability: np.ndarray, least: float) -> Mask:
    """The pieces of `mask` whose mean probability is at least `least`."""
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    mean = np.bincount(pieces.ravel(), probability.ravel()) / np.bincount(pieces.ravel())
    return mask & (mean[pieces] >= least)


def main() -> None:
    from inference.commands import train

    data = Path(os.environ.get("BOXWISE_DATA", "../shared/data"))
    folders = [Path(path) for path in os.environ.get("BOXWISE_MODEL", "").split(":") if path]
    if not folders:
        folders = [Path(tempfile.mkdtemp(prefix="boxwise-beyond-")) / "model"]
        assert train.main([str(data / "tnbc"), "-o", str(folders[0])]) == 0
    models = [boxcell.load(folder) for folder in folders]
    found: dict[str, dict[str, list[float]]] = {}
    for name in SETS:
        dataset = open_dataset(data / name)
        for image in split(dataset)[1]:
            sample = dataset.sample(image, with_labels=True)
            assert sample.labels is not None
            rgb, truth = np.ascontiguousarray(sample.rgb[:SIDE, :SIDE]), sample.labels[:SIDE, :SIDE] > 0
            for variant, mask in variants(models, rgb, truth):
                found.setdefault(variant, {}).setdefault(name, []).append(100 * dice(truth, mask))
    print("| variant | " + " | ".join(f"{n} ({len(found['BoxCell (default)'][n])})" for n in SETS) + " | mean |")
    print("|" + "---|" * (len(SETS) + 2))
    for variant, by_set in found.items():
        means = [float(np.mean(by_set[name])) for name in SETS]
        print(f"| {variant} | " + " | ".join(f"{value:.2f}" for value in [*means, float(np.mean(means))]) + " |")
