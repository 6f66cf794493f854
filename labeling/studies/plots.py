"""The plots of a report, and the report as PDF, from its numbers alone."""

import io
import textwrap
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from labeling.studies.analysis.attribution import OTHER, PHASES

Numbers = dict[str, Any]
# Okabe and Ito; told apart by colour-blind people too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#999999", "#dddddd", "#f0e442", "#000000")


def readers(numbers: Numbers, axes: Axes) -> None:
    """Each reader's seconds per reference cell in each arm, joined."""
    arms = list(numbers["arms"])
    people: dict[str, dict[str, float]] = {}
    for row in numbers["readers"]:
        people.setdefault(row["participant"], {})[row["arm"]] = row["rate"]
    for k, (name, found) in enumerate(sorted(people.items())):
        there = [a for a in arms if a in found]
        places, values = [arms.index(a) for a in there], [found[a] for a in there]
        axes.plot(places, values, "o-", color=COLOURS[k % len(COLOURS)], lw=1, label=name)
    axes.set_xticks(range(len(arms)), arms)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("active s per reference cell")
    axes.set_title("Each reader")
    if 0 < len(people) <= 12:
        axes.legend(fontsize=7, ncols=2)


def phases(numbers: Numbers, axes: Axes) -> None:
    """Where the time of each arm went, with what is not work beside it."""
    arms = numbers["arms"]
    left = dict.fromkeys(arms, 0.0)
    for k, phase in enumerate((*PHASES, *OTHER)):
        values = [arm["phases_per_cell" if phase in PHASES else "beside_per_cell"][phase] for arm in arms.values()]
        if not any(values):
            continue
        hatch = None if phase in PHASES else "//"
        axes.barh(list(arms), values, left=list(left.values()), color=COLOURS[k], label=phase, hatch=hatch)
        left = {name: left[name] + value for name, value in zip(arms, values, strict=True)}
    axes.set_xlabel("s per reference cell (hatched: not active)")
    axes.set_title("Phases")
    axes.set_ylim(-0.6, len(arms) + 0.1)  # the legend has the room above the bars
    if any(left.values()):
        axes.legend(fontsize=7, ncols=5, loc="upper left")


def cut_offs(numbers: Numbers, axes: Axes) -> None:
    """Active time under other idle cut-offs."""
    rows = numbers["sensitivity"]
    axes.plot([r["idle_after_s"] for r in rows], [r["active_s"] / 60 for r in rows], "o-", color=COLOURS[0])
    axes.axvline(numbers["rules"]["idle_after_s"], color=COLOURS[1], ls="--", label="declared")
    axes.set_xscale("log")
    axes.set_xticks([r["idle_after_s"] for r in rows], [f"{r['idle_after_s']:g}" for r in rows])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("idle cut-off, s")
    axes.set_ylabel("active min, all counted sessions")
    axes.set_title("Sensitivity to the cut-off")
    axes.legend(fontsize=7)


def learning(numbers: Numbers, axes: Axes) -> None:
    """Seconds per cell in the order of reading: learning falls, fatigue rises."""
    rows = [f for f in numbers["fields"] if f["counts"]]
    for k, arm in enumerate(numbers["arms"]):
        own = [f for f in rows if f["arm"] == arm]
        xs, ys = [f["position"] for f in own], [f["active_s"] / f["reference_cells"] for f in own]
        axes.plot(xs, ys, "o", ms=4, color=COLOURS[k], alpha=0.7, label=arm)
    axes.set_xlabel("field, in the order of reading within an arm")
    axes.set_ylabel("active s per reference cell")
    axes.set_ylim(bottom=0)
    axes.set_xticks(sorted({f["position"] for f in rows}))
    axes.set_title("Learning and fatigue")
    if rows:
        axes.legend(fontsize=7)


SHOWS = {
    "readers": "Seconds per reference cell of each reader in each arm; the numbers are in Results.",
    "phases": "Seconds per reference cell in each phase, arm by arm.",
    "cut_offs": "Active minutes under other idle cut-offs; the numbers stand in the table below.",
    "learning": "Seconds per reference cell of each field in the order of reading.",
}
PLOTS: dict[str, Callable[[Numbers, Axes], None]] = {
    "readers": readers,
    "phases": phases,
    "cut_offs": cut_offs,
    "learning": learning,
}


def svg(numbers: Numbers, name: str) -> bytes:
    """One plot. Raises KeyError for an unknown name."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    PLOTS[name](numbers, figure.add_subplot())
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def pdf(title: str, paragraphs: list[str], numbers: Numbers) -> bytes:
    """The report on A4: text first, then every plot."""
    out = io.BytesIO()
    with PdfPages(out, metadata={"Title": title, "CreationDate": None}) as pages:
        lines = [line for p in paragraphs for line in [*(textwrap.wrap(p, 95) or [""]), ""]]
        for start in range(0, max(1, len(lines)), 62):
            page = Figure(figsize=(8.27, 11.69))
            FigureCanvasAgg(page)
            if start == 0:
                page.text(0.08, 0.95, title, fontsize=15, weight="bold", va="top")
            page.text(0.08, 0.91, "\n".join(lines[start : start + 62]), fontsize=9, va="top", linespacing=1.35)
            pages.savefig(page)
        page = Figure(figsize=(8.27, 11.69), layout="constrained")
        FigureCanvasAgg(page)
        for axes, plot in zip(page.subplots(len(PLOTS), 1), PLOTS.values(), strict=True):
            plot(numbers, axes)
        pages.savefig(page)
    return out.getvalue()
