"""Draws docs/benchmarks/many_cells.svg from many_cells.json beside it: python -m docs.benchmarks.many_cells_plots

Left: seconds per accepted cell by door, with the goals. Right: the share of accepted cells that are right, beside the
share of all proposals. Simulated readers who overlook 5 %.
"""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
GOALS = {"one by one": 3.0, "gallery": 0.7, "likeness": 0.3}
SETS = ("tnbc", "consep")
LAPSES = 0.05


def main() -> None:
    made = json.loads((HERE / "many_cells.json").read_text())
    figure, (seconds, quality) = plt.subplots(1, 2, figsize=(9, 3.2))
    for at, name in enumerate(SETS):
        rows = [row for row in made[name]["ways"] if row["lapses"] == LAPSES]
        places = [number + 0.35 * at - 0.175 for number in range(len(rows))]
        seconds.bar(places, [row["seconds_per_accepted"] for row in rows], 0.33, label=name)
        quality.bar(places, [100 * row["quality"] for row in rows], 0.33, label=name)
        quality.axhline(100 * made[name]["right"], color=f"C{at}", linestyle=":", linewidth=1)
    for number, goal in enumerate(GOALS.values()):
        seconds.hlines(goal, number - 0.4, number + 0.4, color="black", linestyle="--", linewidth=1)
    seconds.set_title("seconds per accepted cell (dashed: goal)", fontsize=9)
    quality.set_title("accepted cells that are right, % (dotted: of all proposals)", fontsize=9)
    quality.set_ylim(50, 100)
    seconds.legend(fontsize=7)
    for axis in (seconds, quality):
        axis.set_xticks(range(len(GOALS)), list(GOALS))
    figure.tight_layout()
    figure.savefig(HERE / "many_cells.svg")


if __name__ == "__main__":
    main()
