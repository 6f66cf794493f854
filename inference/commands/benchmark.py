"""boxwise benchmark boxcell DATA...: the paper's tables with the models at hand, beside the published figures."""

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.types import InferenceError, Progress

if TYPE_CHECKING:
    from inference.methods.benchmark import Row

# BoxCell, arXiv:2311.17960: Dice on the test images (tables 1, 5, 7), with SAM ViT-H, YOLOv8x and CaraNet.
PUBLISHED = {
    "parts": {
        "ITD": {"consep": 80.00, "monuseg": 79.87, "tnbc": 82.86},
        "ITS": {"consep": 79.86, "monuseg": 79.38, "tnbc": 80.66},
        "BoxCell": {"consep": 81.39, "monuseg": 81.74, "tnbc": 85.01},
    },
    "merging": {
        "AP (or)": {"consep": 80.55, "monuseg": 80.04, "tnbc": 82.92},
        "LP (and)": {"consep": 80.59, "monuseg": 79.57, "tnbc": 78.48},
    },
    "ablation": {
        "+ IDF": {"consep": 81.03, "monuseg": 81.20, "tnbc": 84.53},
        "+ IDF + SCF": {"consep": 81.39, "monuseg": 81.74, "tnbc": 85.01},
    },
    "grid": {
        "3": {"consep": 81.38, "monuseg": 81.07, "tnbc": 85.30},
        "5": {"consep": 81.39, "monuseg": 81.74, "tnbc": 85.01},
        "10": {"consep": 81.36, "monuseg": 80.34, "tnbc": 84.62},
        "15": {"consep": 81.38, "monuseg": 80.59, "tnbc": 84.23},
        "20": {"consep": 81.23, "monuseg": 80.76, "tnbc": 84.52},
    },
}
PUBLISHED_INSTANCES = {  # PQ / AJI, table 3
    "connected components": {"consep": (28.75, 22.65), "monuseg": (53.90, 52.55), "tnbc": (50.70, 40.78)},
    "watershed": {"consep": (30.16, 27.55), "monuseg": (57.50, 58.13), "tnbc": (53.70, 49.60)},
    "k-means (paper)": {"consep": (42.75, 44.72), "monuseg": (62.51, 63.75), "tnbc": (63.90, 66.26)},
}
TITLES = {
    "parts": "The parts and the fusion (the paper's table 1)",
    "merging": "Merging without colours (table 5)",
    "ablation": "Intensity (IDF) and spatial (SCF) terms (table 7)",
    "instances": "Instances from the fused mask (tables 3 and 4)",
    "fallback": "When a patch has few agreed pixels (not in the paper)",
    "grid": "Grid size K (table 10), one seed",
    "threshold": "Detector threshold (table 9), one seed",
    "across": "Trained on one set, measured on another (table 11)",
}


def main(argv: list[str]) -> int:
    """Measure a method's published tables with the models at hand: boxcell DATA... -o OUT."""
    parser = argparse.ArgumentParser(prog="boxwise benchmark", description=__doc__)
    parser.add_argument("method", choices=("boxcell",))
    parser.add_argument("data", type=Path, nargs="+", help="folders in the layout of the reference data")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for the table and the per-image values"
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for trained models; an interrupted run goes on"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", choices=("tiny", "quick", "paper"), default="quick")
    parser.add_argument("--prompter")
    parser.add_argument("--prompter-weights", type=Path, help="for example weights that never saw this set's masks")
    parser.add_argument("--segmenter-start", type=Path, help="likewise")
    parser.add_argument("--across", action="store_true", help="also measure every model on the other sets")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(argv)
    from inference.datasets import open_dataset
    from inference.methods import benchmark, boxcell
    from inference.registry import DEFAULT_PROMPTER

    settings = boxcell.BoxCellSettings(
        prompter=options.prompter or DEFAULT_PROMPTER,
        preset=options.preset,
        device=options.device,
        start={"segmenter": options.segmenter_start} if options.segmenter_start else {},
        options={"prompter": {"weights": str(options.prompter_weights)}} if options.prompter_weights else {},
    )

    def report(progress: Progress) -> None:
        print(f"  {progress.note} {progress.done}/{progress.total}", flush=True)

    try:
        sets = [open_dataset(path) for path in options.data]
        for dataset in sets:
            rows = benchmark.run(
                dataset,
                settings,
                range(options.seeds),
                work=options.work,
                report=report,
                tell=lambda text: print(text, flush=True),
                others=sets if options.across else (),
            )
            options.output.mkdir(parents=True, exist_ok=True)
            path = options.output / f"boxcell_{dataset.name}.json"
            path.write_text(json.dumps([asdict(row) for row in rows], indent=0))
            command = "boxwise benchmark " + shlex.join(argv)
            text = page(dataset.name, rows, command)
            (options.output / f"boxcell_{dataset.name}.md").write_text(text)
            print(text)
    except (InferenceError, ValueError) as error:
        print(f"boxwise benchmark: {error}", file=sys.stderr)
        return 1
    return 0


def page(dataset: str, rows: Sequence["Row"], command: str) -> str:
    """Markdown: every table, then the paired comparison of the fusion with its better part."""
    held = sorted({row.image for row in rows if row.table == "parts"})
    seeds = sorted({row.seed for row in rows})
    lines = [
        f"## {dataset}",
        "",
        f"{len(held)} images that no training saw ({', '.join(held)}), {len(seeds)} seeds. Dice and IoU in per cent: "
        "mean over images and seeds, ± the standard deviation of the seeds' means. Published figures are of the "
        "official test images, so they say where we stand, not who wins.",
        "",
        "    " + command,
    ]
    for table, title in TITLES.items():
        chosen = [row for row in rows if row.table == table]
        if chosen:
            lines += ["", f"### {title}", "", *table_of(dataset, table, chosen)]
    lines += ["", "### Is the fusion better than its parts?", "", *comparison(rows)]
    return "\n".join(lines) + "\n"


def table_of(dataset: str, table: str, rows: Sequence["Row"]) -> list[str]:
    with_cells = any("pq" in row.values for row in rows)
    head = ["variant", "Dice", "IoU"] + (["PQ", "AJI", "BF1 (2 px)"] if with_cells else []) + ["published"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for variant in dict.fromkeys(row.variant for row in rows):
        of_variant = [row for row in rows if row.variant == variant]
        columns = [variant, spread(of_variant, "dice"), spread(of_variant, "iou")]
        if with_cells:
            columns += [spread(of_variant, key) for key in ("pq", "aji", "bf1")]
        lines.append("| " + " | ".join([*columns, published(dataset, table, variant)]) + " |")
    return lines


def spread(rows: Iterable["Row"], key: str) -> str:
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        if key in row.values:
            by_seed.setdefault(row.seed, []).append(row.values[key] * 100)
    means = [float(np.mean(values)) for values in by_seed.values()]
    if not means:
        return ""
    return f"{np.mean(means):.2f}" + (f" ± {np.std(means, ddof=1):.2f}" if len(means) > 1 else "")


def published(dataset: str, table: str, variant: str) -> str:
    if table == "instances":
        pair = PUBLISHED_INSTANCES.get(variant, {}).get(dataset)
        return f"PQ {pair[0]}, AJI {pair[1]}" if pair else ""
    value = PUBLISHED.get(table, {}).get(variant, {}).get(dataset)
    return f"{value:.2f}" if value is not None else ""


def comparison(rows: Sequence["Row"]) -> list[str]:
    """Paired over images, each image's Dice averaged over seeds first: seeds are no independent images."""
    from inference import metrics

    def by_image(variant: str, table: str) -> list[float]:
        found: dict[str, list[float]] = {}
        for row in rows:
            if row.variant == variant and row.table == table:
                found.setdefault(row.image, []).append(row.values["dice"] * 100)
        return [float(np.mean(found[name])) for name in sorted(found)]

    lines = ["| BoxCell against | mean difference | 95 % interval | t test p | Wilcoxon p |", "|---|---|---|---|---|"]
    fused = by_image("BoxCell", "parts")
    for variant, table in (("ITD", "parts"), ("ITS", "parts"), ("AP (or)", "merging"), ("LP (and)", "merging")):
        other = by_image(variant, table)
        if len(other) < 2:
            continue
        test = metrics.paired(other, fused)
        lines.append(
            f"| {variant} | {test['mean_difference']:+.2f} | {test['ci_low']:+.2f} .. {test['ci_high']:+.2f} "
            f"| {test['t_p']:.3g} | {test['wilcoxon_p']:.3g} |"
        )
    return lines
