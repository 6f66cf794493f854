"""All methods on the same images: trained on the labels that each learns from, measured on held-out images."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from inference import metrics
from inference.datasets import Dataset
from inference.documents.methods import Kind
from inference.labels import labelled
from inference.methods import frame
from inference.methods.benchmark import split
from inference.repair import Repair, repair
from inference.types import InferenceError, Labels, Report, Sample, TrainingDiverged

FIGURES = ("dice", "aji", "pq", "dq", "sq")


@dataclass(frozen=True)
class Shift:
    """How far each point lies from the centre of its box: evenly between two distances, px, in any direction."""

    least: float = 0.0
    most: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most:
            raise ValueError(f"points are shifted by 0 or LEAST-MOST px, not by {self}")

    def __str__(self) -> str:
        return f"{self.least:g}" if self.least == self.most else f"{self.least:g}-{self.most:g}"


@dataclass(frozen=True)
class Task:
    """One training and its measurement."""

    dataset: str
    method: str
    preset: str
    seed: int
    shift: Shift

    @property
    def name(self) -> str:
        """Of its file and of its folder."""
        return f"{self.method}_{self.preset}_{self.seed}_{self.shift}"


@dataclass(frozen=True)
class OnImage:
    """values: FIGURES of one image; needs: what repairing it takes"""

    image: str
    values: dict[str, float]
    needs: Repair


@dataclass(frozen=True)
class Run:
    """What a task found.

    missing  why there is nothing; "" where there is
    seconds  of processor for the training; 0 where it was there already
    predicting  seconds of processor for one image
    """

    task: Task
    labels: Kind
    missing: str = ""
    seconds: float = 0.0
    predicting: float = 0.0
    images: tuple[OnImage, ...] = ()

    def mean(self, figure: str) -> float:
        return float(np.mean([one.values[figure] for one in self.images]))

    @property
    def needs(self) -> Repair:
        total = Repair()
        for one in self.images:
            total = total + one.needs
        return total


def shifted(samples: Sequence[Sample], shift: Shift, seed: int) -> list[Sample]:
    """Samples whose cells are points, each moved; it stays in the image."""
    if not shift.most:
        return list(samples)
    found = []
    for number, sample in enumerate(samples):
        height, width = sample.rgb.shape[:2]
        count = len(sample.boxes)
        chance = np.random.default_rng([seed, number, count])
        angle = chance.uniform(0, 2 * np.pi, count)
        distance = chance.uniform(shift.least, shift.most, count)
        x = np.clip(sample.boxes[:, 0] + distance * np.cos(angle), 0, np.nextafter(width, 0))
        y = np.clip(sample.boxes[:, 1] + distance * np.sin(angle), 0, np.nextafter(height, 0))
        found.append(replace(sample, boxes=np.stack([x, y, x, y], axis=1)))
    return found


def tasks(
    dataset: str,
    names: Sequence[str],
    preset: str,
    seeds: Sequence[int],
    shifts: Sequence[Shift],
) -> list[Task]:
    """Seed by seed, so that an interrupted run has all methods of the first; shifts are of points alone."""
    found = []
    for seed in seeds:
        for name in names:
            learns_points = frame.method_of(name).labels[0] == "points"
            for shift in shifts if learns_points else (Shift(),):
                found.append(Task(dataset, name, preset, seed, shift))
    return found


def run(
    dataset: Dataset,
    task: Task,
    *,
    device: str,
    work: Path,
    report: Report,
    tell: Callable[[str], None],
) -> Run:
    """Train and measure. What a method lacks here is a Run without images that says so; Cancelled is raised."""
    method = frame.method_of(task.method)
    kind = method.labels[0]
    training, held_out = split(dataset)
    samples = [dataset.sample(name, with_labels=kind == "masks") for name in training]
    tell(f"{task.dataset}, {task.name}: {len(samples)} images to train on, {len(held_out)} to measure on")
    begun = time.process_time()
    try:
        learned = shifted(labelled(samples, kind, seed=task.seed), task.shift, task.seed)
        settings = frame.module_of(task.method).settings_of(task.preset, device=device, seed=task.seed)
        # No held-out image takes part in the training: no epoch and no threshold is chosen on what is measured.
        bundle = frame.train(
            task.method,
            learned,
            [],
            settings,
            output=work / task.dataset / task.name,
            report=report,
            stop=lambda: False,
        )
        seconds = time.process_time() - begun
        model = frame.load(bundle, device=device)
    except TrainingDiverged as error:
        return Run(task, kind, missing=f"training diverged: {error}")
    except InferenceError as error:
        return Run(task, kind, missing=str(error))
    begun = time.process_time()
    images = []
    for name in held_out:
        sample = dataset.sample(name, with_labels=True)
        images.append(measured(model.predict(sample.rgb).labels, sample))
        tell(f"  measured {name}: Dice {images[-1].values['dice']:.3f}")
    predicting = (time.process_time() - begun) / len(images)
    return Run(task, kind, "", seconds, predicting, tuple(images))


def measured(labels: Labels, sample: Sample) -> OnImage:
    assert sample.labels is not None
    table = metrics.contingency(sample.labels, labels)
    panoptic = metrics.panoptic(table)
    values = {
        "dice": metrics.dice(sample.labels > 0, labels > 0),
        "aji": metrics.aji(table),
        "pq": panoptic.pq,
        "dq": panoptic.dq,
        "sq": panoptic.sq,
    }
    return OnImage(sample.name, values, repair(table, labels.size))


def as_json(one: Run) -> dict[str, object]:
    """What a file keeps; values to five places."""
    found = asdict(one)
    for image in found["images"]:
        image["values"] = {name: round(value, 5) for name, value in image["values"].items()}
    return found | {"seconds": round(one.seconds, 1), "predicting": round(one.predicting, 2)}
