"""Whether training the segmenter once more, on what the cut makes of pseudo-masks and its own answers, helps.

Trains BoxCell's quick preset on the boxes of three sets, then with one self-training, and prints Dice on the held-out
images of every part, before and after. BOXWISE_WORK names the folder of the models (NAME-SEED, as `boxwise benchmark
--work` leaves them); what is trained there is used, and an interrupted run goes on. BOXWISE_SEEDS: how many (3).
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from inference.datasets import Dataset, data_root, open_dataset
from inference.methods import boxcell
from inference.methods.benchmark import split
from inference.metrics import dice

SETS = ("tnbc", "consep", "monuseg")


def measured(dataset: Dataset, settings: boxcell.BoxCellSettings, output: Path) -> np.ndarray:
    """Dice of the detector's masks, the segmenter's and the fused ones, means over the held-out images."""
    training, kept = split(dataset)
    samples = [dataset.sample(name) for name in training]
    boxcell.train(samples, [], settings, output=output, report=lambda progress: None, stop=lambda: False)
    model, rows = boxcell.load(output), []
    for name in kept:
        sample = dataset.sample(name, with_labels=True)
        assert sample.labels is not None
        parts, truth = model.predict(sample.rgb), sample.labels > 0
        rows.append([dice(truth, mask) for mask in (parts.detected > 0, parts.segmented, parts.fused.mask)])
    return 100 * np.mean(rows, axis=0)


def main() -> None:
    root = data_root()
    if root is None:
        print("skipped: the reference sets are not here (BOXWISE_DATA)")
        return
    work = Path(os.environ.get("BOXWISE_WORK") or tempfile.mkdtemp(prefix="boxwise-self-"))
    print("| set | seed | detector's | segmenter's | fused | segmenter's, self-trained | fused, self-trained |")
    print("|---|---|---|---|---|---|---|")
    for name in SETS:
        dataset, changes = open_dataset(root / name), []
        for seed in range(int(os.environ.get("BOXWISE_SEEDS", "3"))):
            settings = boxcell.BoxCellSettings(seed=seed, fusion=boxcell.fusion_of("quick"))
            before = measured(dataset, settings, work / f"{name}-{seed}")
            after = measured(dataset, replace(settings, self_training=1), work / f"{name}-{seed}")
            changes.append(after - before)
            print(f"| {name} | {seed} | {' | '.join(f'{v:.1f}' for v in (*before, *after[1:]))} |", flush=True)
        mean, spread = np.mean(changes, axis=0), np.std(changes, axis=0)
        print(f"{name}: segmenter {mean[1]:+.1f} ± {spread[1]:.1f}, fused {mean[2]:+.1f} ± {spread[2]:.1f}", flush=True)
