"""Annotation replayed: a fully labelled data set is annotated image by image in the order that a strategy asks for.

Every round trains BoxCell on the images annotated so far (boxes alone), is judged on the images of patients that are
never annotated, and scores the rest of the pool (inference.pipeline.acquisition). Simulated annotators jitter the
corners of boxes and miss cells; what a strategy sees is what it would see in a project, never the reference.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from inference.metrics import mean, per_image
from inference.pipeline.acquisition import BOX_SECONDS, IMAGE_SECONDS, STRATEGIES, embedding, image_scores, priorities
from inference.types import InferenceError, Report, Sample, Stop


@dataclass(frozen=True)
class Annotator:
    """How a simulated person errs and how long they take.

    jitter        standard deviation of each side of a box, as a share of the box's size
    miss          share of cells that get no box
    box_seconds   modelled seconds a box, and image_seconds per image opened: assumptions, not measurements
    """

    jitter: float = 0.05
    miss: float = 0.05
    box_seconds: float = BOX_SECONDS
    image_seconds: float = IMAGE_SECONDS

    def __post_init__(self) -> None:
        if not (0 <= self.jitter < 0.5 and 0 <= self.miss < 1 and self.box_seconds >= 0 and self.image_seconds >= 0):
            raise ValueError(f"impossible annotator: {self}")

    def annotate(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample as this person would have left it: fewer and shifted boxes, no masks."""
        boxes = sample.boxes
        kept = rng.random(len(boxes)) >= self.miss
        size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        moved = boxes + rng.normal(0, 1, boxes.shape) * self.jitter * size
        height, width = sample.rgb.shape[:2]
        moved[:, 0::2] = moved[:, 0::2].clip(0, width)
        moved[:, 1::2] = moved[:, 1::2].clip(0, height)
        kept &= ((moved[:, 2:] - moved[:, :2]) >= 1).all(axis=1)
        return replace(sample, boxes=moved[kept], classes=sample.classes[kept], labels=None)


@dataclass(frozen=True)
class Plan:
    """What is replayed.

    start, step  images annotated before the first round and after each; the same start for every strategy
    rounds       of every strategy; where "random" is one of them, the others go on for `further` rounds at most, until
                 they have drawn as many boxes as it has or have reached its final PQ: what is compared is boxes
    """

    strategies: tuple[str, ...] = ("random", "mix")
    start: int = 2
    step: int = 2
    rounds: int = 3
    further: int = 0
    annotator: Annotator = Annotator()

    def __post_init__(self) -> None:
        unknown = set(self.strategies) - set(STRATEGIES)
        if unknown or not self.strategies:
            raise InferenceError(f"strategies are {', '.join(STRATEGIES)}, not {', '.join(sorted(unknown)) or 'none'}")
        if min(self.start, self.step, self.rounds) < 1 or self.further < 0:
            raise InferenceError("start, step and rounds are whole numbers from 1 on, further one from 0 on")


@dataclass(frozen=True)
class Point:
    """One round of one simulated project; dice and pq are means over the held-out images."""

    fold: str
    seed: int
    strategy: str
    round: int
    images: int
    boxes: int
    seconds: float
    dice: float
    pq: float
    chosen: tuple[str, ...]


# Trains on the samples in a folder; -> a function from an image to inference.methods.boxcell.Parts.
Train = Callable[[Sequence[Sample], Path, int], Callable[[npt.NDArray[np.uint8]], Any]]


def replay(
    pool: Sequence[Sample], judges: Sequence[Sample], plan: Plan, *, fold: str, seed: int, train: Train, work: Path
) -> Iterator[Point]:
    """The learning curves of every strategy on one fold, point by point.

    pool, judges  samples with reference labels; those of `pool` are used for boxes alone
    Raises InferenceError when the pool is too small for the plan.
    """
    needed = plan.start + plan.step * (plan.rounds - 1)
    if len(pool) < needed or not judges:
        raise InferenceError(f"the pool has {len(pool)} images and {len(judges)} judge; the plan takes {needed} and 1")
    rng = np.random.default_rng(seed)
    by_name = {sample.name: sample for sample in pool}
    start = [pool[i].name for i in rng.permutation(len(pool))[: plan.start]]
    drawn = {
        name: plan.annotator.annotate(sample, np.random.default_rng([seed, number]))
        for number, (name, sample) in enumerate(sorted(by_name.items()))
    }
    first: tuple[dict[str, float], dict[str, dict[str, float]]] | None = None
    goal: Point | None = None  # where random ended
    for strategy in sorted(plan.strategies, key=lambda name: name != "random"):
        annotated = list(start)
        for number in range(1, plan.rounds + plan.further + 1):
            if number == 1 and first is not None:
                judged, waiting = first  # the same images, the same models: not trained again
            else:
                predict = train([drawn[name] for name in annotated], work / f"{fold}-{seed}-{strategy}-{number}", seed)
                judged = judge(predict, judges)
                waiting = scored(predict, pool, set(annotated), seed)
                first = first or (judged, waiting)
            boxes = sum(len(drawn[name].boxes) for name in annotated)
            seconds = boxes * plan.annotator.box_seconds + len(annotated) * plan.annotator.image_seconds
            point = Point(
                fold,
                seed,
                strategy,
                number,
                len(annotated),
                boxes,
                seconds,
                judged["dice"],
                judged["pq"],
                tuple(annotated),
            )
            yield point
            enough = goal is None or boxes >= goal.boxes or point.pq >= goal.pq
            if (number >= plan.rounds and enough) or len(annotated) == len(pool):
                break
            order = sorted(waiting, key=lambda name: (-waiting[name][strategy], name))
            annotated += order[: plan.step]
        if strategy == "random":
            goal = point


def judge(predict: Callable[[npt.NDArray[np.uint8]], Any], judges: Sequence[Sample]) -> dict[str, float]:
    reports = []
    for sample in judges:
        assert sample.labels is not None
        reports.append(per_image(sample.labels, predict(sample.rgb).labels))
    return mean(reports)


def scored(
    predict: Callable[[npt.NDArray[np.uint8]], Any], pool: Sequence[Sample], seen: set[str], seed: int
) -> dict[str, dict[str, float]]:
    scores, embeddings = {}, {}
    for sample in pool:
        parts = predict(sample.rgb)
        scores[sample.name] = image_scores(
            parts.detected, parts.segmented, parts.detections.scores, parts.fused.probability
        )
        embeddings[sample.name] = embedding(sample.rgb, parts.fused.mask).tolist()
    return priorities(scores, embeddings, seen=seen, seed=seed)


def boxcell_trainer(preset: str, report: Report, stop: Stop, *, start: dict[str, Path] | None = None) -> Train:
    """Train with inference.methods.boxcell, without validation images: nothing is tuned on what judges.

    start  weights that "detector" and "segmenter" start from instead of the shipped ones, which have learned from some
           published data sets: on those, a curve from the shipped ones is not the curve of somebody's new tissue
    """
    from inference.methods import boxcell

    def train(samples: Sequence[Sample], work: Path, seed: int) -> Callable[[npt.NDArray[np.uint8]], Any]:
        settings = boxcell.BoxCellSettings(preset=preset, seed=seed, start=start or {})
        bundle = boxcell.train(samples, [], settings, output=work, report=report, stop=stop)
        return boxcell.load(bundle).predict

    return train


class Reached(TypedDict):
    """Where a strategy's curve reaches the final quality of random: boxes and their share of random's; None: nowhere.

    gain  mean height of the curve above random's, over the boxes that both have: what a lucky crossing cannot fake
    """

    fold: str
    seed: int
    strategy: str
    goal: float
    final: float
    gain: float
    boxes: float | None
    share: float | None


def boxes_to_reach(points: Sequence[Point], measure: str = "pq") -> list[Reached]:
    """For every fold, seed and strategy: the boxes at which it reaches the final quality of random, and their share of
    random's boxes. Between rounds the curve is taken as straight; None where it never gets there."""
    curves: dict[tuple[str, int, str], list[Point]] = {}
    for point in points:
        curves.setdefault((point.fold, point.seed, point.strategy), []).append(point)
    found: list[Reached] = []
    for (fold, seed, strategy), curve in sorted(curves.items()):
        base = curves.get((fold, seed, "random"))
        if base is None:
            continue
        goal, budget = getattr(base[-1], measure), base[-1].boxes
        boxes = first_reach([(p.boxes, getattr(p, measure)) for p in curve], goal)
        lines = [[(p.boxes, getattr(p, measure)) for p in line] for line in (curve, base)]
        found.append(
            {
                "fold": fold,
                "seed": seed,
                "strategy": strategy,
                "goal": goal,
                "final": getattr(curve[-1], measure),
                "gain": mean_height(lines[0], lines) - mean_height(lines[1], lines),
                "boxes": boxes,
                "share": None if boxes is None else boxes / budget,
            }
        )
    return found


def mean_height(curve: Sequence[tuple[float, float]], all_of: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Mean of a polyline of (boxes, quality) over the boxes that every polyline of `all_of` reaches."""
    low, high = max(line[0][0] for line in all_of), min(line[-1][0] for line in all_of)
    if high <= low:
        return curve[0][1]
    boxes = np.linspace(low, high, 1001)
    return float(np.interp(boxes, [b for b, _ in curve], [q for _, q in curve]).mean())


def first_reach(curve: Sequence[tuple[float, float]], goal: float) -> float | None:
    """Where a polyline of (boxes, quality), boxes ascending, first has quality >= goal."""
    before: tuple[float, float] | None = None
    for boxes, quality in curve:
        if quality >= goal:
            if before is None:
                return float(boxes)
            share = (goal - before[1]) / (quality - before[1])
            return float(before[0] + share * (boxes - before[0]))
        before = (boxes, quality)
    return None


def summary(rows: Sequence[Reached], *, resamples: int = 2000) -> dict[str, dict[str, float | int]]:
    """Strategy -> what `boxes_to_reach` says on average, over folds and seeds.

    share      mean share of random's boxes; a curve that never got there counts as 1, which flatters it
    low, high  95 % percentile bootstrap: whole folds are drawn, then seeds within them
    curves, reached  how many there are, and how many got to random's final quality
    gain, gain_low, gain_high  the same of `gain`

    Read it beside random's own row: a noisy curve crosses its final quality early by luck, and so does random's.
    """
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, float | int]] = {}
    for strategy in dict.fromkeys(row["strategy"] for row in rows):
        mine = [row for row in rows if row["strategy"] == strategy]
        folds: dict[str, list[tuple[float, float]]] = {}
        for row in mine:
            folds.setdefault(row["fold"], []).append((1.0 if row["share"] is None else row["share"], row["gain"]))
        kept = [np.array(values) for values in folds.values()]
        means = []
        for _ in range(resamples):
            drawn = [kept[i] for i in rng.integers(0, len(kept), len(kept))]
            means.append(np.concatenate([v[rng.integers(0, len(v), len(v))] for v in drawn]).mean(axis=0))
        (low, gain_low), (high, gain_high) = np.percentile(means, [2.5, 97.5], axis=0).tolist()
        share, gain = np.concatenate(kept).mean(axis=0).tolist()
        found[strategy] = {
            "share": share, "low": low, "high": high, "gain": gain, "gain_low": gain_low, "gain_high": gain_high,
            "curves": len(mine), "reached": sum(row["share"] is not None for row in mine),
        }  # fmt: skip
    return found


def write(path: Path, points: Sequence[Point], plan: Plan, about: Mapping[str, object]) -> None:
    content = {"about": about, "plan": asdict(plan), "points": [asdict(point) for point in points]}
    rows = boxes_to_reach(points)
    path.write_text(json.dumps(content | {"boxes_to_reach_random": rows, "summary": summary(rows)}, indent=1))


def draw(path: Path, points: Sequence[Point], *, title: str) -> None:
    """The learning curves as SVG: PQ against boxes and against modelled minutes, one thin line a curve and a thick one
    through the means of each strategy's rounds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for colour, strategy in enumerate(dict.fromkeys(point.strategy for point in points)):
        mine = [point for point in points if point.strategy == strategy]
        for axis, unit in zip(axes, ("boxes", "seconds"), strict=True):
            scale = 60 if unit == "seconds" else 1
            for key in sorted({(point.fold, point.seed) for point in mine}):
                curve = [point for point in mine if (point.fold, point.seed) == key]
                x = [getattr(point, unit) / scale for point in curve]
                axis.plot(x, [point.pq for point in curve], color=f"C{colour}", lw=0.6, alpha=0.4)
            rounds = sorted({point.round for point in mine})
            whole = [r for r in rounds if sum(p.round == r for p in mine) == sum(p.round == 1 for p in mine)]
            x, y = (
                [float(np.mean([value(p) for p in mine if p.round == r])) for r in whole]
                for value in (lambda p: getattr(p, unit) / scale, lambda p: p.pq)  # noqa: B023
            )
            axis.plot(x, y, color=f"C{colour}", lw=2.5, marker="o", label=strategy)
    axes[0].set(xlabel="boxes drawn", ylabel="PQ on held-out images", title=title)
    axes[1].set(xlabel="modelled minutes of annotating")
    axes[1].legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None})
