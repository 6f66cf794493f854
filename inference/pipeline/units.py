"""Units: the work of a stage image by image, kept as it is made (docs/design.md, idea 3).

A finished unit is a file in the stage's work folder, so a stage that was killed goes on after the last one. An
artifact is one file: a zip of the units, or weights.
"""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of_dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypedDict, TypeVar, cast

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from inference import registry
from inference.documents.configuration import Model, RoundConfiguration
from inference.documents.snapshot import Snapshot
from inference.pipeline.snapshots import Field
from inference.types import (
    Boxes,
    Cancelled,
    InferenceError,
    Labels,
    Progress,
    Prompter,
    Report,
    Scores,
    Stop,
    Trainer,
    UnreadableImage,
)

Packed = npt.NDArray[np.uint8]  # bits of a mask, eight in a byte (np.packbits), row by row


class Unit(TypedDict, total=False):
    """What a stage keeps of one image. One that could not be read has the reason and nothing else."""

    unreadable: str


class PseudoMaskUnit(Unit, total=False):
    labels: Labels


class DetectedMasks(TypedDict, total=False):
    """The detector's masks alone (pipeline/evaluation.py), of images that judge.

    alone_scores   (n,) float32; alone_prompts: (n, 4) the boxes that they were made from
    alone_boxes    (n, 4) int32: x, y, width, height of each mask; alone_bits: their pixels, one mask after the other
    """

    alone_scores: Scores
    alone_prompts: Boxes
    alone_boxes: npt.NDArray[np.int32]
    alone_bits: Packed


class PredictionUnit(Unit, DetectedMasks, total=False):
    """m_d       (H, W) ids: id i was prompted by boxes[i - 1]; m_s: the segmenter's foreground
    classes   index of the project's class of each box, None where it has none
    sources   the person's cell behind each box; None for a box of the detector
    whole     (H, W) ids of all that a method trained as a whole finds, of images that judge
    """

    m_d: Labels
    m_s: Packed
    boxes: Boxes
    scores: Scores
    classes: list[int | None]
    sources: list[str | None]
    detected_boxes: Boxes
    detected_scores: Scores
    whole: Labels


class FusionUnit(Unit, total=False):
    """pixels     (n,) the flat indices of ambiguous pixels
    certificate  of inference.documents.publication
    queue      score -> how doubtful the image is; embedding: its colours (acquisition.embedding)
    """

    mask: Packed
    pixels: npt.NDArray[np.integer[Any]]
    certificate: Mapping[str, object]
    queue: dict[str, float]
    embedding: list[float]


class InstanceUnit(Unit, total=False):
    """doubt     (ids + 1,) float32, 0..1; crumbs: pieces left out, not said by units of the first rounds
    queue     as of a FusionUnit, and embedding: of a method without a fusion
    """

    labels: Labels
    doubt: npt.NDArray[np.float32]
    crumbs: int
    queue: dict[str, float]
    embedding: list[float]


U = TypeVar("U", bound=Unit)


@dataclass(frozen=True)
class Inputs:
    """The files that a stage works from.

    artifacts        kind of a finished stage -> its artifact
    initial_weights  what the training of this stage begins with; None for what its trainer ships
    prompter         a team's own weights of the prompter; None for those that its name means
    """

    artifacts: Mapping[str, Path]
    initial_weights: Path | None = None
    prompter: Path | None = None

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
        own = {"weights": self.inputs.prompter} if self.inputs.prompter else {}
        return registry.prompter(self.configuration.prompter.name, device=self.device, **own)

    def trainer(self, kind: str) -> Any:
        return trainer_of(kind, self.model(kind), classes=self.class_count, device=self.device)

    def model(self, kind: str) -> Model:
        """The detector or segmenter of the configuration."""
        model = self.configuration.model_of(kind)
        assert model is not None  # asked for by the two stages that train
        return model

    def readable(self) -> list[Field]:
        """The fields that the prediction could read; it has said why it could not read the others."""
        return [f for f in self.fields if "unreadable" not in self.predicted(f.image)]

    def predicted(self, image: int) -> PredictionUnit:
        return read_unit(PredictionUnit, self.inputs["prediction"], image)

    @property
    def class_count(self) -> int:
        """1 when any cell is unclassified: a detector cannot learn classes from some of its cells only.

        Only fields that are learned from count, as in learning_digest: a cell elsewhere does not change the detector's
        key, so it must not change what fits its weights.
        """
        learned = [field for field in self.fields if field.annotated and field.split in ("train", "val")]
        cells = chain.from_iterable(field.cells for field in learned)
        classified = all(cell.class_index is not None for cell in cells)
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


def plain_settings(settings: Mapping[str, Any]) -> dict[str, JsonValue]:
    """A model's own settings (`asdict` of a dataclass) as they stand in facts."""
    return {name: _plain(value) for name, value in settings.items()}


def _plain(value: Any) -> JsonValue:
    if isinstance(value, Mapping):
        return plain_settings(value)
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def save_unit(folder: Path, image: int, unit: Mapping[str, object]) -> None:
    """Arrays and JSON values of one image, whole or not at all: written aside, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {k: v for k, v in unit.items() if isinstance(v, np.ndarray)}
    rest = {k: v for k, v in unit.items() if not isinstance(v, np.ndarray)}
    aside = folder / f".{image}.{os.getpid()}.npz"
    with aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, json=np.frombuffer(json.dumps(rest).encode(), np.uint8), **arrays)
    aside.replace(folder / f"{image}.npz")


class StoredUnit(Mapping[str, Any]):
    """A unit as it lies in a file: what it says of itself is read at once, an array when it is asked for.

    A unit is a zip of its own (.npz) with one member an array and a first, small one, "json", for everything else. Each
    is decompressed alone.
    """

    def __init__(self, path: Path, start: int = 0, size: int | None = None) -> None:
        """The unit is `size` bytes of the file from `start` on; None for all of it."""
        self._path, self._start = path, start
        self._size = path.stat().st_size if size is None else size
        with self._opened() as archive:
            self._arrays = [name.removesuffix(".npy") for name in archive.namelist()]
            self._known: dict[str, Any] = json.loads(_array(archive, "json").tobytes())
        self._arrays.remove("json")

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            if name not in self._arrays:
                raise KeyError(name)
            with self._opened() as archive:
                self._known[name] = _array(archive, name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._arrays

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*self._known, *self._arrays])

    def __len__(self) -> int:
        return len({*self._known, *self._arrays})

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        with self._path.open("rb") as file, zipfile.ZipFile(Window(file, self._start, self._size)) as archive:
            yield archive


def _array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    with archive.open(f"{name}.npy") as member:
        array: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return array


class Window(io.RawIOBase):
    """Some bytes of an open file as a file of their own, to be read and sought in."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if begin + offset < 0:
            raise ValueError(f"cannot seek to {begin + offset}, before the start")
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def read_unit(kind: type[U], artifact: Path, image: int) -> U:
    """The unit of one image. kind: of the stage's units. Raises KeyError when the stage had none for it."""
    changed = artifact.stat()
    start, size = _places(artifact, changed.st_mtime_ns, changed.st_size)[f"{image}.npz"]
    return stored_unit(kind, artifact, start, size)


def stored_unit(kind: type[U], path: Path, start: int = 0, size: int | None = None) -> U:
    """A unit of this kind in a file (StoredUnit). Only a Boxwise has written it, so its names are believed."""
    return cast(U, StoredUnit(path, start, size))


@lru_cache(maxsize=8)
def _places(artifact: Path, _changed: int, _size: int) -> dict[str, tuple[int, int]]:
    """Name of a unit's file -> where its bytes begin in the artifact, and how many they are.

    The list of an artifact of ten thousand images is read once, not for each of them.
    """
    found = {}
    with artifact.open("rb") as file, zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise InferenceError(f"{artifact.name} was packed again by another program; make the round anew")
            # The header before the bytes has a name and an extra field whose lengths only it tells.
            file.seek(member.header_offset + 26)
            name_length, extra_length = struct.unpack("<HH", file.read(4))
            found[member.filename] = (member.header_offset + 30 + name_length + extra_length, member.file_size)
    return found


def each_unit(
    kind: type[U], setting: Setting, fields: Sequence[Field], make: Callable[[Field], U]
) -> Iterator[tuple[Field, U]]:
    """Make what is missing, in order, with progress; asks to stop between units. Raises Cancelled.

    An image that cannot be read is a unit with the reason, said in the log and passed over: the others go on.
    """
    folder = setting.work / "units"
    for number, field in enumerate(fields):
        path = folder / f"{field.image}.npz"
        if path.exists():
            unit = stored_unit(kind, path)
        else:
            if setting.stop():
                raise Cancelled("cancelled")
            note = ""
            try:
                unit = make(field)
            except UnreadableImage as error:
                unit = kind(unreadable=str(error))
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


def class_names(setting: Setting) -> Callable[[int], int | None]:
    """A model's class -> the index of the project's, None where it has none.

    Weights that are used as they are may have learned other classes than the project's: the configuration names theirs.
    """
    named = setting.configuration.prediction.classes
    if named is not None:
        return lambda index: named[index] if index < len(named) else None
    return lambda index: index if setting.class_count > 1 else None
