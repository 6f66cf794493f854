"""boxwise benchmark methods DATA... -o OUT --work FOLDER: every method on the same images, and the page about it.

One file a training, OUT/methods/SET/METHOD_PRESET_SEED_SHIFT.json: what is there is not trained again, so that the same
command goes on where it was stopped, and sets measured one by one end in one page, OUT/methods.md.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from inference.commands import outputs
from inference.registry import PRESETS
from inference.types import InferenceError, Progress

if TYPE_CHECKING:
    from inference.datasets import Dataset
    from inference.methods.comparison import Run, Shift, Task


def main(argv: list[str]) -> int:
    """Measure every method on the same images: DATA... -o OUT --work FOLDER."""
    from inference.methods import installed

    options = parsed(argv)
    from inference.commands.methods_page import document
    from inference.datasets import open_dataset
    from inference.methods import comparison

    names = options.methods or list(installed.methods())
    try:
        for path in options.data:
            dataset = open_dataset(path)
            for task in comparison.tasks(dataset.name, names, options.preset, range(options.seeds), options.shifts):
                measure(task, dataset, options)
        found = read(options.output)
        (options.output / "methods.md").write_text(document(found), encoding="utf-8")
    except (InferenceError, ValueError) as error:
        print(f"boxwise benchmark: {error}", file=sys.stderr)
        return 1
    print(options.output / "methods.md")
    return 0


def measure(task: "Task", dataset: "Dataset", options: argparse.Namespace) -> None:
    """Write the file of a task that has none, or whose method lacked something the last time."""
    from inference.methods import comparison

    path = options.output / "methods" / dataset.name / f"{task.name}.json"
    if path.exists() and not run_of(path).missing:
        print(f"{dataset.name}, {task.name}: there already", flush=True)
        return

    def report(progress: Progress) -> None:
        print(f"  {progress.note} {progress.done}/{progress.total}", flush=True)

    found = comparison.run(
        dataset,
        task,
        device=options.device,
        work=options.work,
        report=report,
        tell=lambda text: print(text, flush=True),
    )
    if found.missing:
        print(f"  not measured: {found.missing}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(comparison.as_json(found), indent=0), encoding="utf-8")
    os.replace(unfinished, path)


def run_of(path: Path) -> "Run":
    """Raises InferenceError for a file that this version does not write."""
    from inference.methods.comparison import Run
    from inference.training.kept import restored

    try:
        return restored(Run, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InferenceError(f"{path} is no measurement of this command; remove it: {error}") from error


def read(output: Path) -> "list[Run]":
    """All measurements that are there, by set and name."""
    return [run_of(path) for path in sorted((output / "methods").glob("*/*.json"))]


def shift(text: str) -> "Shift":
    """0, 2 or 2-4 of the command line."""
    from inference.methods.comparison import Shift

    least, _, most = text.partition("-")
    try:
        return Shift(float(least), float(most or least))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a distance like 0, 2 or 2-4, in pixels") from None


def shifts(text: str) -> "list[Shift]":
    return [shift(part) for part in text.split(",")]


def parsed(argv: list[str]) -> argparse.Namespace:
    from inference.methods import installed

    names = list(installed.methods())
    parser = argparse.ArgumentParser(
        prog="boxwise benchmark methods",
        description="Train every method on a data set's training images, each from the labels that it learns from, and "
        "measure it on the held-out ones. The same command goes on where it was stopped.",
    )
    parser.add_argument("data", type=Path, nargs="*", help="folders in the layout of the reference data")
    parser.add_argument("-o", "--output", type=outputs.folder, required=True, help="folder for the page and all values")
    parser.add_argument("--work", type=Path, required=True, help="folder for trained models")
    parser.add_argument("--methods", nargs="*", choices=names, metavar="NAME", help=f"of {', '.join(names)}; or all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument(
        "--points-shift",
        dest="shifts",
        type=shifts,
        default="0",
        metavar="PX,PX-PX",
        help="how far points lie from the centres of their boxes: 0,2-4,4-6,6-8 measures each",
    )
    parser.add_argument("--device", default="auto")
    return parser.parse_args(argv)
