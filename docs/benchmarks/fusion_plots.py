"""Draws docs/benchmarks/fusion_*.svg: python -m docs.benchmarks.fusion_plots (needs gbm40 in BOXWISE_DATA).

Time against size, and Dice against lambda, theta and K. The two masks are the truth, its border moved by smooth noise:
the curves compare settings on equal input, they are no result on a model's masks.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from inference.fusion import Parameters, fuse
from inference.metrics import dice
from tests.bench.fusion import milliseconds, tiled
from tests.inference.test_fusion_solvers import real_scene

HERE = Path(__file__).parent


def main() -> None:
    sides = [250, 500, 1000, 2000, 3500, 5000]
    spent = []
    for side in sides:
        scene = tiled(side)[:3]
        spent.append(milliseconds(partial(fuse, *scene), 3))
    plt.figure(figsize=(5, 3.5))
    plt.loglog([s * s for s in sides], spent, "o-", color="black")
    plt.xlabel("pixels, 10 % ambiguous")
    plt.ylabel("complete fusion, ms of one core")
    plt.tight_layout()
    plt.savefig(HERE / "fusion_time.svg")

    scenes = [real_scene("gbm40", k) for k in range(0, 20, 5)]
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True)
    tried = {"lam": [0.0, 0.5, 1.0, 2.0, 5.0, 10.0], "theta": [1.0, 5.0, 10.0, 25.0, 50.0], "grid": [1, 3, 5, 10, 20]}
    for axis, (name, values) in zip(axes, tried.items()):
        for least, style in ((300, "o-"), (3, "s--")):
            base = Parameters(minimum_pixels=least)
            scores = [
                np.mean([dice(t > 0, fuse(r, d, s, replace(base, **{name: v})).mask) for r, d, s, t in scenes])
                for v in values
            ]
            axis.plot(values, scores, style, label=f"own models from {least} pixels")
        axis.set_xlabel({"lam": "lambda", "theta": "theta, grey levels", "grid": "K"}[name])
    axes[0].set_ylabel("Dice, mean of 4 images")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(HERE / "fusion_dice.svg")


if __name__ == "__main__":
    main()
