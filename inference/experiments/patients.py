"""Train the detector with some patients left out, measure it on them: what a new patient may expect.

    python -m inference.experiments.patients DATA/tnbc [--folds 4] [--start WEIGHTS] [--work FOLDER]

The patient is what stands before the "_" of an image's name. WEIGHTS must not have seen the set: the shipped detector
learned tnbc's boxes, so a start trained on dsb2018 alone is wanted
(inference.experiments.starting_points --sets dsb2018).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from inference.datasets import open_dataset
from inference.detectors.centre import CentrePoint
from inference.experiments.measure import measure_detector


def folds_of(names: Sequence[str], count: int) -> list[list[str]]:
    """Images by patient, patients dealt out to `count` groups in turn. Raises ValueError for fewer patients."""
    patients = sorted({name.partition("_")[0] for name in names})
    if not 2 <= count <= len(patients):
        raise ValueError(f"{len(patients)} patients cannot be dealt out to {count} groups")
    return [[name for name in names if name.partition("_")[0] in patients[k::count]] for k in range(count)]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--start", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work/patients"))
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    dataset = open_dataset(options.data)
    samples = {name: dataset.sample(name) for name in dataset.names}
    found = []
    print("| left out | images | AP50 | best F1 | matched boxes' IoU | AP50 of the start |")
    print("|---|---|---|---|---|---|")
    for k, held_out in enumerate(folds_of(dataset.names, options.folds)):
        trainer = CentrePoint(options.preset, device=options.device)
        weights = trainer.train(
            [sample for name, sample in samples.items() if name not in held_out],
            [],  # the last epoch is kept: nothing is chosen on the patients left out
            work=options.work / str(k),
            report=lambda progress: None,
            stop=lambda: False,
            start_from=options.start,
        )
        tests = [samples[name] for name in held_out]
        figures = measure_detector(trainer.load(weights), tests)
        before = measure_detector(trainer.load(options.start), tests).ap50 if options.start else float("nan")
        found.append([figures.ap50, figures.f1, figures.matched_iou, before])
        patients = ", ".join(sorted({name.partition("_")[0] for name in held_out}))
        print(
            f"| {patients} | {len(held_out)} | " + " | ".join(f"{value:.3f}" for value in found[-1]) + " |", flush=True
        )
    mean, deviation = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    print("| mean | | " + " | ".join(f"{m:.3f} ± {d:.3f}" for m, d in zip(mean, deviation)) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
