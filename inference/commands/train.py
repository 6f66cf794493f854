"""boxwise train DATA -o MODEL: train a method on boxes, points or masks."""

import argparse
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from inference.commands import outputs
from inference.commands.values import pair
from inference.documents.methods import DEFAULT, KINDS, Kind, Method
from inference.labels import labelled
from inference.methods import installed
from inference.registry import PRESETS
from inference.types import Cancelled, InferenceError, Progress, Sample

if TYPE_CHECKING:
    from inference.datasets import Dataset

ALSO = "an option of a method that another package added"
OPTIONS = ("prompter", "detector", "segmenter", "self_training")  # of methods; Method.options says which takes what


def main(argv: list[str]) -> int:
    """Train a method on a data set's labels: DATA -o MODEL."""
    methods = installed.methods()
    broken = installed.installed().faults
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
    parser.add_argument("--method", choices=(*methods, *broken), default=DEFAULT)
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
        "--self-training", type=int, metavar="N", help="train the segmenter N times more, on fused masks"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn by chance")
    parser.add_argument("--set", type=pair, action="extend", nargs="*", default=[], metavar="NAME=VALUE", help=ALSO)
    options = parser.parse_args(argv)
    if options.method in broken:
        print(f"boxwise train: {broken[options.method]}", file=sys.stderr)
        return 1
    chosen = methods[options.method]
    kind = options.labels or chosen.labels[0]
    if fault := fault_of(options, chosen, kind, methods.values()):
        parser.error(fault)
    from inference.datasets import open_dataset
    from inference.methods import frame

    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    given |= dict(options.set)
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
        settings = frame.module_of(chosen.name).settings_of(
            options.preset, device=options.device, seed=options.seed, **given
        )
        path = frame.train(
            chosen.name,
            samples,
            validation,
            settings,
            output=options.output,
            report=report,
            stop=lambda: bool(stopped),
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


def fault_of(options: argparse.Namespace, method: Method, kind: Kind, methods: Iterable[Method]) -> str:
    """What is wrong with the options, for the person who gave them; "" where nothing is."""
    if kind not in method.labels:
        others = [one.name for one in methods if kind in one.labels]
        remedy = f"--method {others[0]} does" if others else "no method here does"
        return f"{method.name} learns from {' or '.join(method.labels)}, not from {kind}; {remedy}"
    if options.jitter and kind != "points":
        return "--jitter moves points; give --labels points"
    if options.jitter < 0:
        return f"--jitter takes 0 pixels or more, not {options.jitter:g}"
    for name in OPTIONS:
        if getattr(options, name) is not None and name not in method.options:
            return f"{method.name} takes no --{name.replace('_', '-')}"
    for name, _ in options.set:
        if name not in method.options:
            return f"{method.name} takes no --set {name}"
    return ""


def labelled_part(dataset: "Dataset", part: str, kind: Kind, jitter: float) -> list[Sample]:
    """The samples of a split with labels of one kind. Raises NoSuchLabels."""
    samples = [dataset.sample(name, with_labels=kind == "masks") for name in dataset.split(part)]
    return labelled(samples, kind, jitter=jitter)
