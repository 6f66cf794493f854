"""Measure prompters, detectors and segmenters on reference sets.

    python -m inference.experiments.measure prompter DATA [--name boxwise] [--weights FILE] [--level L] [--sets S,...]
    python -m inference.experiments.measure detector DATA --weights FILE [--sets gbm40,monuseg]
    python -m inference.experiments.measure segmenter DATA --weights FILE [--sets tnbc,gbm40]
    python -m inference.experiments.measure time DATA [--name boxwise] [--weights FILE]

Prints one Markdown row a set; figures are means over images, spread is the standard deviation over seeds.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from inference.datasets import STAINED, Dataset, open_dataset
from inference.detectors import centre
from inference.masks import cells_of, labels_of
from inference.methods.variations import jitter
from inference.metrics import box_iou, dice
from inference.registry import prompter as find_prompter
from inference.segmenters.learning import mean_dice
from inference.segmenters.unet import load as load_segmenter
from inference.types import Detector, Mask, Prompted, Prompter, Prompts, Sample


def clicks(sample: Sample, rng: np.random.Generator) -> Prompts:
    """One click a cell: a normal deviate around its middle, pulled to the nearest pixel of the cell."""
    assert sample.labels is not None
    points = []
    for _, mask in cells_of(sample.labels):
        y, x = np.nonzero(mask.bits)
        wanted = np.array([x.mean(), y.mean()]) + rng.normal(0, 0.15, 2) * [np.ptp(x) + 1, np.ptp(y) + 1]
        nearest = np.argmin((x - wanted[0]) ** 2 + (y - wanted[1]) ** 2)
        points.append((mask.x + x[nearest] + 0.5, mask.y + y[nearest] + 0.5))
    return Prompts(points=np.array(points)[:, None], signs=np.ones((len(points), 1), np.int8))


def union(found: Prompted, shape: tuple[int, ...]) -> Mask:
    return labels_of(enumerate(found.masks, 1), shape[1], shape[0]) > 0


def instance_dice(found: Prompted, sample: Sample) -> float:
    """Mean over cells of the Dice of its own mask."""
    assert sample.labels is not None
    values = []
    for mask, (_, truth) in zip(found.masks, cells_of(sample.labels)):
        x0, y0 = max(mask.x, truth.x), max(mask.y, truth.y)
        x1 = min(mask.x + mask.bits.shape[1], truth.x + truth.bits.shape[1])
        y1 = min(mask.y + mask.bits.shape[0], truth.y + truth.bits.shape[0])
        shared = 0
        if x1 > x0 and y1 > y0:
            ours = mask.bits[y0 - mask.y : y1 - mask.y, x0 - mask.x : x1 - mask.x]
            shared = int((ours & truth.bits[y0 - truth.y : y1 - truth.y, x0 - truth.x : x1 - truth.x]).sum())
        values.append(2 * shared / (int(mask.bits.sum()) + int(truth.bits.sum())))
    return float(np.mean(values))


@dataclass(frozen=True)
class PromptFigures:
    gold: float
    jittered: tuple[float, ...]  # one a seed
    clicked: float  # mean Dice of single cells, one click each
    instance: float  # mean Dice of single cells, tight boxes


def measure_prompter(prompter: Prompter, samples: Sequence[Sample], seeds: int = 3) -> PromptFigures:
    gold, clicked, instance, jittered = [], [], [], []
    for i, sample in enumerate(samples):
        assert sample.labels is not None
        encoded, truth = prompter.encode(sample.rgb), sample.labels > 0
        found = prompter.decode(encoded, Prompts(boxes=sample.boxes))
        gold.append(dice(union(found, truth.shape), truth))
        instance.append(instance_dice(found, sample))
        row = []
        for seed in range(seeds):
            boxes = jitter(sample.boxes, 0.1, np.random.default_rng([seed, i]))
            row.append(dice(union(prompter.decode(encoded, Prompts(boxes=boxes)), truth.shape), truth))
        jittered.append(row)
        prompts = clicks(sample, np.random.default_rng([7, i]))
        clicked.append(instance_dice(prompter.decode(encoded, prompts), sample))
    over_seeds = tuple(float(v) for v in np.mean(jittered, axis=0))
    return PromptFigures(float(np.mean(gold)), over_seeds, float(np.mean(clicked)), float(np.mean(instance)))


@dataclass(frozen=True)
class BoxFigures:
    ap50: float
    f1: float
    threshold: float
    recall: float  # at the detector's own threshold
    precision: float
    matched_iou: float  # mean IoU of the boxes that match a reference box by at least .5


def measure_detector(detector: Detector, samples: Sequence[Sample]) -> BoxFigures:
    assert isinstance(detector, centre.CentreDetector)
    low = centre.CentreDetector(
        detector.net, replace(detector.settings, threshold=0.05), device=detector.device, name=detector.name
    )
    ap, f1, best = centre.judge(low, samples)
    overlaps, hits, found_, total = [], 0, 0, 0
    for sample in samples:
        boxes = detector.detect(sample.rgb).boxes
        overlap = box_iou(boxes, sample.boxes)
        found_, total = found_ + len(boxes), total + len(sample.boxes)
        free = np.ones(len(sample.boxes), bool)
        for row in overlap:
            row = np.where(free, row, 0)
            if len(row) and row.max() >= 0.5:
                free[row.argmax()] = False
                overlaps.append(row.max())
                hits += 1
    return BoxFigures(
        ap, f1, best, hits / max(total, 1), hits / max(found_, 1), float(np.mean(overlaps)) if overlaps else 0.0
    )


def names_to_measure(dataset: Dataset, split: str | None) -> tuple[str, ...]:
    part = split or ("val" if dataset.name == "tnbc" else None)
    return dataset.split(part) if part else dataset.names


def time_of_100(prompter: Prompter, rgb: np.ndarray, repeats: int = 5) -> tuple[float, float]:
    """Seconds of wall and of CPU to encode 512 x 512 pixels and decode 100 boxes; the best of `repeats`.

    CPU seconds are what the work costs; on a busy machine wall seconds tell of its other work.
    """
    rng = np.random.default_rng(0)
    corners, size = rng.uniform(0, 480, (100, 2)), rng.uniform(14, 32, (100, 2))
    prompts = Prompts(boxes=np.concatenate([corners, corners + size], axis=1))
    took = []
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        prompter.decode(prompter.encode(np.ascontiguousarray(rgb[:512, :512])), prompts)
        took.append((time.perf_counter() - began, time.process_time() - worked))
    return min(wall for wall, _ in took), min(cpu for _, cpu in took)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("prompter", "detector", "segmenter", "time"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--name", default="boxwise")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--sets", default="tnbc,consep,monuseg,gbm40")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image")
    parser.add_argument(
        "--split", help="of every set, for example train; else tnbc's validation patient, all of others"
    )
    parser.add_argument("--flips", action="store_true")
    parser.add_argument("--level", type=float, help="of the shipped prompter's net")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = {"weights": options.weights} if options.weights else {}
    settings |= {"flips": True} if options.flips else {}
    settings |= {"level": options.level} if options.level is not None else {}
    if options.kind == "time":
        dataset = open_dataset(options.data / "tnbc")
        prompter = find_prompter(options.name, **settings)
        wall, cpu = time_of_100(prompter, dataset.image(dataset.split("val")[0]), repeats=15)
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        print(f"512 x 512, 100 boxes, one thread: {wall:.3f} s wall, {cpu:.3f} s CPU; load average {load:.1f}")
        return 0
    for name in options.sets.split(","):
        dataset = open_dataset(options.data / name, kind=STAINED if name == "dsb2018" else None)
        names = names_to_measure(dataset, options.split)[:: options.every]
        samples = [dataset.sample(image, with_labels=True) for image in names]
        if options.kind == "prompter":
            prompter = find_prompter(options.name, **settings)
            p = measure_prompter(prompter, samples)
            wall, cpu = time_of_100(prompter, samples[0].rgb)
            print(
                f"| {name} ({len(samples)}) | {p.gold:.3f} | {np.mean(p.jittered):.3f} ± {np.std(p.jittered):.4f} "
                f"| {p.instance:.3f} | {p.clicked:.3f} | {wall:.2f} s wall, {cpu:.2f} s CPU |",
                flush=True,
            )
        elif options.kind == "segmenter":
            found = mean_dice(load_segmenter(options.weights, device="cpu"), samples)
            print(f"| {name} ({len(samples)}) | Dice {found:.3f} |", flush=True)
        else:
            d = measure_detector(centre.load(options.weights, device="cpu"), samples)
            print(
                f"| {name} ({len(samples)}) | AP50 {d.ap50:.3f} | F1 {d.f1:.3f} at {d.threshold:.2f} "
                f"| recall {d.recall:.3f} | precision {d.precision:.3f} | matched IoU {d.matched_iou:.3f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
