"""What every method stands behind. A new one is a module (or a folder) and an entry in inference/documents/methods.py,
or in the entry points of a package of its own (inference/methods/installed.py).

    settings_of(preset, device=..., seed=..., **options) -> settings, a frozen dataclass
    train(samples, validation, settings, output=..., report=..., stop=...) -> the bundle folder
    load(folder, device=...) -> a Trained

A predictor, which is trained elsewhere, has `load` alone, and what inference/methods/external/wrapping.py says.

A bundle is a folder with weights (safetensors) and one JSON document, NAME.json, by which `load` here knows whose it
is. Training is resumable and stoppable: whoever calls it again with the same arguments goes on from the last epoch.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from inference.archives import folder_of
from inference.documents.base import JsonObject
from inference.documents.methods import Method, Predictor
from inference.labels import NoSuchLabels
from inference.methods.installed import installed, methods, predictors
from inference.types import RGB, Classes, InferenceError, Labels, Report, Sample, Scores, Stop


class Prediction(Protocol):
    """What a trained method finds in one image.

    labels   (H, W) int32, 0 is background
    scores   (n,) float32, row i is of the cell with id i + 1; ids may have gaps
    classes  (n,) int64, alike; 0 where the method knows no classes
    remark   for the person who sees the line of the image; may be empty
    """

    @property
    def labels(self) -> Labels: ...

    @property
    def scores(self) -> Scores: ...

    @property
    def classes(self) -> Classes: ...

    @property
    def remark(self) -> str: ...


@runtime_checkable
class WithParts(Protocol):
    """A prediction that shows what it was made of."""

    def write_parts(self, folder: Path, name: str) -> None:
        """Write the parts of the image of this name."""


@dataclass(frozen=True)
class Instances:
    """A Prediction of a method whose masks are made in one piece."""

    labels: Labels
    scores: Scores
    classes: Classes = field(default_factory=lambda: np.zeros(0, np.int64))
    remark: str = ""

    def __post_init__(self) -> None:
        if not len(self.classes):
            object.__setattr__(self, "classes", np.zeros(len(self.scores), np.int64))
        if self.labels.max(initial=0) > len(self.scores) or len(self.scores) != len(self.classes):
            raise ValueError(
                f"{len(self.scores)} scores and {len(self.classes)} classes do not fit ids up to {self.labels.max()}"
            )


class Trained(Protocol):
    """A trained method.

    models    what each part does -> its name with version, as it is written beside the cells it finds
    settings  what it was made with
    """

    @property
    def models(self) -> Mapping[str, str]: ...

    @property
    def settings(self) -> object: ...

    def predict(self, rgb: RGB) -> Prediction:
        """rgb (H, W, 3) uint8, of any size."""


@runtime_checkable
class Adaptable(Protocol):
    """A trained method that can be fitted to a new stain without labels."""

    def adapt(self, images: Sequence[RGB]) -> str:
        """-> what was done, for a person"""


@runtime_checkable
class Described(Protocol):
    """A trained model that says where it comes from.

    origin  licence, source and what else a person said of it -> as it is written beside the cells it finds
    """

    @property
    def origin(self) -> Mapping[str, str]: ...


class MethodModule(Protocol):
    """The module of a method. METHOD: its name with the version of what it writes."""

    METHOD: str

    def settings_of(self, preset: str, *, device: str = "auto", seed: int = 0, **options: Any) -> Any: ...

    def train(
        self,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        settings: Any,
        *,
        output: Path,
        report: Report,
        stop: Stop,
    ) -> Path: ...

    def load(self, bundle: Path, *, device: str = "auto") -> Trained: ...


def module_of(name: str) -> MethodModule:
    """The module of a method, imported now. Raises InferenceError for a name that is not registered."""
    return cast("MethodModule", imported(method_of(name)))


def method_of(name: str) -> Method:
    """Raises InferenceError for a name that is not registered, or of a package that cannot be used."""
    every = methods()
    if name in every:
        return every[name]
    fault = installed().faults.get(name)
    raise InferenceError(fault or f"there is no method {name!r}; there are {', '.join(every)}")


def imported(one: Method | Predictor) -> Any:
    """The module of a method or predictor. Raises InferenceError where it cannot be imported."""
    try:
        return import_module(one.module)
    except Exception as error:  # whatever somebody else's package does when it is imported
        raise InferenceError(f"{one.title} cannot be used: {type(error).__name__}: {error}") from error


def train(
    name: str,
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    settings: Any,
    *,
    output: Path,
    report: Report,
    stop: Stop,
) -> Path:
    """Train a method -> its bundle. Raises NoSuchLabels where too few cells are labelled, Cancelled, InferenceError."""
    module = module_of(name)
    check_enough(method_of(name), samples)
    return module.train(samples, validation, settings, output=output, report=report, stop=stop)


def check_enough(method: Method, samples: Sequence[Sample]) -> None:
    """Raises NoSuchLabels, with both numbers, where the samples hold fewer cells than the method needs."""
    there = sum(len(sample.boxes) for sample in samples)
    if there < method.least:
        kind = method.labels[0]
        raise NoSuchLabels(f"{method.title} needs {method.least} {kind}; there are {there}")


def load(bundle: Path, *, device: str = "auto") -> Trained:
    """A trained model from its folder or the zip of one, whoever made it. Raises InferenceError."""
    folder = folder_of(bundle)
    every: list[Method | Predictor] = [*methods().values(), *predictors().values()]
    for one in every:
        if (folder / one.bundle).is_file():
            made: Trained = imported(one).load(folder, device=device)
            return made
    for name, fault in installed().faults.items():
        if (folder / f"{name}.json").is_file():
            raise InferenceError(fault)
    wanted = ", ".join(one.bundle for one in every)
    raise InferenceError(f"{bundle.name} is no trained model: none of {wanted} is in it")


def write_bundle(output: Path, name: str, about: Mapping[str, object]) -> Path:
    """Write the document last, under a temporary name first: a folder that has it is whole. -> output"""
    path = output / f"{name}.json"
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(json.dumps(about, indent=1, sort_keys=True, default=str))
    os.replace(unfinished, path)
    return output


def read_bundle(folder: Path, name: str, version: str) -> JsonObject:
    """The document of a bundle that this version of the method wrote. Raises InferenceError."""
    try:
        about = json.loads((folder / f"{name}.json").read_text())
        made_by = about["method"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InferenceError(f"{folder.name} is no trained model: {error}") from error
    if made_by != version:
        raise InferenceError(f"{folder.name} was made by {made_by}, not by {version}")
    found: JsonObject = about
    return found
