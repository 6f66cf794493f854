"""The benchmark's document: every table of a set beside the figures that the paper prints."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from inference import metrics
from inference.methods.benchmark import Row, Weights
from inference.methods.variations import PAPER

# BoxCell, arXiv:2311.17960: Dice on the test images, with SAM ViT-H, YOLOv8x (table 9: YOLOv8m) and CaraNet.
Published = dict[str, dict[str, float]]


PUBLISHED: dict[str, Published] = {
    "parts": {
        "ITD": {"consep": 80.00, "monuseg": 79.87, "tnbc": 82.86},
        "ITS": {"consep": 79.86, "monuseg": 79.38, "tnbc": 80.66},
        "BoxCell, DenseCRF": {"consep": 77.82, "monuseg": 80.41, "tnbc": 81.19},
        PAPER: {"consep": 81.39, "monuseg": 81.74, "tnbc": 85.01},
    },
    "merging": {
        "AP (or)": {"consep": 80.55, "monuseg": 80.04, "tnbc": 82.92},
        "LP (and)": {"consep": 80.59, "monuseg": 79.57, "tnbc": 78.48},
        "ENet, soft masks": {"consep": 80.23, "monuseg": 80.07, "tnbc": 82.26},
    },
    "ablation": {
        "ITD": {"consep": 80.00, "monuseg": 79.87, "tnbc": 82.86},
        "ITS": {"consep": 79.86, "monuseg": 79.38, "tnbc": 80.66},
        "+ IDF": {"consep": 81.03, "monuseg": 81.20, "tnbc": 84.53},
        "+ SCF": {"consep": 80.36, "monuseg": 80.47, "tnbc": 82.98},
        "+ IDF + SCF": {"consep": 81.39, "monuseg": 81.74, "tnbc": 85.01},
    },
    "grid": {
        "3": {"consep": 81.38, "monuseg": 81.07, "tnbc": 85.30},
        "5": {"consep": 81.39, "monuseg": 81.74, "tnbc": 85.01},
        "10": {"consep": 81.36, "monuseg": 80.34, "tnbc": 84.62},
        "15": {"consep": 81.38, "monuseg": 80.59, "tnbc": 84.23},
        "20": {"consep": 81.23, "monuseg": 80.76, "tnbc": 84.52},
    },
    "threshold": {
        f"{threshold}, {PAPER}": dict(zip(("consep", "monuseg", "tnbc"), values))
        for threshold, values in {
            "0.1": (74.30, 77.90, 81.54),
            "0.2": (76.30, 77.90, 81.54),
            "0.3": (79.26, 77.90, 81.27),
            "0.4": (73.20, 77.89, 81.86),
            "0.5": (71.20, 78.19, 82.75),
            "0.6": (70.30, 78.94, 82.08),
            "0.7": (71.20, 79.72, 82.01),
            "0.8": (68.90, 79.73, 80.11),
            "0.9": (69.02, 79.77, 80.12),
        }.items()
    },
    "stain": {PAPER: {"consep": 73.80, "monuseg": 78.20, "tnbc": 80.75}},
    "across": {  # by the set trained on: a row's variant names both
        f"consep to monuseg, {PAPER}": {"consep": 57.87},
        f"consep to tnbc, {PAPER}": {"consep": 62.58},
        f"monuseg to consep, {PAPER}": {"monuseg": 57.11},
        f"monuseg to tnbc, {PAPER}": {"monuseg": 50.58},
        f"tnbc to consep, {PAPER}": {"tnbc": 49.67},
        f"tnbc to monuseg, {PAPER}": {"tnbc": 54.78},
    },
}
PUBLISHED_INSTANCES = {  # PQ / AJI / BF1, tables 3 and 4; the paper does not say BF1's tolerance
    "connected components": {"consep": "28.75 / 22.65", "monuseg": "53.90 / 52.55", "tnbc": "50.70 / 40.78"},
    "watershed": {"consep": "30.16 / 27.55", "monuseg": "57.50 / 58.13", "tnbc": "53.70 / 49.60"},
    "k-means (paper)": {
        "consep": "42.75 / 44.72 / 54.07",
        "monuseg": "62.51 / 63.75 / 54.03",
        "tnbc": "63.90 / 66.26 / 53.85",
    },
}
TITLES = {
    "parts": "The parts and the fusion (tables 1 and 4)",
    "merging": "Merging without colours (table 5)",
    "ablation": "Intensity (IDF) and spatial (SCF) terms (table 7)",
    "instances": "Instances from the fused mask (tables 3 and 4)",
    "fallback": "When a patch has few agreed pixels (not in the paper)",
    "grid": "Grid size K (table 10), one seed",
    "lambda": "Smoothness lambda, one seed",
    "theta": "Colour scale theta, grey levels, one seed",
    "components": "Gaussians N in a mixture, one seed",
    "trust": "Trust in the detector's mask, log-odds (not in the paper), one seed",
    "threshold": "Detector threshold (table 9), one seed",
    "jitter": "Reference boxes with errors in the detector's place, one seed",
    "stain": "Another stain (table 12), one seed",
    "across": "Measured on another set (table 11), one seed",
}
INTRODUCTION = """# BoxCell's tables

Made by `boxwise benchmark boxcell`; do not edit. Dice and IoU in per cent, means over images and seeds, ± the standard
deviation of the seeds' means. Ours are of validation images. The published figures (arXiv:2311.17960, with SAM ViT-H,
YOLOv8x and CaraNet on a GPU) are of the official test images, at which nobody has looked here: they say where we
stand, not who wins. "BoxCell" is our default, the paper's energy with trust ([fusion.md](../fusion.md)). A set is
called "boxes only" when neither the prompter nor the segmenter's start ever learned from its masks. All values by
image, variant and seed are in the JSON files beside this page.
"""
SETTINGS = ("grid", "lambda", "theta", "components", "trust")  # these share one table a set


class Kept(TypedDict):
    """Measured as it stands in a file; rows: one JSON list a row."""

    dataset: str
    label: str
    command: str
    trained_on: int
    weights: dict[str, Weights]
    boxes_only: bool
    seconds: float
    rows: list[str]


@dataclass(frozen=True)
class Measured:
    """One run on one set. `weights` as benchmark.provenance gives them; `seconds` of CPU, 0 when training was there."""

    dataset: str
    label: str
    command: str
    trained_on: int
    weights: dict[str, Weights]
    boxes_only: bool
    seconds: float
    rows: Sequence[Row]

    def as_json(self) -> Kept:
        """Values to five places, a row a list: the file is read by programs and by diff."""
        rows = [[r.table, r.variant, r.seed, r.image, {k: round(v, 5) for k, v in r.values.items()}] for r in self.rows]
        return {
            "dataset": self.dataset,
            "label": self.label,
            "command": self.command,
            "trained_on": self.trained_on,
            "weights": self.weights,
            "boxes_only": self.boxes_only,
            "seconds": round(self.seconds),
            "rows": [json.dumps(row) for row in rows],
        }

    @classmethod
    def from_json(cls, kept: Kept) -> "Measured":
        return cls(
            dataset=kept["dataset"],
            label=kept["label"],
            command=kept["command"],
            trained_on=kept["trained_on"],
            weights=kept["weights"],
            boxes_only=kept["boxes_only"],
            seconds=kept["seconds"],
            rows=[Row(*json.loads(row)) for row in kept["rows"]],
        )


def read(folder: Path) -> list[Measured]:
    """All measurements of a folder, by name; a set's first measurement before those with a label."""
    return [Measured.from_json(json.loads(path.read_text())) for path in sorted(folder.glob("boxcell_*.json"))]


def document(found: Sequence[Measured], plots: Sequence[str]) -> str:
    lines = [
        INTRODUCTION,
        *summary(found),
        *(f"\n![{name}]({name})" for name in plots),
    ]
    for measured in found:
        lines += ["", *section(measured)]
    return "\n".join(lines) + "\n"


def summary(found: Sequence[Measured]) -> list[str]:
    head = "| set | boxes only | seeds | ITD | ITS | the paper's energy | BoxCell | AJI | better than both parts |"
    lines = [head, "|" + "---|" * 9]
    for measured in found:
        parts = [row for row in measured.rows if row.table == "parts"]
        means = {variant: mean(parts, variant, "dice") for variant in ("ITD", "ITS", PAPER, "BoxCell")}
        best = means["BoxCell"] > max(means["ITD"], means["ITS"])
        seeds = len({row.seed for row in parts})
        columns = [f"[{measured.label}](#{measured.label})", "yes" if measured.boxes_only else "no", str(seeds)]
        columns += [spread([row for row in parts if row.variant == variant], "dice") for variant in means]
        columns += [spread([row for row in parts if row.variant == "BoxCell"], "aji"), "yes" if best else "**no**"]
        lines.append("| " + " | ".join(columns) + " |")
    return lines


def mean(rows: Sequence[Row], variant: str, key: str) -> float:
    values = [row.values[key] for row in rows if row.variant == variant]
    return float(np.mean(values)) if values else float("nan")


def section(measured: Measured) -> list[str]:
    """Every table of one set, then the paired comparison of the fusion with its parts."""
    rows, dataset = measured.rows, measured.dataset
    judged = sorted({row.image for row in rows if row.table == "parts"})
    seeds = sorted({row.seed for row in rows})
    lines = [
        f"## {measured.label}",
        "",
        f"{measured.trained_on} images trained on, {len(judged)} measured that no training saw ({', '.join(judged)}); "
        f"{len(seeds)} seeds.",
        weights_line(measured),
        "",
        "    " + measured.command,
    ]
    for table, title in TITLES.items():
        chosen = [row for row in rows if row.table == table]
        if chosen and table not in SETTINGS:
            lines += ["", f"### {title}", "", *table_of(dataset, table, chosen)]
    rows_of_settings = [row for row in rows if row.table in SETTINGS]
    if rows_of_settings:
        lines += [
            "",
            "### Settings of the fusion (table 10 and the paper's grid search), one seed",
            "",
            *settings_tables(dataset, rows_of_settings),
        ]
    lines += ["", "### Is the fusion better than its parts?", "", *comparison(rows)]
    return lines


def weights_line(measured: Measured) -> str:
    parts = [
        f"{kind} {about['name']} {about['sha256']} (trained on {', '.join(about['sets']) or 'unstated'})"
        for kind, about in measured.weights.items()
    ]
    claim = (
        f"No mask of {measured.dataset} was used: boxes only."
        if measured.boxes_only
        else f"Masks of {measured.dataset}'s training images were seen by the starting weights: not boxes only."
    )
    return f"Starting weights: {'; '.join(parts) or 'none'}. {claim}"


def table_of(dataset: str, table: str, rows: Sequence[Row]) -> list[str]:
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


def settings_tables(dataset: str, rows: Sequence[Row]) -> list[str]:
    """One line a setting: its values with their Dice, and the published Dice where there is one."""
    lines = ["| setting | value: Dice | published |", "|---|---|---|"]
    for table in SETTINGS:
        of_table = [row for row in rows if row.table == table]
        variants = list(dict.fromkeys(row.variant for row in of_table))
        ours = ", ".join(f"{v}: {spread([r for r in of_table if r.variant == v], 'dice')}" for v in variants)
        theirs = ", ".join(f"{v}: {published(dataset, table, v)}" for v in variants if published(dataset, table, v))
        if ours:
            lines.append(f"| {TITLES[table].removesuffix(', one seed')} | {ours} | {theirs} |")
    return lines


def spread(rows: Iterable[Row], key: str) -> str:
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
        return PUBLISHED_INSTANCES.get(variant, {}).get(dataset, "")
    value = PUBLISHED.get(table, {}).get(variant, {}).get(dataset)
    return f"{value:.2f}" if value is not None else ""


def comparison(rows: Sequence[Row]) -> list[str]:
    """Paired over images, each image's Dice averaged over seeds first: seeds are no independent images."""

    def by_image(variant: str, table: str) -> list[float]:
        found: dict[str, list[float]] = {}
        for row in rows:
            if row.variant == variant and row.table == table:
                found.setdefault(row.image, []).append(row.values["dice"] * 100)
        return [float(np.mean(found[name])) for name in sorted(found)]

    lines = ["| BoxCell against | mean difference | 95 % interval | t test p | Wilcoxon p |", "|---|---|---|---|---|"]
    fused = by_image("BoxCell", "parts")
    others = [("ITD", "parts"), ("ITS", "parts"), (PAPER, "parts"), ("AP (or)", "merging"), ("LP (and)", "merging")]
    for variant, table in others:
        other = by_image(variant, table)
        if len(other) < 2:
            continue
        test = metrics.paired(other, fused)
        lines.append(
            f"| {variant} | {test['mean_difference']:+.2f} | {test['ci_low']:+.2f} .. {test['ci_high']:+.2f} "
            f"| {test['t_p']:.3g} | {test['wilcoxon_p']:.3g} |"
        )
    return lines
