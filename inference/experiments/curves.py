"""Draw training and validation curves from recorded logs.

    python -m inference.experiments.curves NAME=LOG... -o curves.png

LOG is what `boxwise train`, `boxwise benchmark` or one of the training commands printed.
"""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# "  12 s  detector 1/8  loss 0.950 score 0.912" of boxwise train; "epoch 3/24 loss 0.51" of inference.training
LINE = re.compile(r"(?:(?P<part>[a-z]+) )?(?P<done>\d+)/(?P<total>\d+)\s+(?P<values>loss .*)$")
VALUE = re.compile(r"([a-z][a-z0-9]*) (-?\d+(?:\.\d+)?)")

Curve = dict[str, list[tuple[int, float]]]  # name of a value -> (epoch, value)


def read(log: str) -> dict[str, Curve]:
    """Part ("detector", "segmenter", or "" where a log has one training) -> its values, in the order of the epochs."""
    parts: dict[str, Curve] = {}
    for line in log.splitlines():
        found = LINE.search(line)
        if not found:
            continue
        name = found["part"] if found["part"] and found["part"] != "epoch" else ""
        for key, value in VALUE.findall(found["values"]):
            parts.setdefault(name, {}).setdefault(key, []).append((int(found["done"]), float(value)))
    return parts


def draw(axis: "Axes", title: str, curve: Curve) -> None:
    """Loss against the left axis; what validation gave (AP50, F1, Dice) against the right one."""
    from matplotlib.ticker import MaxNLocator

    axis.plot(*zip(*curve["loss"]), color="black", lw=1, label="training loss")
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    judged = [key for key in ("ap50", "f1", "dice") if key in curve]
    if judged:
        right = axis.twinx()
        for k, key in enumerate(judged):
            right.plot(*zip(*curve[key]), color=f"C{k}", marker=".", lw=1, label=f"validation {key}")
        right.legend(fontsize=7, loc="lower right")
    axis.legend(fontsize=7, loc="upper right")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", metavar="NAME=LOG")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(argv)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    curves = []
    for given in options.logs:
        name, _, path = given.partition("=")
        for part, curve in read(Path(path).read_text()).items():
            curves.append((f"{name}, {part}" if part else name, curve))
    if not curves:
        parser.error("no log holds an epoch")
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.6 * columns, 2.6 * rows), squeeze=False)
    for axis, (title, curve) in zip(axes.flat, curves):
        draw(axis, title, curve)
    for axis in axes.flat[len(curves) :]:
        axis.axis("off")
    figure.tight_layout()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output, dpi=110)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
