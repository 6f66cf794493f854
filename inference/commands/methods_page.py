"""The page of `boxwise benchmark methods`: what was measured, what was not and why, and the worst images in words."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from inference import metrics
from inference.documents.methods import DEFAULT
from inference.methods.comparison import OnImage, Run

INTRODUCTION = """# All methods on the same images

Made by `boxwise benchmark methods`; do not edit. Each method learned from the labels of its kind on the training images
and was measured on held-out images, at which no training looked. Figures in per cent: means over images and seeds,
± the standard deviation of the seeds' means where there are several. Cells per 100 reference cells, and the seconds
that repairing them takes, as in [gestures.md](../gestures.md). Seconds of training and of one image are of processor.
Weights that come with Boxwise have seen images of dsb2018 and training patients of tnbc ([models.md](../models.md)).
Which method is for whom: [methods.md](../methods.md).
"""
FIGURES = ("dice", "aji", "pq", "dq", "sq")
WORST = 3
TINY = (
    "**The preset `tiny` trains a handful of steps**, for tests: its figures show that every method runs from labels "
    "to masks, not which is better. What begins with shipped weights is good at once; what begins with nothing finds "
    "nothing."
)


def document(found: Sequence[Run]) -> str:
    lines = [INTRODUCTION]
    for dataset, runs in groupby(sorted(found, key=lambda one: one.task.dataset), key=lambda one: one.task.dataset):
        lines += section(dataset, list(runs))
    return "\n".join(lines).rstrip("\n") + "\n"


def section(dataset: str, runs: Sequence[Run]) -> list[str]:
    measured = [one for one in runs if not one.missing]
    lines = [f"## {dataset}", ""]
    if measured:
        images = [one.image for one in measured[0].images]
        lines += [f"{len(images)} images: {', '.join(images)}.", ""]
        if any(one.task.preset == "tiny" for one in measured):
            lines += [TINY, ""]
        lines += figures(measured)
        lines += repairs(measured)
        lines += differences(measured)
        lines += worst(measured)
    lines += not_measured(runs)
    return lines


def variants(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs that differ by their seed alone, under one name."""
    found: dict[str, list[Run]] = {}
    for one in runs:
        shift = "" if not one.task.shift.most else f", points shifted by {one.task.shift} px"
        found.setdefault(f"{one.task.method}, {one.task.preset}{shift}", []).append(one)
    return found


def figures(measured: Sequence[Run]) -> list[str]:
    head = "| method | labels | seeds | Dice | AJI | PQ | DQ | SQ | training, s | an image, s |"
    lines = [head, "|" + "---|" * 10]
    for name, runs in variants(measured).items():
        columns = [name, runs[0].labels, str(len(runs))]
        columns += [spread([one.mean(figure) for one in runs]) for figure in FIGURES]
        columns += [f"{np.mean([one.seconds for one in runs]):.0f}", f"{np.mean([one.predicting for one in runs]):.1f}"]
        lines.append("| " + " | ".join(columns) + " |")
    return [*lines, ""]


def spread(values: Sequence[float]) -> str:
    """Per cent, with the deviation of several."""
    mean = f"{100 * float(np.mean(values)):.1f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * float(np.std(values, ddof=1)):.1f}"


def repairs(measured: Sequence[Run]) -> list[str]:
    head = "| per 100 reference cells | untouched | edge to repair | missed | merged | split | false | seconds |"
    lines = [head, "|" + "---|" * 8]
    for name, runs in variants(measured).items():
        total = runs[0].needs
        for one in runs[1:]:
            total = total + one.needs
        columns = [f"{value:.0f}" for value in per_100(total.per_100())]
        lines.append("| " + " | ".join([name, *columns]) + " |")
    return [*lines, ""]


def per_100(shown: dict[str, float]) -> list[float]:
    names = ("untouched", "edge", "missed", "merged", "split", "false")
    return [shown[f"{name}_cells"] for name in names] + [shown["repair_seconds"]]


def differences(measured: Sequence[Run]) -> list[str]:
    """Each method against BoxCell, image by image, seeds averaged."""
    every = variants(measured)
    base = [name for name in every if name.startswith(f"{DEFAULT}, ")]
    others = [name for name in every if name not in base]
    if not base or not others or len(every[base[0]][0].images) < 2:
        return []
    about = "image by image (95 % interval of the mean by bootstrap, paired t)"
    optimistic = "Images of one patient count as independent, so intervals are too narrow and p too small:"
    lines = [f"Dice against {base[0]}, {about}. {optimistic}", ""]
    for name in others:
        found = metrics.paired(by_image(every[base[0]]), by_image(every[name]))
        low, high = 100 * found["ci_low"], 100 * found["ci_high"]
        lines.append(
            f"- {name}: {100 * found['mean_difference']:+.1f} ({low:+.1f} to {high:+.1f}), p {p_of(found['t_p'])}, "
            f"{found['n']} images"
        )
    return [*lines, ""]


def p_of(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.3f}"


def by_image(runs: Sequence[Run]) -> list[float]:
    """Dice of each image, the mean over seeds."""
    rows = [[one.values["dice"] for one in run.images] for run in runs]
    return [float(value) for value in np.mean(rows, axis=0)]


def worst(measured: Sequence[Run]) -> list[str]:
    """The images with the lowest PQ of each method's first run, and what went wrong on them."""
    lines = ["### The worst images", ""]
    for name, runs in variants(measured).items():
        images = sorted(runs[0].images, key=lambda one: one.values["pq"])[:WORST]
        lines += [f"- {name}, {one.image}: {wrong(one)}" for one in images]
    return [*lines, ""]


def wrong(one: OnImage) -> str:
    """One image in words: the figure, then the faults, the most frequent first."""
    needs, cells = one.needs, one.needs.cells
    faults = {
        "missed": needs.missed,
        "with an edge to repair": needs.edge,
        "merged with a neighbour": needs.merged,
        "split": needs.split,
    }
    words = [f"{count} {what}" for what, count in sorted(faults.items(), key=lambda fault: -fault[1]) if count]
    sentence = f"PQ {100 * one.values['pq']:.0f}. Of {cells} cells {', '.join(words) or 'none is wrong'}"
    if needs.false:
        cells_there = "1 thing that is no cell" if needs.false == 1 else f"{needs.false} things that are no cells"
        sentence += f"; {cells_there} beside them"
    return f"{sentence}. {cause(one)}"


def cause(one: OnImage) -> str:
    """What costs most: finding, outlining, or telling apart."""
    needs, cells = one.needs, max(1, one.needs.cells)
    if needs.missed + needs.false == 0 and needs.edge + needs.merged + needs.split == 0:
        return "Nothing to mend."
    apart = needs.merged + needs.split
    if needs.missed >= max(needs.edge, apart, needs.false):
        return "The most frequent fault: cells that are not found."
    if needs.false >= max(needs.edge, apart):
        return "The most frequent fault: things that are no cells."
    if apart >= needs.edge:
        return "Most are found, but not told apart."
    share = 100 * needs.edge / cells
    return f"Most are found, and the outline of {share:.0f} of 100 is off by more than is left as it is."


def not_measured(runs: Sequence[Run]) -> list[str]:
    lines = []
    for name, same in variants(one for one in runs if one.missing).items():
        lines.append(f"- {name}: {same[0].missing}")
    return ["### Not measured", "", *lines, ""] if lines else []
