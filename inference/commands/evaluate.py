"""boxwise evaluate REFERENCE PREDICTION [--json]: two label maps, or two folders with equal names.

Beside the measures it says what a person still has to do about the cells, per 100 of the reference
(inference/repair.py).
"""

import argparse
import json
import sys
from pathlib import Path

from inference import metrics
from inference.archives import folder_of
from inference.commands.files import FileProblem, read_labels
from inference.formats.reference_layout import unfold
from inference.repair import SHOWN as REPAIRS
from inference.repair import UNTOUCHED, Repair, repair
from inference.types import InferenceError

DOCUMENTS = (".json", ".geojson")  # files that may be an export; another file is a label map
SHOWN = ("dice", "iou", "aji", "aji_plus", "pq", "dq", "sq", "bf1")


def label_folder(path: Path) -> Path:
    """A file or folder as it is; of an export (label maps, COCO or GeoJSON) the folder of its label maps."""
    try:
        folder = folder_of(path)
        if (folder / "labels").is_dir():
            return folder / "labels"
        unfolded = unfold(folder) if folder.is_dir() or folder.suffix.lower() in DOCUMENTS else None
    except InferenceError as error:
        raise FileProblem(str(error)) from error
    return unfolded / "labels" if unfolded is not None else folder


def pairs(reference: Path, predicted: Path) -> list[tuple[str, Path, Path]]:
    """(name, reference file, predicted file). Raises FileProblem when a name is on one side only."""
    reference, predicted = label_folder(reference), label_folder(predicted)
    if reference.is_dir() != predicted.is_dir():
        raise FileProblem(f"{reference} and {predicted}: give two files or two folders")
    if not reference.is_dir():
        return [(reference.name, reference, predicted)]
    # By the name without its ending: a label map with overlaps is a TIFF, one without is a PNG.
    left, right = ({f.stem: f for f in folder.iterdir() if f.is_file()} for folder in (reference, predicted))
    lonely = sorted((left.get(stem) or right[stem]).name for stem in set(left) ^ set(right))
    if lonely:
        raise FileProblem(f"only on one side: {', '.join(lonely[:5])}{' ...' if len(lonely) > 5 else ''}")
    if not left:
        raise FileProblem(f"{reference}: holds no file")
    return [(name, left[name], right[name]) for name in sorted(left)]


def main(argv: list[str]) -> int:
    """Measure label maps against a reference: REFERENCE PREDICTION."""
    parser = argparse.ArgumentParser("boxwise evaluate", description="Measure label maps against a reference.")
    parser.add_argument("reference", type=Path)
    parser.add_argument("prediction", type=Path)
    parser.add_argument("--tolerance", type=float, default=metrics.BF1_TOLERANCE, help="of BF1, pixels (%(default)s)")
    parser.add_argument("--mpp", type=float, help="µm a pixel, for false cells per mm² where the reference is empty")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    if given.mpp is not None and not given.mpp > 0:
        parser.error(f"--mpp must be larger than 0 µm, not {given.mpp:g}")
    reports, needed = {}, {}
    try:
        for name, reference, predicted in pairs(given.reference, given.prediction):
            try:
                truth, found = read_labels(reference), read_labels(predicted)
                reports[name] = metrics.per_image(truth, found, tolerance=given.tolerance)
                needed[name] = repair(metrics.contingency(truth, found), truth.size)
            except ValueError as error:
                raise FileProblem(f"{name}: {error}") from error
    except FileProblem as error:
        print(f"boxwise evaluate: {error}", file=sys.stderr)
        return 1
    every = list(reports.values())
    images = {name: report.as_dict() for name, report in reports.items()}
    mean, pooled = metrics.mean(every), metrics.pooled(every)
    pooled_repair = sum(needed.values(), Repair())
    false_per_mm2 = pooled_repair.false_per_mm2(given.mpp) if given.mpp else None
    if given.json:
        per_100 = {"images": {name: one.per_100() for name, one in needed.items()}, "pooled": pooled_repair.per_100()}
        about = {"per_100_reference_cells": per_100, "false_cells_per_mm2_of_empty_images": false_per_mm2}
        print(json.dumps({"images": images, "mean": mean, "pooled": pooled, "repair": about}, indent=2))
        return 0
    rows = [*images.items(), ("mean", mean), ("pooled", pooled)]
    width = max(len(name) for name, _ in rows)
    print(" " * width, *(f"{key:>8}" for key in SHOWN), f"  (BF1 within {given.tolerance:g} px)")
    for name, row in rows:
        print(f"{name:<{width}}", *(f"{row[key]:8.4f}" for key in SHOWN))
    print_repairs({**needed, "pooled": pooled_repair}, width)
    if false_per_mm2 is not None:
        print(f"\n{false_per_mm2:.1f} false cells per mm² where the reference is empty")
    return 0


def print_repairs(needed: dict[str, Repair], width: int) -> None:
    """What each image and all of them still need, per 100 reference cells; a dash where there is no cell."""
    titles = [name.removesuffix("_cells").removeprefix("repair_") for name in REPAIRS]
    print(f"\nper 100 reference cells (untouched: IoU of {UNTOUCHED:g} or more; seconds: docs/gestures.md)")
    print(" " * width, *(f"{title:>9}" for title in titles))
    for name, one in needed.items():
        found = one.per_100()
        print(f"{name:<{width}}", *(f"{found[key]:9.1f}" if found else f"{'-':>9}" for key in REPAIRS))
