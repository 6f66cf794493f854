"""The plots of a report, and the report as PDF, from its numbers alone."""

import io
import textwrap
from collections.abc import Callable

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from labeling.studies import plots_of_choices
from labeling.studies.analysis.attribution import OTHER, PHASES
from labeling.studies.figures import known, not_computed
from labeling.studies.plot_style import COLOURS, short
from labeling.studies.protocol.documents import CutOff, Numbers

# Names are typed by people: "$" in one is no formula, and a broken formula would be no plot.
matplotlib.rcParams["text.parse_math"] = False


def readers(numbers: Numbers, axes: Axes) -> None:
    """Each reader's seconds per reference cell in each arm, joined."""
    arms = list(numbers["arms"])
    people: dict[str, dict[str, float]] = {}
    for row in numbers["readers"]:
        people.setdefault(row["participant"], {})[row["arm"]] = row["rate"]
    for k, (name, found) in enumerate(sorted(people.items())):
        there = [arm for arm in arms if arm in found]
        places = [arms.index(arm) for arm in there]
        values = [found[arm] for arm in there]
        axes.plot(places, values, "o-", color=COLOURS[k % len(COLOURS)], lw=1, label=name)
    axes.set_xticks(range(len(arms)), [short(arm) for arm in arms])
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
        active = phase in PHASES
        tables = [arm["phases_per_cell"] if active else arm["beside_per_cell"] for arm in arms.values()]
        values = [table[phase] for table in tables]
        if not any(values):
            continue
        hatch = None if active else "//"
        axes.barh(range(len(arms)), values, left=list(left.values()), color=COLOURS[k], label=phase, hatch=hatch)
        left = {name: left[name] + value for name, value in zip(arms, values, strict=True)}
    axes.set_yticks(range(len(arms)), [short(arm) for arm in arms])
    axes.set_xlabel("s per reference cell (hatched: not active)")
    axes.set_title("Phases")
    axes.set_ylim(len(arms) - 0.4, -1.1)  # the legend has the room above the bars
    if any(left.values()):
        axes.legend(fontsize=7, ncols=5, loc="upper left")


def cut_offs(numbers: Numbers, axes: Axes) -> None:
    """The ratio of every arm to the reference, with its interval, under other idle cut-offs."""
    rows = numbers["sensitivity"]
    places = [row["idle_after_s"] for row in rows]
    for k, arm in enumerate(numbers["plan"]["others"]):
        _ratios(axes, rows, k, arm)
    axes.axhline(1, color="#999999", lw=0.8)
    axes.axvline(numbers["rules"]["idle_after_s"], color=COLOURS[6], ls="--", label="declared")
    axes.set_xscale("log")
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("idle cut-off, s")
    axes.set_ylabel("ratio of seconds per cell")
    axes.set_title("Sensitivity to the cut-off")
    axes.legend(fontsize=7)


def _ratios(axes: Axes, rows: list[CutOff], k: int, arm: str) -> None:
    """One arm, a little beside the others; an end that is not bounded is drawn to three times the ratio."""
    for row in rows:
        found = row["contrasts"][k]
        if not_computed(found):
            continue
        at = row["idle_after_s"] * 1.04**k
        ratio = found["ratio"]
        ends = found["interval"]
        if not not_computed(ends):
            low = known(ends["low"], 0.0)
            high = known(ends["high"], 3 * ratio)
            axes.plot([at, at], [low, high], "-", color=COLOURS[k], lw=1.5)
        axes.plot([at], [ratio], "o", color=COLOURS[k])
    axes.plot([], [], "o-", color=COLOURS[k], label=short(arm))


def learning(numbers: Numbers, axes: Axes) -> None:
    """Seconds per cell in the order of reading: learning falls, fatigue rises."""
    rows = [f for f in numbers["fields"] if f["counts"]]
    for k, arm in enumerate(numbers["arms"]):
        own = [f for f in rows if f["arm"] == arm]
        xs = [f["position"] for f in own]
        ys = [f["active_s"] / f["reference_cells"] for f in own]
        axes.plot(xs, ys, "o", ms=4, color=COLOURS[k], alpha=0.7, label=short(arm))
    axes.set_xlabel("field, in the order of reading within an arm")
    axes.set_ylabel("active s per reference cell")
    axes.set_ylim(bottom=0)
    axes.set_xticks(sorted({f["position"] for f in rows}))
    axes.set_title("Learning and fatigue")
    if rows:
        axes.legend(fontsize=7)


PLOTS: dict[str, Callable[[Numbers, Axes], None]] = {
    "readers": readers,
    "phases": phases,
    "cut_offs": cut_offs,
    "specifications": plots_of_choices.specifications,
    "plane": plots_of_choices.plane,
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


LINES = 66  # of text on a page
PLOTS_A_PAGE = 3
TOP = 0.91  # of the first line, and the step to the next: shares of the page's height
STEP = 0.0132


def pdf(title: str, text: list[tuple[str, list[str]]], numbers: Numbers) -> bytes:
    """The report on A4: text first, then every plot. text: heading and paragraphs of each section."""
    out = io.BytesIO()
    with PdfPages(out, metadata={"Title": title, "CreationDate": None}) as pages:
        lines = _lines(text)
        for start in range(0, max(1, len(lines)), LINES):
            page = Figure(figsize=(8.27, 11.69))
            FigureCanvasAgg(page)
            if start == 0:
                page.text(0.08, 0.95, short_title(title), fontsize=15, weight="bold", va="top")
            for k, (line, weight) in enumerate(lines[start : start + LINES]):
                if line:
                    page.text(0.08, TOP - k * STEP, line, fontsize=9, weight=weight, va="top")
            pages.savefig(page)
        drawn = list(PLOTS.values())
        for start in range(0, len(drawn), PLOTS_A_PAGE):
            page = Figure(figsize=(8.27, 11.69), layout="constrained")
            FigureCanvasAgg(page)
            places = page.subplots(PLOTS_A_PAGE, 1)
            on_page = drawn[start : start + PLOTS_A_PAGE]
            for axes in places[len(on_page) :]:
                axes.set_axis_off()
            for axes, plot in zip(places, on_page, strict=False):
                plot(numbers, axes)
            pages.savefig(page)
    return out.getvalue()


def short_title(title: str) -> str:
    return title if len(title) <= 60 else f"{title[:59]}…"


def _lines(text: list[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    """Every line with its weight; a heading is bold."""
    found = []
    for heading, paragraphs in text:
        found += [(heading, "bold"), ("", "normal")]
        for paragraph in paragraphs:
            found += [(line, "normal") for line in textwrap.wrap(paragraph, 95)]
            found.append(("", "normal"))
    return found
