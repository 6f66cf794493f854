"""boxwise simulate DATASET: learning curves of annotation strategies, on a data set that is fully labelled."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.commands import outputs
from inference.datasets import Dataset, open_dataset
from inference.masks import boxes_of, cells_of
from inference.pipeline.acquisition import STRATEGIES
from inference.types import InferenceError, Sample

if TYPE_CHECKING:
    from inference.simulation import Point, Reached


def main(argv: list[str]) -> int:
    """Replay a labelled data set by strategy and draw learning curves: DATASET [-o FILE]."""
    parser = argparse.ArgumentParser(
        prog="boxwise simulate",
        description="Annotates images in the order each strategy asks for, trains after every step, and judges on "
        "patients that are never annotated (the part of a name before the first _), or on single images.",
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument(
        "-o", "--output", type=outputs.file(".json"), metavar="FILE", help="JSON with every point of every curve"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="the learning curves")
    parser.add_argument("--strategies", nargs="+", default=["random", "mix"], choices=STRATEGIES, metavar="NAME")
    parser.add_argument(
        "--leave-out", nargs="+", required=True, metavar="WHO", help="one fold each: 03 or 03,07 or image names"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--start", type=int, default=2, help="images annotated before the first round")
    parser.add_argument("--step", type=int, default=2, help="images annotated after each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--further", type=int, default=0, help="rounds that others may take to reach random's PQ or boxes"
    )
    parser.add_argument("--pool", type=int, help="at most so many images to choose from, drawn by the seed")
    parser.add_argument("--side", type=int, help="use the middle SIDE x SIDE pixels of every image: cheaper")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--start-detector", type=Path, metavar="FILE", help="instead of the shipped weights")
    parser.add_argument("--start-segmenter", type=Path, metavar="FILE", help="instead of the shipped weights")
    parser.add_argument("--jitter", type=float, default=0.05, help="of boxes, as a share of their size")
    parser.add_argument("--miss", type=float, default=0.05, help="share of cells that get no box")
    options = parser.parse_args(argv)
    from inference import simulation

    points: list[Point] = []
    try:
        plan = simulation.Plan(
            tuple(options.strategies), options.start, options.step, options.rounds, options.further,
            simulation.Annotator(options.jitter, options.miss),
        )  # fmt: skip
        data = open_dataset(options.dataset)
        given = {"detector": options.start_detector, "segmenter": options.start_segmenter}
        start = {kind: path for kind, path in given.items() if path}
        train = simulation.boxcell_trainer(options.preset, lambda progress: None, lambda: False, start=start)
        about = {"dataset": data.name, "preset": options.preset, "side": options.side, "pool": options.pool}
        about |= {"start": {kind: path.name for kind, path in start.items()}}
        title = f"{data.name}: PQ on {', '.join(options.leave_out)}, seeds {', '.join(map(str, options.seeds))}"
        with tempfile.TemporaryDirectory(prefix="boxwise-simulate-") as work:
            for fold in options.leave_out:
                out = tuple(fold.split(","))
                judging = [name for name in data.names if patient(name) in out or name in out]
                judges = [sample_of(data, name, options.side) for name in judging]
                for seed in options.seeds:
                    names = [name for name in data.names if name not in judging]
                    if options.pool:
                        names = sorted(np.random.default_rng(seed).permutation(names)[: options.pool].tolist())
                    pool = [sample_of(data, name, options.side) for name in names]
                    for point in simulation.replay(
                        pool, judges, plan, fold=fold, seed=seed, train=train, work=Path(work)
                    ):
                        points.append(point)
                        print(line(point), flush=True)
                    # After every seed: who stops a run of hours keeps what it has found.
                    if options.output:
                        simulation.write(options.output, points, plan, about)
                    if options.plot:
                        simulation.draw(options.plot, points, title=title)
        print(table(simulation.boxes_to_reach(points)))
    except (InferenceError, ValueError) as error:
        print(f"boxwise simulate: {error}", file=sys.stderr)
        return 1
    return 0


def patient(name: str) -> str:
    return name.partition("_")[0]


def sample_of(data: Dataset, name: str, side: int | None) -> Sample:
    """The image with its reference; cut to its middle, cells cut through by the border get the box of what is left."""
    sample = data.sample(name, with_labels=True)
    height, width = sample.rgb.shape[:2]
    if side is None or side >= min(height, width):
        return sample
    y, x = (height - side) // 2, (width - side) // 2
    assert sample.labels is not None
    labels = np.ascontiguousarray(sample.labels[y : y + side, x : x + side])
    boxes = boxes_of([mask for _, mask in cells_of(labels)])
    return replace(
        sample, rgb=np.ascontiguousarray(sample.rgb[y : y + side, x : x + side]), boxes=boxes,
        classes=np.zeros(len(boxes), np.int64), valid=np.ones((side, side), bool), labels=labels,
    )  # fmt: skip


def line(point: "Point") -> str:
    return (
        f"fold {point.fold} seed {point.seed} {point.strategy:<12} round {point.round}: {point.images} images, "
        f"{point.boxes} boxes, {point.seconds / 60:.0f} modelled min, Dice {point.dice:.3f}, PQ {point.pq:.3f}"
    )


def table(rows: Sequence["Reached"]) -> str:
    """Boxes to the final PQ of random, one row a curve, and their means."""
    from inference.simulation import summary

    lines = ["boxes to reach random's final PQ (share of random's boxes):"]
    for row in rows:
        share = row["share"]
        label = "not reached" if not isinstance(share, float) else f"{row['boxes']:.0f} ({share:.0%})"
        lines.append(
            f"  fold {row['fold']} seed {row['seed']} {row['strategy']!s:<12} {label}; final {row['final']:.3f}"
        )
    lines.append("mean share over folds and seeds (95 % interval; not reached counts as 100 %):")
    for strategy, found in summary(list(rows)).items():
        share, low, high = (float(found[name]) for name in ("share", "low", "high"))
        reached = f"reached by {found['reached']} of {found['curves']}"
        gain, gain_low, gain_high = (float(found[name]) for name in ("gain", "gain_low", "gain_high"))
        reached += f"; PQ at equal boxes {gain:+.3f} ({gain_low:+.3f} to {gain_high:+.3f})"
        lines.append(f"  {strategy:<12} {share:.0%} ({low:.0%} to {high:.0%}); {reached}")
    return "\n".join(lines)
