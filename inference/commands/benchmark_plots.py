"""The benchmark's plots: the parts beside the fusion, and Dice against every setting that was varied."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.commands.benchmark_page import Measured, mean
from inference.methods.variations import PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = {"ITD": "#8fb3d9", "ITS": "#d9b38f", PAPER: "#9fc79f", "BoxCell": "#2f7d32"}
CURVES = {
    "grid": "K",
    "lambda": "lambda",
    "theta": "theta, grey levels",
    "trust": "trust, log-odds",
    "threshold": "detector threshold",
    "jitter": "box error, % of its size",
}
STYLES = {"ITD": ":", PAPER: "--", "BoxCell": "-"}


def draw(found: Sequence[Measured], folder: Path) -> list[str]:
    """boxcell_parts.svg and boxcell_settings.svg; their names, or none without measurements or without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("Agg")
    # The same figures give the same file: no date, no random ids.
    matplotlib.rcParams["svg.hashsalt"] = "boxwise"
    from matplotlib import pyplot as plt

    if not found:
        return []
    figure, axis = plt.subplots(figsize=(1.5 + 1.7 * len(found), 3.2))
    bars(axis, found)
    figure.tight_layout()
    figure.savefig(folder / "boxcell_parts.svg", metadata={"Date": None})
    figure, axes = plt.subplots(2, 3, figsize=(9.5, 5.6), sharey=False)
    for axis, (table, label) in zip(axes.flat, CURVES.items()):
        curves(axis, found, table)
        axis.set_xlabel(label)
    axes[0, 0].set_ylabel("Dice, per cent")
    axes[1, 0].set_ylabel("Dice, per cent")
    handles, names = axes[1, 2].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=7, ncols=4, loc="lower center")
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.savefig(folder / "boxcell_settings.svg", metadata={"Date": None})
    plt.close("all")
    return ["boxcell_parts.svg", "boxcell_settings.svg"]


def bars(axis: "Axes", found: Sequence[Measured]) -> None:
    """Mean over seeds of each part's Dice; the line is the range of the seeds."""
    lowest = 100.0
    for k, (variant, colour) in enumerate(BARS.items()):
        for i, measured in enumerate(found):
            rows = [row for row in measured.rows if row.table == "parts" and row.variant == variant]
            seeds = sorted({row.seed for row in rows})
            values = [100 * mean([row for row in rows if row.seed == seed], variant, "dice") for seed in seeds]
            middle, place = float(np.mean(values)), i + (k - 1.5) * 0.2
            lowest = min(lowest, *values)
            axis.bar(place, middle, 0.18, color=colour, label=variant if i == 0 else None)
            axis.plot([place, place], [min(values), max(values)], color="black", lw=1)
    axis.set_ylim(lowest - 4, None)
    axis.set_xticks(range(len(found)), [measured.label.replace("_", "\n") for measured in found], fontsize=8)
    axis.set_ylabel("Dice, per cent")
    axis.legend(fontsize=7)


def curves(axis: "Axes", found: Sequence[Measured], table: str) -> None:
    for i, measured in enumerate(found):
        rows = [row for row in measured.rows if row.table == table]
        for part, style in STYLES.items():
            # The settings of the fusion have one curve, "5"; those of the boxes one a part, "0.3, ITD".
            points = {}
            for variant in dict.fromkeys(row.variant for row in rows):
                value, _, name = variant.partition(", ")
                if (name or PAPER) == part:
                    points[float(value.rstrip("%"))] = 100 * mean(rows, variant, "dice")
            if points:
                x = sorted(points)
                label = f"{measured.label}: {part}"
                axis.plot(x, [points[v] for v in x], style, marker=".", color=f"C{i}", lw=1, label=label)
