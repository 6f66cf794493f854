"""Units: the work of a stage image by image, kept as it is made (docs/design.md, idea 3).

A finished unit is a file in the stage's work folder, so a stage that was killed goes on after the last one. An
artifact is one file: a zip of the units, or weights.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference import registry
from inference.documents.configuration import Model, RoundConfiguration
from inference.documents.snapshot import Snapshot
from inference.pipeline.snapshots import Field
from inference.types import Cancelled, InferenceError, Progress, Prompter, Report, Stop, Trainer, UnreadableImage

Unit = dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """The files that a stage works from.

    artifacts        kind of a finished stage -> its artifact
    initial_weights  what the training of this stage begins with; None for what its trainer ships
    """

    artifacts: Mapping[str, Path]
    initial_weights: Path | None = None

    def __getitem__(self, kind: str) -> Path:
        return self.artifacts[kind]


@dataclass(frozen=True)
class Setting:
    """Everything a stage may use.

    content        the snapshot document
    fields         its images
    configuration  parameters of all stages
    inputs         the artifacts of earlier stages
    work           folder of this stage; what is in it from an earlier attempt is used again
    device         what nets compute on (inference.devices)
    """

    content: Snapshot
    fields: Sequence[Field]
    configuration: RoundConfiguration
    inputs: Inputs
    work: Path
    report: Report
    stop: Stop
    device: str = "auto"

    def prompter(self) -> Prompter:
        return registry.prompter(self.configuration.prompter.name, device=self.device)

    def trainer(self, kind: str) -> Any:
        return trainer_of(kind, self.model(kind), classes=self.class_count, device=self.device)

    def model(self, kind: str) -> Model:
        """The detector or segmenter of the configuration."""
        model = self.configuration.model_of(kind)
        assert model is not None  # asked for by the two stages that train
        return model

    def readable(self) -> list[Field]:
        """The fields that the prediction could read; it has said why it could not read the others."""
        return [f for f in self.fields if "unreadable" not in read_unit(self.inputs["prediction"], f.image)]

    @property
    def class_count(self) -> int:
        """1 when any cell is unclassified: a detector cannot learn classes from some of its cells only.

        Only fields that are learned from count, as in learning_digest: a cell elsewhere does not change the detector's
        key, so it must not change what fits its weights.
        """
        learned = [field for field in self.fields if field.annotated and field.split in ("train", "val")]
        classified = all(cell.class_index is not None for field in learned for cell in field.cells)
        return max(1, len(self.content.classes)) if classified else 1


def trainer_of(kind: str, chosen: Model, *, classes: int = 1, device: str = "auto") -> Trainer:
    """The trainer that a round's configuration names.

    A change is a field of the model's settings or of its schedule. Raises InferenceError for one it does not have.
    """
    options: dict[str, Any] = {"device": device} | ({"classes": classes} if kind == "detector" else {})
    made: Any = registry.trainer(kind, chosen.name, chosen.preset, **options)
    settings = made.settings
    for name, value in chosen.change.items():
        schedule = getattr(settings, "schedule", None)
        if name in {field.name for field in fields_of_dataclass(settings)}:
            settings = replace(settings, **{name: value})
        elif schedule is not None and name in {field.name for field in fields_of_dataclass(schedule)}:
            settings = replace(settings, schedule=replace(schedule, **{name: value}))
        else:
            raise InferenceError(f"the {kind} {chosen.name!r} has no setting {name!r}; leave it as the preset has it")
    trainer: Trainer = registry.trainer(kind, chosen.name, settings, **options)
    return trainer


def save_unit(folder: Path, image: int, unit: Unit) -> None:
    """Arrays and JSON values of one image, whole or not at all: written aside, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {k: v for k, v in unit.items() if isinstance(v, np.ndarray)}
    rest = {k: v for k, v in unit.items() if not isinstance(v, np.ndarray)}
    aside = folder / f".{image}.{os.getpid()}.npz"
    with aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, json=np.frombuffer(json.dumps(rest).encode(), np.uint8), **arrays)
    aside.replace(folder / f"{image}.npz")


def load_unit(file: Any) -> Unit:
    with np.load(file, allow_pickle=False) as data:
        return {**json.loads(data["json"].tobytes()), **{k: data[k] for k in data.files if k != "json"}}


def read_unit(artifact: Path, image: int) -> Unit:
    """The unit of one image; KeyError when the stage had none for it."""
    with zipfile.ZipFile(artifact) as archive, archive.open(f"{image}.npz") as file:
        return load_unit(file)


def each_unit(setting: Setting, fields: Sequence[Field], make: Callable[[Field], Unit]) -> Iterator[tuple[Field, Unit]]:
    """Make what is missing, in order, with progress; asks to stop between units. Raises Cancelled.

    An image that cannot be read is a unit with the reason, said in the log and passed over: the others go on.
    """
    folder = setting.work / "units"
    for number, field in enumerate(fields):
        path = folder / f"{field.image}.npz"
        if path.exists():
            unit = load_unit(path)
        else:
            if setting.stop():
                raise Cancelled("cancelled")
            note = ""
            try:
                unit = make(field)
            except UnreadableImage as error:
                unit = {"unreadable": str(error)}
                note = f"image {field.image} is left out: {error}"
            save_unit(folder, field.image, unit)
            setting.report(Progress(number + 1, len(fields), note))
        if "unreadable" not in unit:
            yield field, unit
    setting.report(Progress(len(fields), len(fields)))


def bundle(setting: Setting, name: str, *, images: Sequence[int] | None = None) -> Path:
    """The units of these images, or all of this stage, in one file."""
    path, folder = setting.work / name, setting.work / "units"
    found = sorted(folder.glob("[0-9]*.npz")) if images is None else [folder / f"{image}.npz" for image in images]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for unit in found:
            archive.write(unit, unit.name)
    return path
