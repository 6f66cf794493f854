"""boxwise train DATA -o MODEL: train a method on boxes, points or masks."""

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from inference.commands import outputs
from inference.documents.methods import DEFAULT, KINDS, METHODS, Kind
from inference.labels import labelled
from inference.registry import PRESETS
from inference.types import Cancelled, InferenceError, Progress, Sample

if TYPE_CHECKING:
    from inference.datasets import Dataset


COMMANDS = {name: method for name, method in METHODS.items() if method.module}  # others are methods of rounds alone


def main(argv: list[str]) -> int:
    """Train a method on a data set's labels: DATA -o MODEL."""
    parser = argparse.ArgumentParser(
        prog="boxwise train",
        description="Train on the labels of a data set. Its reference masks give the boxes, and the centres of boxes "
        "give the points; masks are not otherwise used unless --labels asks for them. "
        "Ctrl+C stops at the next batch; the same command goes on from there.",
    )
    parser.add_argument(
        "data",
        type=Path,
        help="folder with images/, labels/ and dataset.json (train, val), or an export's zip",
    )
    parser.add_argument("-o", "--output", type=outputs.folder, required=True, metavar="MODEL", help="folder to write")
    parser.add_argument("--method", choices=tuple(COMMANDS), default=DEFAULT)
    parser.add_argument("--labels", choices=KINDS, help="what to learn from; the method has a usual kind")
    parser.add_argument(
        "--jitter",
        type=float,
        default=0.0,
        metavar="PX",
        help="with points: move each by up to so many pixels, as a hand does",
    )
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    parser.add_argument("--prompter", help="name of a prompter; boxwise models list shows them")
    parser.add_argument("--detector", help="centre, faster-rcnn or yolo; the preset names one")
    parser.add_argument("--segmenter", help="unet, caranet or segformer; the preset names one")
    parser.add_argument(
        "--self-training", type=int, default=0, metavar="N", help="train the segmenter N times more, on fused masks"
    )
    options = parser.parse_args(argv)
    chosen = COMMANDS[options.method]
    kind = options.labels or chosen.labels[0]
    if kind not in chosen.labels:
        others = [one.name for one in COMMANDS.values() if kind in one.labels]
        remedy = f"--method {others[0]} does" if others else "no method here does"
        parser.error(f"{chosen.name} learns from {' or '.join(chosen.labels)}, not from {kind}; {remedy}")
    if options.jitter and kind != "points":
        parser.error("--jitter moves points; give --labels points")
    if options.jitter < 0:
        parser.error(f"--jitter takes 0 pixels or more, not {options.jitter:g}")
    from inference.datasets import open_dataset
    from inference.methods import boxcell
    from inference.registry import DEFAULT_PROMPTER, PARTS

    settings = boxcell.BoxCellSettings(
        prompter=options.prompter or DEFAULT_PROMPTER,
        detector=options.detector or PARTS[options.preset]["detector"],
        segmenter=options.segmenter or PARTS[options.preset]["segmenter"],
        preset=options.preset,
        fusion=boxcell.fusion_of(options.preset),
        device=options.device,
        self_training=options.self_training,
    )
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    began = time.monotonic()

    def report(progress: Progress) -> None:
        values = " ".join(f"{key} {value:.3f}" for key, value in progress.values.items())
        took = time.monotonic() - began
        print(f"{took:6.0f} s  {progress.note} {progress.done}/{progress.total}  {values}", flush=True)

    try:
        dataset = open_dataset(options.data)
        samples, validation = (labelled_part(dataset, part, kind, options.jitter) for part in ("train", "val"))
        if not validation:
            print("the data set has no validation images: the last epoch is kept", file=sys.stderr)
        path = boxcell.train(
            samples, validation, settings, output=options.output, report=report, stop=lambda: bool(stopped)
        )
    except Cancelled:
        print("stopped; the same command goes on from the last epoch", file=sys.stderr)
        return 130
    except InferenceError as error:
        print(f"boxwise train: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, before)
    print(f"{time.monotonic() - began:.0f} s -> {path}")
    return 0


def labelled_part(dataset: "Dataset", part: str, kind: Kind, jitter: float) -> list[Sample]:
    """The samples of a split with labels of one kind. Raises NoSuchLabels."""
    samples = [dataset.sample(name, with_labels=kind == "masks") for name in dataset.split(part)]
    return labelled(samples, kind, jitter=jitter)
