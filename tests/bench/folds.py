"""Models for cross-validation: BoxCell trained on all but one fold of a set's training and validation images.

    python -m tests.bench.folds DATA/consep DATA/monuseg -o WORK [--preset quick] [--folds 2] [--seed 0]

Images of one patient share a fold; where patients are unknown, folds are by image. No test image is touched. Without
validation images no epoch is chosen, so what is left out is unseen. WORK/SET-PRESET-FOLD-SEED is the model,
WORK/SET-PRESET-FOLD-SEED.json names the images that it has not seen.
"""

import argparse
import json
import time
from pathlib import Path

from inference.datasets import Dataset, open_dataset
from inference.methods import boxcell
from inference.registry import PARTS
from inference.types import Progress


def patient_of(dataset: Dataset, name: str) -> str:
    """tnbc's names begin with the patient ("03_1"); monuseg has one image a patient; consep's patients are unknown."""
    return name.partition("_")[0] if dataset.name == "tnbc" else name


def folds_of(dataset: Dataset, count: int) -> list[list[str]]:
    """The images of training and validation, patients dealt out to `count` folds in turn."""
    names = sorted({*dataset.split("train"), *dataset.split("val")} & set(dataset.names))
    patients = sorted({patient_of(dataset, name) for name in names})
    if not 2 <= count <= len(patients):
        raise ValueError(f"{len(patients)} patients cannot be dealt out to {count} folds")
    folds = []
    for k in range(count):
        chosen = patients[k::count]
        folds.append([name for name in names if patient_of(dataset, name) in chosen])
    return folds


def train_fold(dataset: Dataset, left_out: list[str], preset: str, seed: int, output: Path) -> None:
    names = sorted({*dataset.split("train"), *dataset.split("val")} & set(dataset.names) - set(left_out))
    samples = [dataset.sample(name) for name in names]
    settings = boxcell.BoxCellSettings(
        detector=PARTS[preset]["detector"],
        segmenter=PARTS[preset]["segmenter"],
        preset=preset,
        fusion=boxcell.fusion_of(preset),
        device="cpu",
        seed=seed,
    )

    def report(progress: Progress) -> None:
        values = " ".join(f"{key} {value:.3f}" for key, value in progress.values.items())
        print(f"  {progress.note} {progress.done}/{progress.total}  {values}", flush=True)

    boxcell.train(samples, [], settings, output=output, report=report, stop=lambda: False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the folds to train; all unless given")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for path in options.data:
        dataset = open_dataset(path)
        for k, left_out in enumerate(folds_of(dataset, options.folds)):
            if options.only is not None and k not in options.only:
                continue
            name = f"{dataset.name}-{options.preset}-{k}-{options.seed}"
            began = time.process_time()
            print(name, flush=True)
            train_fold(dataset, left_out, options.preset, options.seed, options.output / name)
            spent = time.process_time() - began
            about = {"set": dataset.name, "left_out": left_out, "seconds_of_processor": round(spent)}
            (options.output / f"{name}.json").write_text(json.dumps(about, indent=1))
            print(f"  {spent:.0f} s of processor", flush=True)


if __name__ == "__main__":
    main()
