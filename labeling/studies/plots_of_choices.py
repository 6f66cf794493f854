"""Two plots: the ratio under every choice of the analysis, and each arm on the plane of time and quality."""

import math

from matplotlib.axes import Axes

from labeling.studies.analysis.joint import Joint, outline
from labeling.studies.figures import known, not_computed
from labeling.studies.plot_style import COLOURS, short
from labeling.studies.protocol.documents import JointNumbers, Numbers, SpecificationNumbers

UNBOUNDED = 1e6  # a ratio above every plot
STARTS = {"picture": "clock from the picture", "act": "clock from the first act", "cell": "clock from the first cell"}


def specifications(numbers: Numbers, axes: Axes) -> None:
    """Above: the ratio under every set of choices, in its order, with intervals. Below: which choices these are."""
    axes.set_axis_off()
    above = axes.inset_axes((0.0, 0.52, 1.0, 0.48))
    below = axes.inset_axes((0.0, 0.0, 1.0, 0.48))
    choices: list[str] = []
    computed = [row for row in numbers["specifications"] if not not_computed(row)]
    others = numbers["plan"]["others"]
    for k, arm in enumerate(others):
        rows = [row for row in computed if row["arm"] == arm]
        rows.sort(key=lambda row: row["ratio"])
        _curve(above, rows, k, arm)
        if k == 0:
            choices = _choices(below, rows)
    above.axhline(1, color="#999999", lw=0.8)
    highest = max((row["ratio"] for row in computed), default=1.0)
    above.set_ylim(0, 2 * max(highest, 1.0))  # an interval that ends higher leaves the plot, which shows that it does
    above.set_ylabel("ratio", fontsize=8)
    above.tick_params(bottom=False, labelbottom=False, labelsize=7)
    above.set_title("Specification curve (described, not tested; declared choice in black)", fontsize=9)
    if others:
        above.legend(fontsize=6, loc="lower right")
    lines = len(choices)
    below.set_yticks(range(lines), choices, fontsize=5)
    below.set_ylim(lines - 0.5, -0.5)
    below.tick_params(bottom=False, labelbottom=False)
    below.set_xlim(above.get_xlim())


def _curve(axes: Axes, rows: list[SpecificationNumbers], k: int, arm: str) -> None:
    for place, row in enumerate(rows):
        is_declared = row["declared"]
        colour = COLOURS[9] if is_declared else COLOURS[k]
        size = 4 if is_declared else 2
        ratio = row["ratio"]
        ends = row["interval"]
        if not not_computed(ends):
            low = known(ends["low"], 0.0)
            high = known(ends["high"], UNBOUNDED)
            axes.plot([place, place], [low, high], "-", color=colour, lw=0.8, alpha=0.6)
        axes.plot([place], [ratio], "o", color=colour, ms=size)
    name = short(arm)
    axes.plot([], [], "o-", color=COLOURS[k], label=name, ms=3)


def _choices(axes: Axes, rows: list[SpecificationNumbers]) -> list[str]:
    """A mark for each choice of each set. -> the names of the choices, in the order of the marks."""
    cut_offs = sorted({row["idle_after_s"] for row in rows})
    rules = sorted({row["outlier_iqr"] for row in rows}, key=lambda rule: rule or 0.0)
    names = [f"cut-off {cut_off:g} s" for cut_off in cut_offs]
    names += [_rule(rule) for rule in rules]
    names += STARTS.values()
    for place, row in enumerate(rows):
        colour = COLOURS[9] if row["declared"] else COLOURS[6]
        for name in _named(row):
            line = names.index(name)
            axes.plot([place], [line], "|", color=colour, ms=4)
    return names


def _named(row: SpecificationNumbers) -> list[str]:
    cut_off = row["idle_after_s"]
    rule = _rule(row["outlier_iqr"])
    start = STARTS[row["start"]]
    return [f"cut-off {cut_off:g} s", rule, start]


def _rule(iqr: float | None) -> str:
    return "no outlier rule" if iqr is None else f"outliers beyond {iqr:g} IQR"


def plane(numbers: Numbers, axes: Axes) -> None:
    """Ratio of times against difference of quality, each arm with its region; the reference stands at (1, 0)."""
    axes.axvline(1, color="#999999", lw=0.8)
    axes.axhline(0, color="#999999", lw=0.8)
    plan = numbers["plan"]
    margin = plan["quality_margin"]
    if margin is not None:
        axes.axhline(-margin, color=COLOURS[6], ls="--", lw=1, label="margin of quality")
    reference = short(plan["reference"])
    axes.plot([1], [0], "ks", ms=5, label=reference)
    is_complete = True
    for k, found in enumerate(numbers["joint"]):
        if not_computed(found):
            is_complete = False
            continue
        _region(axes, found, k)
    if not is_complete:
        axes.text(0.5, 0.5, "no region: see Beside the result", ha="center", transform=axes.transAxes, fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks([0.25, 0.5, 0.75, 1, 1.5, 2], ["0.25", "0.5", "0.75", "1", "1.5", "2"])
    axes.minorticks_off()
    axes.set_xlabel("ratio of geometric means of seconds per cell (left: faster)")
    axes.set_ylabel(f"difference of {plan['quality_measure']} (up: better)")
    axes.set_title("Time and quality at once, 95 % regions")
    axes.legend(fontsize=7)


def _region(axes: Axes, found: JointNumbers, k: int) -> None:
    region = Joint(
        arm=found["arm"],
        measure=found["measure"],
        log_ratio=found["log_ratio"],
        difference=found["difference"],
        covariance=found["covariance"],
        reach=found["reach"],
        df=found["df"],
        readers=found["readers"],
    )
    edge = outline(region)
    xs = [math.exp(x) for x in edge[:, 0]]
    ys = edge[:, 1]
    colour = COLOURS[k]
    axes.fill(xs, ys, color=colour, alpha=0.2)
    ratio = math.exp(found["log_ratio"])
    name = short(found["arm"])
    axes.plot([ratio], [found["difference"]], "o", color=colour, label=name)
