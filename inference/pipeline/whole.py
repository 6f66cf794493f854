"""The stages of a method that is trained as a whole (inference/methods/frame.py): its training, and what it finds.

compute.py composes BoxCell of a detector, a segmenter and their fusion; here one stage trains and one looks at the
images. What is kept of an image has the same shape, so that instances, evaluation and publication are shared.
"""

import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from inference import registry
from inference.documents.configuration import Instances, Recipe, RoundConfiguration
from inference.documents.methods import METHODS
from inference.documents.stage_reports import ModelNames, TrainingFacts
from inference.masks import cells_of, rasterise_boxes
from inference.metrics import box_iou
from inference.pipeline.acquisition import embedding, image_scores
from inference.pipeline.evaluation import is_judged
from inference.pipeline.painting import paint, tidied
from inference.pipeline.people import is_new, proposed_on, taught_by
from inference.pipeline.snapshots import Cell, Field, boxes_of_cells
from inference.pipeline.units import InstanceUnit, PredictionUnit, Setting, class_names, plain_settings
from inference.training.loop import Schedule, trained_parameters
from inference.types import Boxes, Labels, Mask, Progress, Sample, UnreadableImage
from inference.weights import catalogue, sha256, shipped

SAME_CELL = 0.5  # IoU of boxes from which a found cell is the one that a person has boxed
BUNDLE = "method.zip"


# -- its training


def train(setting: Setting) -> tuple[Path, TrainingFacts]:
    """Train the round's method on what the snapshot teaches, going on where an earlier attempt stopped.

    -> a zip of its bundle. Raises NoSuchLabels, Cancelled, TrainingDiverged, InferenceError.
    """
    configuration = setting.configuration
    learned = learned_samples(setting, "train")
    checked = learned_samples(setting, "val")
    settings = settings_for(configuration, device=setting.device)
    output = setting.work / "training"
    output.mkdir(parents=True, exist_ok=True)
    with catalogue.own_weights(configuration.prompter.name, setting.inputs.prompter):
        folder = registry.method(configuration.method).train(
            learned,
            checked,
            settings,
            output=output,
            report=setting.report,
            stop=setting.stop,
        )
    facts = TrainingFacts(
        images=len(learned),
        validation_images=len(checked),
        model=described(configuration),
        cells=sum(len(sample.boxes) for sample in learned),
        classes=setting.class_count if METHODS[configuration.method].classes else 1,
        settings=plain_settings(asdict(settings)),
        trained_parameters=trained_parameters(folder),
    )
    return zipped(folder, setting.work / BUNDLE), facts


def described(configuration: RoundConfiguration) -> str:
    """The method with its version, and the net that it composes."""
    method = METHODS[configuration.method]
    version = str(registry.method(method.name).METHOD)
    return f"{version} on {configuration.prompter.name}" if method.nets else version


def zipped(folder: Path, target: Path) -> Path:
    """The files of a bundle, without the work folder of its training."""
    aside = target.with_name(target.name + ".tmp")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                archive.write(path, path.name)
    aside.replace(target)
    return target


def settings_for(configuration: RoundConfiguration, *, device: str) -> Any:
    """The method's own settings: the preset's, with what the recipe changes. Raises InferenceError."""
    method = METHODS[configuration.method]
    recipe = configuration.training
    options = {"prompter": configuration.prompter.name} if method.nets else {}
    seed = recipe.change.get("seed", 0)
    made = registry.method(method.name).settings_of(recipe.preset, device=device, seed=seed, **options)
    return with_changes(made, recipe)


def with_changes(settings: Any, recipe: Recipe) -> Any:
    """The settings (a dataclass) with steps and rate changed in each schedule that they hold."""
    changed: dict[str, Any] = {name: value for name, value in recipe.change.items() if name in ("steps", "lr")}
    if not changed:
        return settings
    found = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Schedule):
            found[field.name] = replace(value, **changed)
        elif is_dataclass(value):
            found[field.name] = with_changes(value, recipe)
    return replace(settings, **found)


def learned_samples(setting: Setting, split: str) -> list[Sample]:
    """The annotated fields of a split, with the labels that the method learns from."""
    by_masks = METHODS[setting.configuration.method].labels[0] == "masks"
    single = setting.class_count == 1
    found = []
    for field in setting.fields:
        if not field.annotated or field.split != split:
            continue
        cells, valid = taught_by(setting, field)
        try:
            rgb = field.rgb()
        except UnreadableImage as error:
            setting.report(Progress(0, 0, f"image {field.image} teaches nothing: {error}"))
            continue
        labels = None
        boxes = boxes_of_cells(cells)
        if by_masks:
            cells, valid = verified(cells, valid)
            labels = paint([cell.mask for cell in cells], field)
            boxes = extents(labels, len(cells))
        classes = np.array([0 if single else cell.class_index or 0 for cell in cells], np.int64)
        found.append(Sample(rgb, boxes, classes, valid, labels, str(field.image)))
    return found


def verified(cells: list[Cell], valid: Mask) -> tuple[list[Cell], Mask]:
    """The cells with a mask, and `valid` without the boxes of the others: these are cells of unknown shape."""
    height, width = valid.shape
    others = [cell for cell in cells if cell.mask is None]
    unknown = rasterise_boxes(boxes_of_cells(others), width, height)
    kept = [cell for cell in cells if cell.mask is not None]
    for cell in kept:
        mask = cell.mask
        assert mask is not None  # kept so above
        rows, columns = mask.bits.shape
        unknown[mask.y : mask.y + rows, mask.x : mask.x + columns] &= ~mask.bits
    return kept, valid & ~unknown


def extents(labels: Labels, count: int) -> Boxes:
    """(n, 4) tight boxes of the ids 1 to count; of one without a pixel a box without an area."""
    found = np.zeros((count, 4), np.float64)
    for number, mask in cells_of(labels):
        height, width = mask.bits.shape
        found[number - 1] = mask.x, mask.y, mask.x + width, mask.y + height
    return found


def identity(configuration: RoundConfiguration) -> list[JsonValue]:
    """What names the method in a stage's key: its version, and the weights of the net that it composes."""
    named: list[JsonValue] = [described(configuration)]
    if METHODS[configuration.method].nets:
        named.append(weights_of(configuration))
    return named


def weights_of(configuration: RoundConfiguration) -> str:
    """What names the weights of the net that the method composes: of a team's own their key, else their SHA-256; ""
    where it begins without.

    Raises NotHere, with the remedy.
    """
    method, net = METHODS[configuration.method], configuration.prompter.name
    if configuration.prompter.weights:
        return configuration.prompter.weights
    path = catalogue.found(net) if net in catalogue.ENTRIES else shipped(net.replace("-", "_"))
    if path is None and not method.own_start:
        raise catalogue.NotHere(
            f"{method.title} composes {net}, and this copy of Boxwise has no weights of it. Choose another net as the "
            f"prompter, such as sam-vit-b, after boxwise models pull sam-vit-b or, without a network, "
            f"boxwise models add sam-vit-b FILE on the machine of the worker"
        )
    if path is None:
        return ""
    changed = path.stat()
    return _hashed(path, changed.st_mtime_ns, changed.st_size)


@lru_cache(maxsize=8)
def _hashed(path: Path, _changed: int, _size: int) -> str:
    """A checkpoint has up to 2.5 GB, and every stage asks for its key."""
    return sha256(path)


# -- what it finds


def found_by(setting: Setting) -> tuple[Callable[[Field], PredictionUnit], ModelNames]:
    """Load the trained method. -> what makes the prediction of one image, and its name.

    A found cell that a person has boxed or pointed at carries the person's cell as its source; others are proposed
    where nobody has spoken yet.
    """
    chosen = setting.configuration.prediction
    trained = opened(setting.inputs["method"], setting)
    knows_classes = METHODS[setting.configuration.method].classes
    class_of = class_names(setting)

    def make(field: Field) -> PredictionUnit:
        field = proposed_on(setting.content, field)
        rgb = field.rgb()
        found = trained.predict(rgb)
        numbers = [number for number, _ in cells_of(found.labels)]
        boxes = extents(found.labels, len(found.scores))[[number - 1 for number in numbers]].reshape(-1, 4)
        scores = found.scores[[number - 1 for number in numbers]].astype(np.float32)
        source_of = matched(boxes, field.cells)
        new = is_new(boxes, field, chosen.person_overlap)
        kept = [row for row in range(len(numbers)) if row in source_of or new[row]]
        classes = [class_of(int(found.classes[number - 1])) if knows_classes else None for number in numbers]
        unit = PredictionUnit(
            m_d=renumbered(found.labels, [numbers[row] for row in kept]),
            boxes=boxes[kept],
            scores=scores[kept],
            classes=[source_of[row].class_index if row in source_of else classes[row] for row in kept],
            sources=[source_of[row].uid if row in source_of else None for row in kept],
            detected_boxes=boxes,
            detected_scores=scores,
        )
        if is_judged(field):
            unit["whole"] = renumbered(found.labels, numbers)
        return unit

    named = trained.models
    net = f" on {named['encoder']}" if "encoder" in named else ""
    return make, ModelNames(method=f"{named.get('net') or named['detector']}{net}")


def opened(artifact: Path, setting: Setting) -> Any:
    """The trained method (inference/methods/frame.py, Trained); what is unpacked for that is removed again."""
    with tempfile.TemporaryDirectory(dir=setting.work) as folder, zipfile.ZipFile(artifact) as archive:
        archive.extractall(folder)  # written by `zipped`, and its hash was checked
        return registry.method(setting.configuration.method).load(Path(folder), device=setting.device)


def matched(boxes: Boxes, cells: tuple[Cell, ...]) -> dict[int, Cell]:
    """Row of a found cell -> the person's cell that it is: the best overlap of boxes first, a point by the smallest box
    that holds it; each cell once."""
    pairs: list[tuple[float, int, int]] = []
    if not len(boxes) or not cells:
        return {}
    overlaps = box_iou(boxes, boxes_of_cells(cells))
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for column, cell in enumerate(cells):
        if cell.is_point:
            x, y = cell.centre
            inside = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
            pairs += [(1 / (1 + float(areas[row])), int(row), column) for row in np.flatnonzero(inside)]
        else:
            near = np.flatnonzero(overlaps[:, column] >= SAME_CELL)
            pairs += [(float(overlaps[row, column]), int(row), column) for row in near]
    found: dict[int, Cell] = {}
    used: set[int] = set()
    for _, row, column in sorted(pairs, reverse=True):
        if row not in found and column not in used:
            found[row] = cells[column]
            used.add(column)
    return found


def renumbered(labels: Labels, numbers: list[int]) -> Labels:
    """The cells of these ids as 1, 2, ...; all others are background."""
    table = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    table[numbers] = np.arange(1, len(numbers) + 1)
    found: Labels = table[labels]
    return found


def whole_instances(field: Field, unit: PredictionUnit, chosen: Instances, crumb: float) -> InstanceUnit:
    """The instances of one field, and the doubt of each: 1 - its score. Without a fusion no pixel is ambiguous."""
    people = [number for number, source in enumerate(unit["sources"], start=1) if source]
    labels, crumbs = tidied(unit["m_d"], chosen, crumb, keep=people)
    scores = image_scores(labels, labels > 0, unit["detected_scores"], np.zeros(0))
    return {
        "labels": labels,
        "doubt": np.concatenate([[0.0], 1 - unit["scores"]]).astype(np.float32),
        "crumbs": crumbs,
        "queue": {name: scores[name] for name in ("detector", "cells")},
        "embedding": embedding(field.rgb(), labels > 0).tolist(),
    }
