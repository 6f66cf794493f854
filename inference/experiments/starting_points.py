"""Train the weights that a project's own detector and segmenter start from.

    python -m inference.experiments.starting_points detector|segmenter DATA -o WEIGHTS [--sets dsb2018,tnbc] [--steps N]
        [--start WEIGHTS]

No validation set chooses an epoch: the averaged weights of the last step are kept.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from inference.detectors.centre import CentrePoint, CentreSettings
from inference.experiments.data import training_samples
from inference.segmenters.unet import UNet, UNetSettings
from inference.training.loop import Schedule
from inference.types import Trainer
from inference.weights import files


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("detector", "segmenter"))
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", default="dsb2018,tnbc")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="go on from these weights, trained on the same sets")
    parser.add_argument("--work", type=Path, default=Path("work/starting_points"))
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(argv)
    sets = options.sets.split(",")
    samples = training_samples(options.data, sets)
    schedule = Schedule(options.steps, 100, warmup=100, average=0.995, seed=options.seed)
    # Wider than a project needs: nobody knows at which magnification the next project comes.
    common = {"schedule": schedule, "batch": options.batch, "zoom": (0.6, 1.7), "colour": 1.0, "pretrained": False}
    trainer: Trainer
    if options.kind == "detector":
        samples = [replace(sample, labels=None) for sample in samples]  # boxes are all it may know
        # Without validation images nothing tunes it; F1 peaked here on tnbc's validation patient.
        trainer = CentrePoint(CentreSettings(**common, threshold=0.45), device=options.device)
    else:
        trainer = UNet(UNetSettings(**common), device=options.device)
    path = trainer.train(
        samples,
        [],
        work=options.work / options.kind,
        report=lambda p: print(f"epoch {p.done}/{p.total} loss {p.values['loss']:.4f}", flush=True),
        stop=lambda: False,
        start_from=options.start,
    )
    state, about = files.load(path)
    # What the start had seen, this has seen too: the benchmark's claims rest on it.
    seen = files.load(options.start)[1].get("sets", []) if options.start else []
    files.save(path, state, about | {"sets": sorted({*seen, *sets}), "seed": options.seed}, half=True)
    shutil.copyfile(path, options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
