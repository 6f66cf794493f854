"""Draws docs/benchmarks/three_rounds.svg from three_rounds.json beside it: python -m docs.benchmarks.rounds_plots

Left and middle: validation after every epoch, the three rounds one after the other. Right: the masks' quality on the
judging images after each round, with the interval of the fused masks over patients.
"""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
CURVES = {
    "detector": ("ap50", "detector: AP50 on validation"),
    "segmenter": ("dice", "segmenter: Dice on pseudo-masks"),
}


def main() -> None:
    made = json.loads((HERE / "three_rounds.json").read_text())
    figure, axes = plt.subplots(1, 3, figsize=(10, 3))
    for axis, (kind, (value, title)) in zip(axes, CURVES.items()):
        begin = 1
        for number, stages in made["curves"].items():
            values = [line[value] for line in stages[kind]]
            axis.plot(range(begin, begin + len(values)), values, "o-", label=f"round {number}")
            begin += len(values)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(fontsize=7)
    numbers = range(1, len(made["evaluations"]) + 1)
    for part, style in (("fused", "o-"), ("detector", "s--"), ("segmenter", "^:")):
        axes[2].plot(numbers, [e["masks"][part]["pq"] for e in made["evaluations"]], style, label=part)
    fused = next(figures for name, figures in made["rows"] if name == "PQ")
    axes[2].vlines(numbers, [f[2] for f in fused], [f[3] for f in fused], color="C0", alpha=0.5)
    axes[2].set_title(f"PQ on {made['images']} images of {made['groups']} patients", fontsize=9)
    axes[2].set_xlabel("round")
    axes[2].set_xticks(list(numbers))
    axes[2].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(HERE / "three_rounds.svg")


if __name__ == "__main__":
    main()
